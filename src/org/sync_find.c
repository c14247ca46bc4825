#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "org/ids.h"
#include "org/sync_internal.h"

/* Keeps the ids as they are now: elements may change while the session goes on, and the peer's
 * sketch, sums, cells and ranks all speak of one moment. */
static void remember_ids(struct sync *s)
{
    s->id_slots = index_slots(s->owner.index);
    CHECK(s->id_slots <= s->limits.elements_max);
    for (uint32_t slot = 0; slot < s->id_slots; slot++)
        s->ids[slot] = sync_id(s, slot);
    s->order_count = 0;
}

static struct sketch own_sketch(const struct sync *s)
{
    struct sketch sketch = { { 0 } };

    if (!s->fresh)
        return *index_sketch(s->owner.index);
    gf64_best()->power_sums(sketch.sums, 0, SKETCH_CAPACITY, s->ids, s->id_slots);
    return sketch;
}

void sync_write_open(struct sync *s, struct output *o)
{
    struct digest root = index_root(s->owner.index);
    struct sketch sketch;

    remember_ids(s);
    sketch = own_sketch(s);
    output_u8(o, s->fresh ? SYNC_OPEN_FRESH : SYNC_OPEN);
    output_copy(o, root.bytes, SYNC_ROOT_SIZE);
    varint_write(o, index_count(s->owner.index));
    sketch_write(&sketch, o);
    if (s->fresh)
        output_copy(o, s->salt, DIGEST_SALT_SIZE);
}

static bool is_our_root(struct sync *s, const uint8_t root[static SYNC_ROOT_SIZE])
{
    struct digest ours = index_root(s->owner.index);

    return memcmp(root, ours.bytes, SYNC_ROOT_SIZE) == 0;
}

int sync_on_ask(struct sync *s, struct cursor *c)
{
    const uint8_t *root = cursor_take(c, SYNC_ROOT_SIZE);

    if (!root)
        return -EBADMSG;
    if (is_our_root(s, root))
        s->reply = SYNC_SAY_EQUAL;
    else
        s->phase = PHASE_OPEN;
    return 0;
}

/* Where about half of the larger set differs the trie costs less than cells. */
static bool too_different(uint32_t difference, uint32_t ours, uint32_t theirs)
{
    return difference > (ours > theirs ? ours : theirs) / 5 * 2;
}

static uint32_t least_difference(uint32_t ours, uint32_t theirs)
{
    return ours > theirs ? ours - theirs : theirs - ours;
}

/* `fresh` was set by the kind of the message. */
int sync_on_open(struct sync *s, struct cursor *c)
{
    const uint8_t *root = cursor_take(c, SYNC_ROOT_SIZE);
    uint32_t ours = index_count(s->owner.index);
    struct sketch theirs;
    int count;

    s->their_set = (uint32_t)varint_read(c, INT32_MAX);
    sketch_read(c, &theirs);
    if (s->fresh)
        cursor_copy(c, s->salt, DIGEST_SALT_SIZE);
    if (!root || !cursor_finished(c))
        return -EBADMSG;
    if (is_our_root(s, root) || (s->fresh && !s->allow_fresh)) {
        s->reply = is_our_root(s, root) ? SYNC_SAY_EQUAL : SYNC_SAY_REFUSED;
        return 0;
    }
    remember_ids(s);
    s->difference = own_sketch(s);
    sketch_combine(&s->difference, &theirs);
    count = sketch_decode(s->difference.sums, SKETCH_CAPACITY, gf64_best(), s->found);
    if (count > 0) {
        s->path = SYNC_PATH_SKETCH;
        sync_use(s, (uint32_t)count);
    } else if (too_different(least_difference(ours, s->their_set), ours, s->their_set)) {
        sync_descend(s);
    } else {
        s->path = SYNC_PATH_CELLS;
        s->phase = PHASE_ESTIMATE;
    }
    return 0;
}

/* Each id counts +1 or -1 in each number, as the bits of its mix say; in those after FINE only when
 * it is one of 64 ids. */
