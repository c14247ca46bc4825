#include "org/gate.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"

struct gate_peer {
    uint8_t key[GATE_KEY_SIZE];
    bool used;
    bool in_session;
    bool opened_by_peer;
    uint64_t began_ns;
    uint64_t not_before_ns;       /* sessions that the peer opens */
    uint64_t fresh_not_before_ns; /* fresh salts */
    uint64_t leaves_ns; /* when the next statement would come at the slowest rate: it may be up to
                           GATE_LEAVES_BURST of them ahead of now */
};

struct gate {
    uint32_t peers_max;
    uint32_t sessions;
    uint32_t opened; /* by peers */
    struct gate_peer *peers;
};

int gate_new(uint32_t peers_max, struct gate **ret)
{
    struct gate *g = heap_take(1, sizeof(*g));

    CHECK(peers_max > 0);
    if (!g)
        return -ENOMEM;
    g->peers_max = peers_max;
    g->peers = heap_take(peers_max, sizeof(g->peers[0]));
    if (!g->peers) {
        heap_release(g);
        return -ENOMEM;
    }
    *ret = g;
    return 0;
}

struct gate *gate_free(struct gate *g)
{
    if (!g)
        return NULL;
    heap_release(g->peers);
    heap_release(g);
    return NULL;
}

static struct gate_peer *find(struct gate *g, const uint8_t *key)
{
    for (uint32_t i = 0; i < g->peers_max; i++) {
        if (g->peers[i].used && memcmp(g->peers[i].key, key, GATE_KEY_SIZE) == 0)
            return &g->peers[i];
    }
    return NULL;
}

static struct gate_peer *find_or_add(struct gate *g, const uint8_t *key)
{
    struct gate_peer *p = find(g, key);

    for (uint32_t i = 0; !p && i < g->peers_max; i++) {
        if (g->peers[i].used)
            continue;
        p = &g->peers[i];
        *p = (struct gate_peer){ .used = true };
        memcpy(p->key, key, GATE_KEY_SIZE);
    }
    return p;
}

void gate_forget(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE])
{
    struct gate_peer *p = find(g, peer);

    if (!p)
        return;
    CHECK(!p->in_session);
    p->used = false;
}

int gate_begin(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE], bool opened_by_peer,
               uint64_t now_ns)
{
    struct gate_peer *p = find_or_add(g, peer);

    if (!p)
        return -ENOSPC;
    if (p->in_session || g->sessions == GATE_SESSIONS_MAX ||
        (opened_by_peer && g->opened == GATE_OPENED_MAX))
        return -EBUSY;
    if (opened_by_peer && now_ns < p->not_before_ns)
        return -EAGAIN;
    p->in_session = true;
    p->opened_by_peer = opened_by_peer;
    p->began_ns = now_ns;
    g->sessions++;
    g->opened += opened_by_peer;
    return 0;
}

/* How long a peer waits after a session that took so long. */
static uint64_t wait_after(uint64_t took_ns, bool broken)
{
    if (broken || took_ns > GATE_WAIT_MAX_NS / 3)
        return GATE_WAIT_MAX_NS;
    return 3 * took_ns < GATE_WAIT_MIN_NS ? GATE_WAIT_MIN_NS : 3 * took_ns;
}

void gate_end(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE], bool broken,
              uint64_t now_ns)
{
    struct gate_peer *p = find(g, peer);

    CHECK(p && p->in_session && now_ns >= p->began_ns);
    p->in_session = false;
    g->sessions--;
    g->opened -= p->opened_by_peer;
    if (p->opened_by_peer || broken)
        p->not_before_ns = now_ns + wait_after(now_ns - p->began_ns, broken);
}

bool gate_fresh(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE], uint64_t now_ns)
{
    struct gate_peer *p = find(g, peer);

    CHECK(p);
    if (now_ns < p->fresh_not_before_ns)
        return false;
    p->fresh_not_before_ns = now_ns + GATE_FRESH_NS;
    return true;
}

bool gate_leaves(struct gate *g, const uint8_t node[static GATE_KEY_SIZE], uint64_t now_ns)
{
    struct gate_peer *p = find_or_add(g, node);

    if (!p)
        return false;
    if (p->leaves_ns < now_ns)
        p->leaves_ns = now_ns;
    if (p->leaves_ns - now_ns > (GATE_LEAVES_BURST - 1) * GATE_LEAF_NS)
        return false;
    p->leaves_ns += GATE_LEAF_NS;
    return true;
}

uint32_t gate_sessions(const struct gate *g)
{
    return g->sessions;
}
