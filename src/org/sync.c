#include "org/sync.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"
#include "base/varint.h"
#include "org/ids.h"
#include "org/sync_internal.h"

int sync_new(const struct sync_limits *limits, const struct sync_owner *owner, struct sync **ret)
{
    struct sync *s = heap_take(1, sizeof(*s));

    CHECK(limits->difference_max > 0 && limits->prefixes_max > 0);
    if (!s)
        return -ENOMEM;
    s->limits = *limits;
    s->owner = *owner;
    s->prefixes = heap_take(limits->prefixes_max, sizeof(s->prefixes[0]));
    s->gives = heap_take(limits->elements_max, sizeof(s->gives[0]));
    s->slots = heap_take(limits->elements_max, sizeof(s->slots[0]));
    s->found_max = limits->difference_max > SKETCH_MORE_MAX ? limits->difference_max
                                                            : (uint32_t)SKETCH_MORE_MAX;
    s->ids = heap_take(limits->elements_max, sizeof(s->ids[0]));
    s->order = heap_take(limits->elements_max, sizeof(s->order[0]));
    s->found = heap_take(s->found_max, sizeof(s->found[0]));
    s->below = heap_take(s->found_max + 1u, sizeof(s->below[0]));
    s->ranks = heap_take(s->found_max, sizeof(s->ranks[0]));
    s->wants = heap_take(limits->difference_max, sizeof(s->wants[0]));
    s->theirs = heap_take(s->found_max, sizeof(s->theirs[0]));
    s->cells = heap_take(SYNC_CELLS_MAX, sizeof(s->cells[0]));
    if (!s->prefixes || !s->gives || !s->slots || !s->ids || !s->order || !s->found || !s->below ||
        !s->ranks || !s->wants || !s->theirs || !s->cells ||
        symbol_stream_new(limits->elements_max, &s->stream) < 0 ||
        symbol_decoder_new(limits->difference_max, &s->decoder) < 0) {
        (void)sync_free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

struct sync *sync_free(struct sync *s)
{
    if (!s)
        return NULL;
    (void)symbol_stream_free(s->stream);
    (void)symbol_decoder_free(s->decoder);
    heap_release(s->prefixes);
    heap_release(s->gives);
    heap_release(s->slots);
    heap_release(s->ids);
    heap_release(s->order);
    heap_release(s->found);
    heap_release(s->below);
    heap_release(s->ranks);
    heap_release(s->wants);
    heap_release(s->theirs);
    heap_release(s->cells);
    heap_release(s);
    return NULL;
}

static void begin(struct sync *s, enum sync_phase phase, const uint8_t *salt)
{
    s->prefix_count = s->prefix_sent = 0;
    s->give_count = s->give_sent = s->put_off = 0;
    s->theirs_sorted = true;
    s->insist = false;
    s->id_slots = s->order_count = s->sum_count = 0;
    s->rank_count = s->rank_sent = 0;
    s->want_count = s->want_sent = 0;
    s->their_count = s->cells_sent = s->their_set = 0;
    s->refusals = s->messages = s->want_messages = s->turns = 0;
    s->given = 0;
    s->abused = false;
    s->give_progress = 0;
    s->phase = phase;
    s->state = SYNC_RUNNING;
    s->path = SYNC_PATH_NONE;
    s->fresh = s->allow_fresh = s->asked = s->close = false;
    s->summed = s->too_few = s->decoding = false;
    s->reply = 0;
    memcpy(s->salt, salt, DIGEST_SALT_SIZE);
}

void sync_open(struct sync *s, const uint8_t *index_salt, const uint8_t *fresh_salt)
{
    begin(s, PHASE_OPEN, fresh_salt ? fresh_salt : index_salt);
    s->fresh = fresh_salt != NULL;
}

void sync_ask(struct sync *s, const uint8_t *index_salt, bool allow_fresh)
{
    begin(s, PHASE_ASK, index_salt);
    s->allow_fresh = allow_fresh;
}

void sync_listen(struct sync *s, const uint8_t *index_salt, bool allow_fresh)
{
    begin(s, PHASE_LISTEN, index_salt);
    s->allow_fresh = allow_fresh;
}

enum sync_state sync_state(const struct sync *s)
{
    return s->state;
}

enum sync_path sync_path(const struct sync *s)
{
    return s->path;
}

uint64_t sync_id(const struct sync *s, uint32_t slot)
{
    uint64_t id = index_id(s->owner.index, slot);

    if (id == 0 || !s->fresh)
        return id;
    return index_short_id(s->salt, merkle_value(index_trie(s->owner.index), slot));
}

void sync_my_turn(struct sync *s)
{
    s->phase = PHASE_MY_TURN;
    s->asked = s->insist = false;
}

static void over(struct sync *s, enum sync_state state)
{
    s->phase = PHASE_OVER;
    s->state = state;
}

#define ANSWER [PHASE_FIRST] = true, [PHASE_SUMMED] = true
#define TURN   ANSWER, [PHASE_CELLS] = true, [PHASE_THEIRS] = true

/* In which phases a message may come; anything else ends the session. */
static const bool expected[SYNC_KIND_END_ - SYNC_ASK][PHASE_MAX_] = {
    [SYNC_ASK - SYNC_ASK] = { [PHASE_LISTEN] = true },
    [SYNC_OPEN - SYNC_ASK] = { [PHASE_LISTEN] = true, [PHASE_ASKED] = true },
    [SYNC_OPEN_FRESH - SYNC_ASK] = { [PHASE_LISTEN] = true, [PHASE_ASKED] = true },
    [SYNC_SAY_EQUAL -
        SYNC_ASK] = { [PHASE_ASKED] = true, [PHASE_FIRST] = true, [PHASE_CLOSING] = true },
    [SYNC_SAY_REFUSED - SYNC_ASK] = { [PHASE_ASKED] = true, [PHASE_FIRST] = true },
    [SYNC_ESTIMATE - SYNC_ASK] = { [PHASE_FIRST] = true },
    /* Cells that were on their way when we interrupted come in our turn and after it. */
    [SYNC_CELLS - SYNC_ASK] = { ANSWER, [PHASE_SUMS] = true, [PHASE_MY_TURN] = true,
                                [PHASE_THEIRS] = true, [PHASE_CLOSING] = true },
    [SYNC_SUMS - SYNC_ASK] = { [PHASE_CELLS] = true },
    [SYNC_TOO_FEW - SYNC_ASK] = { [PHASE_SUMMED] = true },
    [SYNC_RANKS - SYNC_ASK] = { TURN },
    [SYNC_WANT - SYNC_ASK] = { TURN },
    [SYNC_GROUPS - SYNC_ASK] = { TURN },
    [SYNC_LIST - SYNC_ASK] = { [PHASE_THEIRS] = true },
    [SYNC_END - SYNC_ASK] = { TURN, [PHASE_CLOSING] = true },
    [SYNC_DONE - SYNC_ASK] = { TURN, [PHASE_CLOSING] = true },
};
static const bool element_expected[PHASE_MAX_] = { TURN, [PHASE_CLOSING] = true };

static int on_element(struct sync *s, const uint8_t *bytes, size_t size)
{
    if (s->phase == PHASE_CELLS)
        s->phase = PHASE_THEIRS; /* interrupted by someone who lacks nothing */
    if (s->owner.take(s->owner.context, bytes, size) < 0)
        s->refusals++;
    return s->refusals <= SYNC_REFUSALS_MAX ? 0 : -EBADMSG;
}

static int on_done(struct sync *s, struct cursor *c)
{
    const uint8_t *theirs = cursor_take(c, SYNC_DONE_SIZE);
    struct digest ours;

    if (!theirs)
        return -EBADMSG;
    if (s->phase == PHASE_CLOSING) {
        ours = index_root(s->owner.index);
        over(s, memcmp(ours.bytes, theirs, SYNC_DONE_SIZE) == 0 ? SYNC_EQUAL : SYNC_DIFFERENT);
        return 0;
    }
    sync_my_turn(s);
    if (s->give_count > 0) {
        s->asked = true; /* so that our turn ends with END, and the peer can say DONE again */
        s->insist = true;
        return 0;
    }
    s->close = true;
    ours = index_root(s->owner.index);
    s->verdict = memcmp(ours.bytes, theirs, SYNC_DONE_SIZE) == 0 ? SYNC_EQUAL : SYNC_DIFFERENT;
    return 0;
}

/* The ids of what the peer has put off: with them we see how far its chains reach. */
static int on_end(struct sync *s, struct cursor *c)
{
    bool none = cursor_finished(c);
    uint32_t count = none ? 0 : (uint32_t)varint_read(c, SYNC_WANTS_MAX);

    if (++s->turns > SYNC_TURNS_MAX || (count == 0 && !none))
        return -EBADMSG;
    for (uint32_t i = 0; i < count && !c->failed; i++)
        sync_note_theirs(s, cursor_le64(c));
    if (c->failed)
        return -EBADMSG;
    sync_my_turn(s);
    return 0;
}

static int on_message(struct sync *s, enum sync_kind kind, struct cursor *c)
{
    switch (kind) {
    case SYNC_ASK:
        return sync_on_ask(s, c);
    case SYNC_OPEN:
    case SYNC_OPEN_FRESH:
        s->fresh = kind == SYNC_OPEN_FRESH;
        return sync_on_open(s, c);
    case SYNC_SAY_EQUAL:
        over(s, SYNC_EQUAL);
        return 0;
    case SYNC_SAY_REFUSED:
        over(s, SYNC_REFUSED);
        return 0;
    case SYNC_ESTIMATE:
        return sync_on_estimate(s, c);
    case SYNC_CELLS:
        return sync_on_cells(s, c);
    case SYNC_SUMS:
        return sync_on_sums(s, c);
    case SYNC_TOO_FEW:
        return sync_on_too_few(s);
    case SYNC_RANKS:
        return sync_on_ranks(s, c);
    case SYNC_WANT:
        return sync_on_want(s, c);
    case SYNC_GROUPS:
        return sync_on_groups(s, c);
    case SYNC_LIST:
        return sync_on_list(s, c);
    case SYNC_END:
        return on_end(s, c);
    case SYNC_DONE:
        return on_done(s, c);
    case SYNC_KIND_END_:
        break;
    }
    return -EBADMSG;
}

/* One message in a phase that allows it. */
static int take_message(struct sync *s, const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    uint8_t kind = cursor_u8(&c);
    int r;

    if (c.failed || size > SYNC_MESSAGE_SIZE_MAX || ++s->messages > SYNC_MESSAGES_MAX)
        return -EBADMSG;
    if (kind < SYNC_ELEMENT_KINDS)
        return element_expected[s->phase] ? on_element(s, bytes, size) : -EBADMSG;
    if (kind >= SYNC_KIND_END_ || !expected[kind - SYNC_ASK][s->phase])
        return -EBADMSG;
    r = on_message(s, (enum sync_kind)kind, &c);
    return r == 0 && cursor_finished(&c) ? 0 : -EBADMSG;
}

int sync_receive(struct sync *s, const uint8_t *bytes, size_t size)
{
    if (s->phase == PHASE_OVER)
        return 0; /* what was still on its way */
    if (take_message(s, bytes, size) < 0 || s->abused) {
        over(s, SYNC_FAILED);
        return -EBADMSG;
    }
    return 0;
}

/* One part of one element. Returns true when something was written; else the element is done with,
 * or put off to our next turn. */
static bool write_part(struct sync *s, struct output *o)
{
    struct sync_peer peer = { s->theirs, s->their_count, s->salt,
                              .insist = s->insist || !s->asked };
    struct sync_give give = s->gives[s->give_sent];
    size_t start = o->size;
    int r;

    /* What the peer asked for while it was giving us something newer need not go back. */
    if (s->give_progress == 0 && sync_id(s, give.slot) != give.id) {
        s->give_sent++;
        return false;
    }
    r = s->owner.give(s->owner.context, give.slot, &peer, &s->give_progress, o);
    CHECK(r < 0 || (o->size > start && o->bytes[start] < SYNC_ELEMENT_KINDS));
    if (r <= 0 || !output_fits(o)) {
        s->give_sent++;
        s->give_progress = 0;
    }
    if (r >= 0 && output_fits(o))
        return true;
    o->size = start; /* gone meanwhile, or larger than a message may be: left out */
    o->failed = false;
    if (r == -EAGAIN && s->asked)
        s->gives[s->put_off++] = give; /* put_off < give_sent: what stood there is done with */
    return false;
}

/* Moves what others stand on to the front. */
static void order_gives(struct sync *s)
{
    uint32_t front = 0;

    for (uint32_t i = 0; s->owner.first && i < s->give_count; i++) {
        struct sync_give give = s->gives[i];

        if (!s->owner.first(s->owner.context, give.slot))
            continue;
        s->gives[i] = s->gives[front];
        s->gives[front++] = give;
    }
}

/* Writes the next part of the next element to give; false when this turn has no more. */
static bool write_element(struct sync *s, struct output *o)
{
    ids_sort(s->theirs, s->theirs_sorted ? 0 : s->their_count);
    s->theirs_sorted = true;
    if (s->give_sent == 0 && s->give_progress == 0)
        order_gives(s);
    while (s->give_sent < s->give_count) {
        if (write_part(s, o))
            return true;
    }
    s->give_count = s->put_off;
    s->give_sent = s->put_off = 0;
    return false;
}

static void write_end(struct sync *s, struct output *o)
{
    struct digest root = index_root(s->owner.index);
    uint32_t count;

    if (s->asked) {
        output_u8(o, SYNC_END);
        count = s->give_count < SYNC_WANTS_MAX ? s->give_count : SYNC_WANTS_MAX;
        if (count > 0)
            varint_write(o, count);
        for (uint32_t i = 0; i < count; i++)
            output_le64(o, s->gives[i].id);
        s->phase = PHASE_THEIRS;
        return;
    }
    if (s->close && s->verdict == SYNC_EQUAL) {
        output_u8(o, SYNC_SAY_EQUAL);
        over(s, SYNC_EQUAL);
        return;
    }
    output_u8(o, SYNC_DONE);
    output_copy(o, root.bytes, SYNC_DONE_SIZE);
    if (s->close)
        over(s, s->verdict);
    else
        s->phase = PHASE_CLOSING;
}

static void write_turn(struct sync *s, struct output *o)
{
    if (s->rank_sent < s->rank_count) {
        sync_write_ranks(s, o);
        s->asked = true;
    } else if (s->want_sent < s->want_count) {
        sync_write_want(s, o);
        s->asked = true;
    } else if (s->prefix_sent < s->prefix_count) {
        sync_write_prefix(s, o);
        s->asked = true;
    } else if (!write_element(s, o)) {
        s->rank_count = s->rank_sent = 0;
        s->want_count = s->want_sent = 0;
        s->prefix_count = s->prefix_sent = 0;
        write_end(s, o);
    }
}

/* Says in one byte what there is to say before anything else. */
static bool write_word(struct sync *s, struct output *o)
{
    if (s->reply != 0) {
        output_u8(o, s->reply);
        over(s, s->reply == SYNC_SAY_EQUAL ? SYNC_EQUAL : SYNC_REFUSED);
        s->reply = 0;
        return true;
    }
    if (s->too_few) {
        output_u8(o, SYNC_TOO_FEW);
        s->too_few = false;
        return true;
    }
    return false;
}

static void write_ask(struct sync *s, struct output *o)
{
    struct digest root = index_root(s->owner.index);

    output_u8(o, SYNC_ASK);
    output_copy(o, root.bytes, SYNC_ROOT_SIZE);
    s->phase = PHASE_ASKED;
}

int sync_send(struct sync *s, struct output *o)
{
    CHECK(o->size == 0 && o->capacity >= SYNC_MESSAGE_SIZE_MAX);
    if (write_word(s, o))
        return 1;
    switch (s->phase) {
    case PHASE_ASK:
        write_ask(s, o);
        break;
    case PHASE_OPEN:
        sync_write_open(s, o);
        s->phase = PHASE_FIRST;
        break;
    case PHASE_ESTIMATE:
        sync_write_estimate(s, o);
        break;
    case PHASE_CELLS:
        if (s->cells_sent >= SYMBOL_INDEX_MAX)
            return 0;
        sync_write_cells(s, o);
        break;
    case PHASE_SUMS:
        sync_write_sums(s, o);
        break;
    case PHASE_MY_TURN:
        write_turn(s, o);
        break;
    case PHASE_LISTEN:
    case PHASE_ASKED:
    case PHASE_FIRST:
    case PHASE_SUMMED:
    case PHASE_THEIRS:
    case PHASE_CLOSING:
    case PHASE_OVER:
    case PHASE_MAX_:
        return 0;
    }
    CHECK(output_fits(o));
    return 1;
}