static void count_signs(const struct sync *s, uint8_t signs[static SYNC_ESTIMATE_SIZE])
{
    uint32_t counts[SYNC_ESTIMATE_SIZE] = { 0 }, ids = 0, chosen_ids = 0;

    for (uint32_t slot = 0; slot < s->id_slots; slot++) {
        uint64_t bits = symbol_mix(s->ids[slot] ^ 0x62726f6368ull);

        if (s->ids[slot] == 0)
            continue;
        ids++;
        for (unsigned j = 0; j < SYNC_ESTIMATE_FINE; j++)
            counts[j] += bits >> j & 1;
        if (bits >> 58 != 0)
            continue;
        chosen_ids++;
        bits = symbol_mix(bits);
        for (unsigned j = SYNC_ESTIMATE_FINE; j < SYNC_ESTIMATE_SIZE; j++)
            counts[j] += bits >> j & 1;
    }
    for (unsigned j = 0; j < SYNC_ESTIMATE_SIZE; j++)
        signs[j] = (uint8_t)(2 * counts[j] - (j < SYNC_ESTIMATE_FINE ? ids : chosen_ids));
}

void sync_write_estimate(struct sync *s, struct output *o)
{
    uint8_t signs[SYNC_ESTIMATE_SIZE];

    count_signs(s, signs);
    output_u8(o, SYNC_ESTIMATE);
    varint_write(o, index_count(s->owner.index));
    output_copy(o, signs, sizeof(signs));
    s->phase = PHASE_CELLS;
}

/* The mean square of the differences from..to-1, which are modulo 256. */
static uint32_t mean_square(const uint8_t *ours, const uint8_t *theirs, unsigned from, unsigned to)
{
    uint32_t sum = 0;

    for (unsigned j = from; j < to; j++) {
        uint8_t difference = (uint8_t)(ours[j] - theirs[j]);
        uint32_t size = difference < 128 ? difference : 256u - difference;

        sum += size * size;
    }
    return sum / (to - from);
}

/* How large the difference seems to be. Above some thousand the fine numbers wrap. */
static uint32_t estimate(const struct sync *s, const uint8_t theirs[static SYNC_ESTIMATE_SIZE])
{
    uint8_t ours[SYNC_ESTIMATE_SIZE];
    uint32_t fine, coarse;

    count_signs(s, ours);
    fine = mean_square(ours, theirs, 0, SYNC_ESTIMATE_FINE);
    coarse = 64 * mean_square(ours, theirs, SYNC_ESTIMATE_FINE, SYNC_ESTIMATE_SIZE);
    return fine < 1000 || coarse < fine ? fine : coarse;
}

int sync_on_estimate(struct sync *s, struct cursor *c)
{
    uint32_t size = (uint32_t)varint_read(c, INT32_MAX), ours = index_count(s->owner.index), seems;
    const uint8_t *signs = cursor_take(c, SYNC_ESTIMATE_SIZE);

    if (!signs || c->failed || s->path != SYNC_PATH_NONE)
        return -EBADMSG;
    s->path = SYNC_PATH_CELLS;
    s->their_set = size;
    seems = estimate(s, signs);
    s->sum_count = seems * 17 / 10;
    if (s->sum_count < SYNC_SUMS_MIN)
        s->sum_count = SYNC_SUMS_MIN;
    if (s->sum_count <= SKETCH_MORE_MAX)
        s->phase = PHASE_SUMS;
    else if (too_different(seems, ours, size))
        sync_descend(s);
    return 0;
}

void sync_write_sums(struct sync *s, struct output *o)
{
    uint64_t sums[SKETCH_MORE_MAX] = { 0 };

    gf64_best()->power_sums(sums, SKETCH_CAPACITY, s->sum_count, s->ids, s->id_slots);
    output_u8(o, SYNC_SUMS);
    varint_write(o, s->sum_count);
    for (uint32_t k = 0; k < s->sum_count - SKETCH_CAPACITY; k++)
        output_le64(o, sums[k]);
    s->summed = true;
    s->phase = PHASE_SUMMED;
}

int sync_on_sums(struct sync *s, struct cursor *c)
{
    uint32_t count = (uint32_t)varint_read(c, SKETCH_MORE_MAX);
    uint64_t sums[SKETCH_MORE_MAX] = { 0 };
    int found;

    if (c->failed || count <= SKETCH_CAPACITY || s->summed)
        return -EBADMSG;
    s->summed = true;
    for (uint32_t k = SKETCH_CAPACITY; k < count; k++)
        sums[k] = cursor_le64(c);
    if (!cursor_finished(c))
        return -EBADMSG;
    memcpy(sums, s->difference.sums, sizeof(s->difference.sums));
    gf64_best()->power_sums(sums + SKETCH_CAPACITY, SKETCH_CAPACITY, count, s->ids, s->id_slots);
    found = sketch_decode(sums, count, gf64_best(), s->found);
    if (found > 0) {
        s->path = SYNC_PATH_SUMS;
        sync_use(s, (uint32_t)found);
    } else {
        s->too_few = true;
    }
    return 0;
}

