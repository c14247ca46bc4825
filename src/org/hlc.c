#include "org/hlc.h"

#include <errno.h>
#include <string.h>

void hlc_init(struct hlc *h, uint64_t ceiling)
{
    memset(h, 0, sizeof(*h));
    h->last = ceiling;
    h->ceiling = ceiling;
}

int hlc_issue(struct hlc *h, uint64_t wall_ms, uint64_t *ret_stamp)
{
    uint64_t stamp, reserve_ms;

    if (wall_ms > HLC_MS_MAX || h->last == UINT64_MAX)
        return -ERANGE;
    stamp = hlc_stamp_make(wall_ms, 0);
    if (stamp <= h->last)
        stamp = h->last + 1; /* a full counter carries into the milliseconds */
    h->last = stamp;
    *ret_stamp = stamp;
    if (stamp < h->ceiling)
        return 0;
    reserve_ms = hlc_stamp_ms(stamp) + HLC_RESERVE_MS;
    h->ceiling = reserve_ms > HLC_MS_MAX ? UINT64_MAX : hlc_stamp_make(reserve_ms, 0);
    return 1;
}

void hlc_write_failed(struct hlc *h, uint64_t written)
{
    CHECK(written <= h->ceiling);
    h->ceiling = written;
}

static bool is_ahead(uint64_t wall_ms, uint64_t stamp)
{
    return hlc_stamp_ms(stamp) > wall_ms && hlc_stamp_ms(stamp) - wall_ms > HLC_AHEAD_MAX_MS;
}

static bool before(const struct hlc_deferred *a, const struct hlc_deferred *b)
{
    return a->stamp < b->stamp || (a->stamp == b->stamp && a->handle < b->handle);
}

static int defer(struct hlc *h, struct hlc_deferred entry, uint64_t *ret_dropped)
{
    size_t at = h->deferred_count;
    bool full = h->deferred_count == HLC_DEFERRED_MAX;

    if (full) {
        const struct hlc_deferred *newest = &h->deferred[HLC_DEFERRED_MAX - 1];

        if (!before(&entry, newest)) {
            *ret_dropped = entry.handle;
            return -ENOSPC;
        }
        *ret_dropped = newest->handle;
        at--;
    }
    for (; at > 0 && before(&entry, &h->deferred[at - 1]); at--)
        h->deferred[at] = h->deferred[at - 1];
    h->deferred[at] = entry;
    if (full)
        return -ENOSPC;
    h->deferred_count++;
    return 1;
}

int hlc_accept(struct hlc *h, uint64_t wall_ms, uint64_t stamp, uint64_t handle,
               uint64_t *ret_dropped)
{
    if (is_ahead(wall_ms, stamp))
        return defer(h, (struct hlc_deferred){ stamp, handle }, ret_dropped);
    if (stamp > h->last)
        h->last = stamp;
    return 0;
}

bool hlc_take_due(struct hlc *h, uint64_t wall_ms, uint64_t *ret_handle)
{
    if (h->deferred_count == 0 || is_ahead(wall_ms, h->deferred[0].stamp))
        return false;
    *ret_handle = h->deferred[0].handle;
    if (h->deferred[0].stamp > h->last)
        h->last = h->deferred[0].stamp;
    h->deferred_count--;
    memmove(h->deferred, h->deferred + 1, h->deferred_count * sizeof(h->deferred[0]));
    return true;
}
