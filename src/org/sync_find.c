#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "org/ids.h"
#include "org/sync_internal.h"

/* Our sketch under the session's salt. */
static struct sketch own_sketch(const struct sync *s)
{
    struct sketch sketch = { { 0 } };
    gf64_multiply mul = gf64_best();

    if (!s->fresh)
        return *index_sketch(s->owner.index);
    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t id = sync_id(s, slot);

        if (id != 0)
            sketch_toggle(&sketch, mul, id);
    }
    return sketch;
}

void sync_write_open(struct sync *s, struct output *o)
{
    struct digest root = index_root(s->owner.index);
    struct sketch sketch = own_sketch(s);

    output_u8(o, SYNC_OPEN);
    output_copy(o, root.bytes, DIGEST_SIZE);
    varint_write(o, index_count(s->owner.index));
    output_u8(o, s->fresh);
    if (s->fresh)
        output_copy(o, s->salt, DIGEST_SALT_SIZE);
    sketch_write(&sketch, o);
}

/* Sorts the found ids into those that we have (to give) and those that we have not (to ask for). */
static void split_ids(struct sync *s, const uint64_t *ids, unsigned count)
{
    bool ours[SKETCH_CAPACITY] = { false };

    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t id = sync_id(s, slot);
        size_t place = ids_place(ids, count, id);

        if (id == 0 || place == count || ids[place] != id)
            continue;
        ours[place] = true;
        sync_queue_give(s, slot);
    }
    for (unsigned i = 0; i < count; i++) {
        if (ours[i])
            continue;
        sync_queue_want(s, ids[i]);
        if (s->their_count < s->limits.difference_max)
            s->theirs[s->their_count++] = ids[i];
    }
}

/* True when cells would cost more than they save: more than a tenth differs for certain. */
static bool too_different(uint32_t ours, uint32_t theirs)
{
    uint32_t least = ours > theirs ? ours - theirs : theirs - ours;

    return least > (ours > theirs ? ours : theirs) / 10;
}

static void start_cells(struct sync *s)
{
    s->path = SYNC_PATH_CELLS;
    s->phase = PHASE_CELLS;
    symbol_stream_clear(s->stream, s->salt);
    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t id = sync_id(s, slot);
        int r = id == 0 ? 0 : symbol_stream_add(s->stream, id);

        CHECK(r == 0); /* both were made for elements_max */
    }
}

int sync_on_open(struct sync *s, struct cursor *c)
{
    uint64_t ids[SKETCH_CAPACITY];
    struct digest root, ours = index_root(s->owner.index);
    struct sketch theirs, sketch;
    uint8_t flags;
    int count;

    cursor_copy(c, root.bytes, DIGEST_SIZE);
    s->their_set = (uint32_t)varint_read(c, INT32_MAX);
    flags = cursor_u8(c);
    if (flags > 1)
        return -EBADMSG;
    s->fresh = flags == 1;
    if (s->fresh)
        cursor_copy(c, s->salt, DIGEST_SALT_SIZE);
    sketch_read(c, &theirs);
    if (!cursor_finished(c))
        return -EBADMSG;
    if (memcmp(root.bytes, ours.bytes, DIGEST_SIZE) == 0 || (s->fresh && !s->allow_fresh)) {
        s->reply =
            memcmp(root.bytes, ours.bytes, DIGEST_SIZE) == 0 ? SYNC_SAY_EQUAL : SYNC_SAY_REFUSED;
        return 0;
    }
    sketch = own_sketch(s);
    sketch_combine(&sketch, &theirs);
    count = sketch_decode(&sketch, gf64_best(), ids);
    if (count > 0) {
        s->path = SYNC_PATH_SKETCH;
        split_ids(s, ids, (unsigned)count);
        sync_my_turn(s);
    } else if (too_different(index_count(s->owner.index), s->their_set)) {
        sync_descend(s);
    } else {
        start_cells(s);
    }
    return 0;
}

void sync_write_cells(struct sync *s, struct output *o)
{
    uint32_t count = s->cells_sent / 4, size = index_count(s->owner.index);

    if (count < SYNC_CELLS_MIN)
        count = SYNC_CELLS_MIN;
    if (count > SYNC_CELLS_MAX)
        count = SYNC_CELLS_MAX;
    if (count > SYMBOL_INDEX_MAX - s->cells_sent)
        count = SYMBOL_INDEX_MAX - s->cells_sent;
    memset(s->cells, 0, count * sizeof(s->cells[0]));
    symbol_stream_cells(s->stream, s->cells_sent, count, 1, s->cells);
    output_u8(o, SYNC_CELLS);
    varint_write(o, s->cells_sent);
    varint_write(o, size);
    varint_write(o, count);
    for (uint32_t i = 0; i < count; i++)
        symbol_write(o, &s->cells[i], s->cells_sent + i, size);
    s->cells_sent += count;
}

