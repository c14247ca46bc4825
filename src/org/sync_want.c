#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "org/ids.h"
#include "org/ranks.h"
#include "org/sync_internal.h"

void sync_queue_give(struct sync *s, uint32_t slot)
{
    /* An honest peer lacks or asks for each element once, apart from collisions of halves. */
    if (++s->given > 2ull * s->limits.elements_max + 64)
        s->abused = true;
    else if (s->give_count < s->limits.elements_max)
        s->gives[s->give_count++] = (struct sync_give){ .id = sync_id(s, slot), .slot = slot };
}

void sync_queue_want(struct sync *s, uint64_t id)
{
    if (s->want_count < s->limits.difference_max)
        s->wants[s->want_count++] = id;
}

void sync_note_theirs(struct sync *s, uint64_t id)
{
    if (s->their_count < s->found_max)
        s->theirs[s->their_count++] = id;
    s->theirs_sorted = false;
}

#define OURS (1u << 31)

/* For each of the found ids how many of ours lie above the one before it and not above itself, with
 * a bit for those that are ours. We give these. */
static void count_below(struct sync *s, uint32_t count)
{
    memset(s->below, 0, (count + 1u) * sizeof(s->below[0]));
    for (uint32_t slot = 0; slot < s->id_slots; slot++) {
        uint64_t id = s->ids[slot];
        size_t place;

        if (id == 0)
            continue;
        place = ids_place(s->found, count, id);
        s->below[place]++;
        if (place == count || s->found[place] != id)
            continue;
        s->below[place] |= OURS;
        if (sync_id(s, slot) == id) /* else it has changed, and is another element now */
            sync_queue_give(s, slot);
    }
}

/* What is not ours is the peer's, and so are those of ours that were not found: that makes the rank
 * of each id among the peer's. */
void sync_use(struct sync *s, uint32_t count)
{
    uint32_t rank = 0;

    ids_sort(s->found, count);
    count_below(s, count);
    s->rank_count = s->rank_sent = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool ours = s->below[i] & OURS;

        rank += (s->below[i] & ~OURS) - ours;
        if (ours || (i > 0 && s->found[i] == s->found[i - 1]))
            continue;
        sync_note_theirs(s, s->found[i]);
        s->ranks[s->rank_count++] = rank++;
    }
    sync_my_turn(s);
}

void sync_write_ranks(struct sync *s, struct output *o)
{
    uint32_t count = s->rank_count - s->rank_sent;

    if (count > SYNC_WANTS_MAX)
        count = SYNC_WANTS_MAX;
    output_u8(o, SYNC_RANKS);
    ranks_write(o, s->ranks + s->rank_sent, count);
    s->rank_sent += count;
}

/* Each message that asks costs us a pass over all elements. */
static int note_asking(struct sync *s)
{
    if (++s->want_messages > s->limits.elements_max / SYNC_WANTS_MAX + SYNC_WANTS_MESSAGES_MORE)
        return -EBADMSG;
    if (s->phase == PHASE_CELLS)
        s->phase = PHASE_THEIRS; /* interrupted: the rest of this turn follows */
    return 0;
}

/* Queues each element that has one of the sorted ids. */
static void give_ids(struct sync *s, const uint64_t *ids, size_t count)
{
    for (uint32_t slot = 0; slot < s->id_slots; slot++) {
        uint64_t id = s->ids[slot];

        if (id != 0 && ids_contain(ids, count, id) && sync_id(s, slot) == id)
            sync_queue_give(s, slot);
    }
}

/* The ids among which ranks count; none when there was neither OPEN nor ESTIMATE of ours. */
static void begin_order(struct sync *s)
{
    if (s->order_count > 0)
        return;
    for (uint32_t slot = 0; slot < s->id_slots; slot++) {
        if (s->ids[slot] != 0)
            s->order[s->order_count++] = s->ids[slot];
    }
}

int sync_on_ranks(struct sync *s, struct cursor *c)
{
    uint32_t ranks[SYNC_WANTS_MAX], count;
    uint64_t ids[SYNC_WANTS_MAX];

    begin_order(s);
    if (ranks_read(c, SYNC_WANTS_MAX, s->order_count, ranks, &count) < 0 || note_asking(s) < 0)
        return -EBADMSG;
    ids_select(s->order, s->order_count, ranks, count);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = s->order[ranks[i]];
    give_ids(s, ids, count);
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
    if (c->failed || count == 0 || note_asking(s) < 0)
        return -EBADMSG;
    for (uint32_t slot = 0; slot < index_slots(s->owner.index); slot++) {
        uint64_t id = sync_id(s, slot);

        if (id != 0 && ids_contain(halves, count, (uint32_t)id))
            sync_queue_give(s, slot);
    }
    return 0;
}