static void start_stream(struct sync *s)
{
    symbol_stream_clear(s->stream, s->salt);
    for (uint32_t slot = 0; slot < s->id_slots; slot++) {
        int r = s->ids[slot] == 0 ? 0 : symbol_stream_add(s->stream, s->ids[slot]);

        CHECK(r == 0); /* both were made for elements_max */
    }
}

void sync_write_cells(struct sync *s, struct output *o)
{
    uint32_t count = s->cells_sent / 4;

    if (s->cells_sent == 0)
        start_stream(s);
    if (count < SYNC_CELLS_MIN)
        count = s->cells_sent == 0 ? SYNC_CELLS_FIRST : SYNC_CELLS_MIN;
    if (count > SYNC_CELLS_MAX)
        count = SYNC_CELLS_MAX;
    if (count > SYMBOL_INDEX_MAX - s->cells_sent)
        count = SYMBOL_INDEX_MAX - s->cells_sent;
    memset(s->cells, 0, count * sizeof(s->cells[0]));
    symbol_stream_cells(s->stream, s->cells_sent, count, 1, s->cells);
    output_u8(o, SYNC_CELLS);
    varint_write(o, s->cells_sent);
    varint_write(o, count);
    for (uint32_t i = 0; i < count; i++)
        symbol_write(o, &s->cells[i]);
    s->cells_sent += count;
}

/* Cells that were on their way when we interrupted with SUMS are kept, in case they do not do. */
static int read_cells(struct sync *s, struct cursor *c, bool *ret_full)
{
    uint32_t first = (uint32_t)varint_read(c, SYMBOL_INDEX_MAX);
    uint32_t count = (uint32_t)varint_read(c, SYNC_CELLS_MAX);
    bool wanted = s->phase == PHASE_FIRST || s->phase == PHASE_SUMS || s->phase == PHASE_SUMMED;

    *ret_full = false;
    if (c->failed || count == 0 || count > SYMBOL_INDEX_MAX - first)
        return -EBADMSG;
    if (wanted && first == 0 && !s->decoding) {
        start_stream(s);
        symbol_decoder_begin(s->decoder, s->stream, s->salt);
        s->decoding = true;
    }
    if (wanted &&
        (s->path != SYNC_PATH_CELLS || !s->decoding || first != symbol_decoder_cells(s->decoder)))
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        struct symbol cell;

        symbol_read(c, &cell);
        if (c->failed)
            return -EBADMSG;
        if (wanted && !*ret_full && symbol_decoder_add(s->decoder, &cell) < 0)
            *ret_full = true;
    }
    return 0;
}

static int decode_cells(struct sync *s, bool full)
{
    uint32_t ours = index_count(s->owner.index), larger, cells, count;
    int r = symbol_decoder_run(s->decoder);

    if (r > 0) {
        count = symbol_decoder_count(s->decoder);
        for (uint32_t i = 0; i < count; i++) {
            bool theirs;

            s->found[i] = symbol_decoder_id(s->decoder, i, &theirs); /* we look for ourselves */
        }
        sync_use(s, count);
        return 0;
    }
    larger = ours > s->their_set ? ours : s->their_set;
    cells = symbol_decoder_cells(s->decoder);
    if (r < 0 || full || (cells > SKETCH_MORE_MAX && cells > larger))
        sync_descend(s); /* lies, or most of it differs */
    return 0;
}

int sync_on_cells(struct sync *s, struct cursor *c)
{
    bool full;
    int r = read_cells(s, c, &full);

    if (r < 0 || s->phase != PHASE_FIRST)
        return r; /* late cells are read and checked, and wait or are ignored */
    return decode_cells(s, full);
}

int sync_on_too_few(struct sync *s)
{
    s->phase = PHASE_FIRST;
    return s->decoding ? decode_cells(s, false) : 0;
}