static void start_decoder(struct sync *s)
{
    s->path = SYNC_PATH_CELLS;
    symbol_stream_clear(s->stream, s->salt);
    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t id = sync_id(s, slot);
        int r = id == 0 ? 0 : symbol_stream_add(s->stream, id);

        CHECK(r == 0);
    }
    symbol_decoder_begin(s->decoder, s->stream, s->salt);
}

/* Queues every own element whose id is among the sorted `ids`; `mask` says which bits count. */
static void give_matching(struct sync *s, const uint64_t *ids, size_t count, uint64_t mask)
{
    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t whole = sync_id(s, slot), id = whole & mask;

        if (whole != 0 && ids_contain(ids, count, id))
            sync_queue_give(s, slot);
    }
}

static void use_decoded(struct sync *s)
{
    uint32_t count = symbol_decoder_count(s->decoder), ours = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool theirs;
        uint64_t id = symbol_decoder_id(s->decoder, i, &theirs);

        if (theirs) {
            sync_queue_want(s, id);
            s->theirs[s->their_count++] = id;
        }
    }
    /* Our own ids go to the end of the array of theirs: together they are the difference. */
    for (uint32_t i = 0; i < count; i++) {
        bool theirs;
        uint64_t id = symbol_decoder_id(s->decoder, i, &theirs);

        if (!theirs)
            s->theirs[s->their_count + ours++] = id;
    }
    ids_sort(s->theirs, s->their_count);
    ids_sort(s->theirs + s->their_count, ours);
    give_matching(s, s->theirs + s->their_count, ours, UINT64_MAX);
    sync_my_turn(s);
}

static int read_cells(struct sync *s, struct cursor *c, bool *ret_full)
{
    uint32_t first = (uint32_t)varint_read(c, SYMBOL_INDEX_MAX);
    uint32_t size = (uint32_t)varint_read(c, INT32_MAX);
    uint32_t count = (uint32_t)varint_read(c, SYNC_CELLS_MAX);

    *ret_full = false;
    if (c->failed || count == 0 || count > SYMBOL_INDEX_MAX - first)
        return -EBADMSG;
    if (first == 0 && s->phase == PHASE_FIRST && s->path == SYNC_PATH_NONE)
        start_decoder(s);
    if (s->phase == PHASE_FIRST &&
        (s->path != SYNC_PATH_CELLS || first != symbol_decoder_cells(s->decoder)))
        return -EBADMSG;
    s->their_set = size;
    for (uint32_t i = 0; i < count; i++) {
        struct symbol cell;

        symbol_read(c, &cell, first + i, size);
        if (c->failed)
            return -EBADMSG;
        if (s->phase == PHASE_FIRST && symbol_decoder_add(s->decoder, &cell) < 0)
            *ret_full = true;
    }
    return 0;
}

int sync_on_cells(struct sync *s, struct cursor *c)
{
    uint32_t ours = index_count(s->owner.index), larger, cells;
    bool full;
    int r = read_cells(s, c, &full);

    if (r < 0 || s->phase != PHASE_FIRST)
        return r; /* late cells are read, checked and ignored */
    r = symbol_decoder_run(s->decoder);
    if (r > 0) {
        use_decoded(s);
        return 0;
    }
    larger = ours > s->their_set ? ours : s->their_set;
    cells = symbol_decoder_cells(s->decoder);
    if (r < 0 || full || (cells > 8 * SKETCH_CAPACITY && cells / 3 * 2 > larger / 10))
        sync_descend(s); /* lies, or more than a tenth differs */
    return 0;
}

void sync_write_want(struct sync *s, struct output *o)
{
    uint32_t count = s->want_count - s->want_sent;
    uint64_t *ids = s->wants + s->want_sent;

    if (count > SYNC_WANTS_MAX)
        count = SYNC_WANTS_MAX;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = (uint32_t)ids[i];
    ids_sort(ids, count);
    output_u8(o, SYNC_WANT);
    varint_write(o, count);
    for (uint32_t i = 0; i < count; i++)
        output_le32(o, (uint32_t)ids[i]);
    s->want_sent += count;
}

int sync_on_want(struct sync *s, struct cursor *c)
{
    uint64_t halves[SYNC_WANTS_MAX];
    uint32_t count = (uint32_t)varint_read(c, SYNC_WANTS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        halves[i] = cursor_le32(c);
        if (c->failed || (i > 0 && halves[i] < halves[i - 1]))
            return -EBADMSG;
    }
    /* Each of these costs us a pass over all elements. */
    if (c->failed || count == 0 ||
        ++s->want_messages > s->limits.elements_max / SYNC_WANTS_MAX + SYNC_WANTS_MESSAGES_MORE)
        return -EBADMSG;
    if (s->phase == PHASE_CELLS)
        s->phase = PHASE_THEIRS; /* interrupted: the rest of this turn follows */
    give_matching(s, halves, count, UINT32_MAX);
    return 0;
}
