#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "org/replica_internal.h"
#include "state_world.h"

enum { DISK_BYTES = 4 << 20, DISK_PARCELS = 20000 };

static const struct sync_limits sync_limits = { 900, 900, 300 };
static const uint8_t salt[DIGEST_SALT_SIZE] = { 's' };

const char *const state_keys[STATE_KEYS] = { "web", "db", "mail" };

/* What the callbacks of a session need. */
struct session_context {
    struct state_world *world;
    uint16_t node;
};

static struct session_context contexts[STATE_NODES_MAX];

void state_violate(struct state_world *w, uint16_t node, const char *what)
{
    if (w->violation)
        return;
    w->violation = what;
    w->violated = node;
    w->violated_ms = w->now_ms;
}

struct digest state_org(void)
{
    return (struct digest){ { 0x0f } };
}

static bool verify(void *context, const uint8_t *key, const void *message, size_t size,
                   const uint8_t *signature)
{
    return test_verify(NULL, key, message, size, signature);
}

static struct replica *new_replica(void)
{
    struct test_key root = test_key(0);
    struct replica_setup setup = {
        .limits = { .chains = { .chains_max = 600,
                                .entries_max = 4000,
                                .bytes_max = 2 << 20,
                                .evidence_max = 60,
                                .author_chains_max = 500,
                                .chain_entries_max = 100,
                                .chain_bytes_max = 200000 },
                    .nodes_max = STATE_NODES_MAX,
                    .revocations_max = 80,
                    .covers_max = 1024,
                    .segments_max = 128 },
        .org = state_org(),
        .roots = root.bytes,
        .root_count = 1,
        .verify = verify,
    };
    struct replica *r;
    int result;

    memcpy(setup.salt, salt, sizeof(salt));
    result = replica_new(&setup, &r);
    CHECK(result == 0);
    return r;
}

void state_keep(struct state_world *w, uint16_t node, const uint8_t *bytes, size_t size)
{
    struct store disk = store_memory_store(w->nodes[node].disk);
    int r = store_append(&disk, bytes, size);

    CHECK(r == 0); /* the disk is larger than any run needs */
}

int state_take(struct state_world *w, uint16_t node, const uint8_t *bytes, size_t size)
{
    uint8_t evidence[1 + CHAIN_EVIDENCE_MAX];
    struct output o = output_make(evidence, sizeof(evidence));
    struct replica *r = w->nodes[node].replica;
    int result = replica_take(r, bytes, size);

    if (result == 1)
        state_keep(w, node, bytes, size);
    if (result == 1 && replica_found(r, &o) == 1)
        state_keep(w, node, evidence, o.size);
    w->counts[STATE_COUNT_STRANGER] += result == -EACCES;
    w->counts[STATE_COUNT_FORGED] += result == -EKEYREJECTED;
    w->counts[STATE_COUNT_QUOTA] += result == -EDQUOT;
    return result;
}

static int take_from_peer(void *context, const uint8_t *bytes, size_t size)
{
    struct session_context *c = context;
    int r = state_take(c->world, c->node, bytes, size);

    return r == -EBADMSG || r == -EKEYREJECTED ? r : 0;
}

static int give_to_peer(void *context, uint32_t slot, const struct sync_peer *peer,
                        uint64_t *progress, struct output *o)
{
    struct session_context *c = context;

    if (c->world->nodes[c->node].hostile && rng_chance(&c->world->rng, 300000))
        return -ENOENT; /* withheld */
    return replica_give(c->world->nodes[c->node].replica, slot, peer, progress, o);
}

static bool goes_first(void *context, uint32_t slot)
{
    struct session_context *c = context;

    return replica_gives_first(c->world->nodes[c->node].replica, slot);
}

static void open_sync(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    struct sync_owner owner = { .index = replica_index(n->replica),
                                .give = give_to_peer,
                                .take = take_from_peer,
                                .first = goes_first,
                                .context = &contexts[node] };
    int r;

    contexts[node] = (struct session_context){ w, node };
    r = sync_new(&sync_limits, &owner, &n->sync);
    CHECK(r == 0);
}

static void open_node(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    int r;

    n->replica = new_replica();
    n->instance = ++w->instances;
    n->peer = STATE_NOBODY;
    n->admin = node;
    n->skew_ms = (int32_t)rng_below(&w->rng, 200000) - 100000;
    r = store_memory_new(DISK_BYTES, DISK_PARCELS, &n->disk);
    CHECK(r == 0);
    r = store_memory_new(DISK_BYTES, DISK_PARCELS, &n->image);
    CHECK(r == 0);
    r = gate_new(STATE_NODES_MAX, &n->gate);
    CHECK(r == 0);
    open_sync(w, node);
}

/* The founding: the root makes admins of all others, enrols everybody, and all have that. */
void state_world_open(struct state_world *w, uint64_t seed, uint16_t nodes)
{
    CHECK(nodes >= 2 && nodes <= STATE_NODES_MAX);
    memset(w, 0, sizeof(*w));
    rng_seed(&w->rng, seed);
    w->node_count = w->author_count = nodes;
    w->instances = 10;
    for (uint16_t i = 0; i < nodes; i++)
        open_node(w, i);
    for (uint16_t i = 1; i < nodes; i++)
        (void)!state_grant(w, i, RECORD_SCOPE_CONFIG | (i == 2 ? RECORD_SCOPE_COMPACT : 0));
    for (uint16_t i = 0; i < nodes; i++)
        (void)!state_enrol(w, i);
    for (uint16_t i = 0; i < nodes; i++) {
        struct state_event tick = { .at_ms = 100 + rng_below(&w->rng, 1000),
                                    .kind = STATE_TICK,
                                    .node = i };

        if (i > 0) {
            (void)state_commit(w, 0); /* disks do not fail yet */
            CHECK(store_memory_restore(w->nodes[i].disk, w->nodes[0].disk) == 0);
            state_crash(w, i);
        }
        state_event_add(w, &tick);
    }
}

void state_world_close(struct state_world *w)
{
    for (uint16_t i = 0; i < w->node_count; i++) {
        (void)sync_free(w->nodes[i].sync);
        (void)replica_free(w->nodes[i].replica);
        (void)store_memory_free(w->nodes[i].disk);
        (void)store_memory_free(w->nodes[i].image);
        (void)gate_free(w->nodes[i].gate);
    }
    for (uint32_t i = 0; i < w->event_count; i++)
        free(w->events[i].bytes);
}

void state_event_add(struct state_world *w, const struct state_event *e)
{
    CHECK(w->event_count < STATE_EVENTS_MAX);
    w->events[w->event_count] = *e;
    w->events[w->event_count++].order = ++w->orders;
}

bool state_event_next(struct state_world *w, struct state_event *ret)
{
    uint32_t first = 0;

    if (w->event_count == 0)
        return false;
    for (uint32_t i = 1; i < w->event_count; i++) {
        const struct state_event *a = &w->events[i], *b = &w->events[first];

        if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order))
            first = i;
    }
    *ret = w->events[first];
    w->events[first] = w->events[--w->event_count];
    w->now_ms = ret->at_ms;
    return true;
}

/* What is on disk is read into a new replica; nothing else is left of the old one. Returns what
 * replica_load() does. */
static int read_disk(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    struct store disk = store_memory_store(n->disk);
    int r;

    state_hang_up(w, node);
    (void)sync_free(n->sync);
    (void)replica_free(n->replica);
    n->replica = new_replica();
    r = replica_load(n->replica, &disk);
    if (r < 0 || replica_stale(n->replica))
        state_violate(w, node, "cannot read its own disk");
    n->taken = replica_counters(n->replica)->taken;
    open_sync(w, node);
    return r;
}

static void reload(struct state_world *w, uint16_t node)
{
    if (read_disk(w, node) == 1) {
        w->nodes[node].instance = ++w->instances; /* its own entries may be missing */
        w->nodes[node].leaf_seq = 0;
    }
}

/* Peers may have given what entries on the disk stand on. Nothing of its own is lost by reading it
 * again, so the instance stays. */
static void complete(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];

    if (!replica_incomplete(n->replica) || replica_counters(n->replica)->taken == n->taken ||
        !state_commit(w, node))
        return;
    (void)read_disk(w, node); /* a void checkpoint is left out again */
    w->counts[STATE_COUNT_COMPLETED] += !replica_incomplete(w->nodes[node].replica);
}

void state_crash(struct state_world *w, uint16_t node)
{
    store_memory_crash(w->nodes[node].disk);
    for (uint32_t i = 0; i < w->writes; i++) {
        struct state_write *write = &w->written[i];

        if (write->node == node && !write->durable && !write->lost) {
            write->lost = true;
            w->counts[STATE_COUNT_UNSENT_LOST]++;
        }
    }
    reload(w, node);
}

bool state_commit(struct state_world *w, uint16_t node)
{
    struct store disk = store_memory_store(w->nodes[node].disk);

    if (store_commit(&disk) < 0) {
        w->counts[STATE_COUNT_COMMIT_FAILED]++;
        state_crash(w, node);
        return false;
    }
    for (uint32_t i = 0; i < w->writes; i++)
        w->written[i].durable |= w->written[i].node == node && !w->written[i].lost;
    if (replica_stale(w->nodes[node].replica)) {
        w->counts[STATE_COUNT_REBUILT]++;
        reload(w, node);
        return false;
    }
    return true;
}

static bool is_entry(const struct replica *r, uint32_t link, const struct state_write *write)
{
    return link != CHAIN_NONE && memcmp(chain_link_at(r->chains, link)->digest.bytes,
                                        write->digest.bytes, DIGEST_SIZE) == 0;
}

static bool holds(const struct replica *r, const struct state_write *write)
{
    struct test_key key = test_key(write->author);
    uint32_t chain = chain_find(r->chains, key.bytes, write->instance);

    return chain != CHAIN_NONE &&
           (is_entry(r, chain_link_find(r->chains, chain, write->seq), write) ||
            is_entry(r, chain_kept_find(r->chains, chain, write->seq), write));
}

/* An old image of the disk in its place; the node knows, and draws a new instance. What nobody else
 * has is lost, its own writes and those that it kept for another restored disk. */
void state_restore(struct state_world *w, uint16_t node)
{
    static bool had[STATE_WRITES_MAX];
    struct state_node *n = &w->nodes[node];
    int r;

    for (uint32_t i = 0; i < w->writes; i++)
        had[i] = holds(n->replica, &w->written[i]);
    r = store_memory_restore(n->disk, n->image);
    CHECK(r == 0);
    state_crash(w, node);
    n->instance = ++w->instances;
    n->leaf_seq = 0;
    w->counts[STATE_COUNT_RESTORED]++;
    for (uint32_t i = 0; i < w->writes; i++) {
        bool somewhere = false;

        for (uint16_t k = 0; k < w->node_count; k++)
            somewhere |= holds(w->nodes[k].replica, &w->written[i]);
        if (!somewhere && had[i] && !w->written[i].lost) {
            w->written[i].lost = true;
            w->counts[STATE_COUNT_RESTORED_LOST]++;
        }
    }
}

static int append_to(void *context, const uint8_t *bytes, size_t size)
{
    const struct store *disk = context;

    return store_append(disk, bytes, size);
}

void state_compact(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    struct store_memory *smaller;
    struct store disk;
    int r;

    if (!state_commit(w, node))
        return;
    r = store_memory_new(DISK_BYTES, DISK_PARCELS, &smaller);
    CHECK(r == 0);
    disk = store_memory_store(smaller);
    r = replica_write_all(n->replica, append_to, &disk);
    if (r == -ESTALE) {
        w->counts[STATE_COUNT_INCOMPLETE]++;
        (void)store_memory_free(smaller);
        return;
    }
    CHECK(r == 0);
    r = store_commit(&disk);
    CHECK(r == 0);
    r = store_memory_restore(n->disk, smaller);
    CHECK(r == 0);
    (void)store_memory_free(smaller);
    reload(w, node);
    w->counts[STATE_COUNT_COMPACTED]++;
}

static struct test_key peer_key(uint16_t node)
{
    return test_key((unsigned)(STATE_MEMBER_FIRST + node));
}

void state_hang_up(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];

    if (n->peer != STATE_NOBODY) {
        struct test_key key = peer_key(n->peer);

        gate_end(n->gate, key.bytes, n->sync && sync_state(n->sync) == SYNC_FAILED,
                 w->now_ms * 1000000);
    }
    n->peer = STATE_NOBODY;
    n->in_flight = 0;
}

static bool connected(const struct state_world *w, uint16_t a, uint16_t b)
{
    const struct state_node *na = &w->nodes[a], *nb = &w->nodes[b];

    return w->healing || (!na->away && !nb->away && na->side == nb->side && !w->cut[a][b]);
}

/* What a hostile member does to what it says. Returns the size, 0 for nothing. */
static size_t distort(struct state_world *w, uint8_t *bytes, size_t size)
{
    switch (rng_below(&w->rng, 12)) {
    case 0:
        bytes[rng_below(&w->rng, size)] ^= (uint8_t)(1 << rng_below(&w->rng, 8));
        return size;
    case 1:
        return 1 + (size_t)rng_below(&w->rng, size);
    case 2:
        return 0;
    case 3:
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng_next(&w->rng);
        bytes[0] = (uint8_t)(SYNC_ELEMENT_KINDS - 8 + rng_below(&w->rng, 26));
        return size;
    default:
        return size;
    }
}

static void send(struct state_world *w, uint16_t from, uint8_t *bytes, size_t size)
{
    struct state_node *n = &w->nodes[from];
    uint64_t at = w->now_ms + 1 + rng_below(&w->rng, w->healing ? 20 : 200);
    struct state_event e = { .kind = STATE_MESSAGE, .from = from, .node = n->peer };

    if (n->hostile)
        size = distort(w, bytes, size);
    if (size == 0)
        return;
    w->trace = test_mix(w->trace, bytes, size);
    n->in_flight++;
    n->line_dead |= !connected(w, from, n->peer) || (!w->healing && rng_chance(&w->rng, w->loss));
    if (n->line_dead)
        return;
    at = at > n->sent_ms ? at : n->sent_ms;
    n->sent_ms = at;
    e.at_ms = at;
    e.session = n->session;
    e.size = (uint32_t)size;
    e.bytes = malloc(size);
    CHECK(e.bytes);
    memcpy(e.bytes, bytes, size);
    state_event_add(w, &e);
}

static void note_end(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    bool equal;

    w->counts[STATE_COUNT_EQUAL] += sync_state(n->sync) == SYNC_EQUAL;
    w->counts[STATE_COUNT_DIFFERENT] += sync_state(n->sync) == SYNC_DIFFERENT;
    w->counts[STATE_COUNT_FAILED] += sync_state(n->sync) == SYNC_FAILED;
    w->counts[STATE_COUNT_SKETCH] += sync_path(n->sync) == SYNC_PATH_SKETCH;
    w->counts[STATE_COUNT_SUMS] += sync_path(n->sync) == SYNC_PATH_SUMS;
    w->counts[STATE_COUNT_TRIE] += sync_path(n->sync) == SYNC_PATH_TRIE;
    equal = sync_state(n->sync) == SYNC_EQUAL;
    state_hang_up(w, node);
    if (equal)
        complete(w, node);
}

/* Says what is to be said, as far as the line takes it. Nothing leaves before it is on the disk. */
static void pump(struct state_world *w, uint16_t node)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct state_node *n = &w->nodes[node];

    while (n->peer != STATE_NOBODY && n->in_flight < STATE_WINDOW) {
        struct output o = output_make(bytes, sizeof(bytes));

        if (!state_commit(w, node))
            return;
        if (sync_send(n->sync, &o) == 0)
            break;
        send(w, node, bytes, o.size);
    }
    if (n->peer != STATE_NOBODY && sync_state(n->sync) != SYNC_RUNNING && n->in_flight == 0)
        note_end(w, node);
}

/* Whether b has a session with a now, who opens it. */
static bool let_in(struct state_world *w, uint16_t a, uint16_t b)
{
    struct test_key key_a = peer_key(a), key_b = peer_key(b);
    int r = gate_begin(w->nodes[b].gate, key_a.bytes, true, w->now_ms * 1000000);

    CHECK(r == 0 || r == -EAGAIN); /* each has one session at a time here */
    w->counts[STATE_COUNT_WAITS] += r < 0;
    if (r < 0)
        return false;
    r = gate_begin(w->nodes[a].gate, key_b.bytes, false, w->now_ms * 1000000);
    CHECK(r == 0);
    return true;
}

void state_meet(struct state_world *w, uint16_t a, uint16_t b)
{
    struct state_node *na = &w->nodes[a], *nb = &w->nodes[b];

    if (a == b || na->peer != STATE_NOBODY || nb->peer != STATE_NOBODY || !connected(w, a, b))
        return;
    if (!let_in(w, a, b))
        return;
    na->session = nb->session = ++w->sessions;
    na->peer = b;
    nb->peer = a;
    na->in_flight = nb->in_flight = 0;
    na->line_dead = nb->line_dead = false;
    na->sent_ms = nb->sent_ms = 0;
    na->heard_ms = nb->heard_ms = w->now_ms;
    sync_open(na->sync, salt, NULL);
    sync_listen(nb->sync, salt, false);
    pump(w, a);
}

static void tick(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    /* A hostile member tries all the time. */
    struct state_event again = { .at_ms = w->now_ms + (n->hostile ? 20 : 300) +
                                          rng_below(&w->rng, n->hostile ? 20 : 700),
                                 .kind = STATE_TICK,
                                 .node = node };

    if (n->peer != STATE_NOBODY && w->now_ms - n->heard_ms > STATE_TIMEOUT_MS) {
        w->counts[STATE_COUNT_CUT]++;
        state_hang_up(w, node);
    }
    state_meet(w, node, (uint16_t)rng_below(&w->rng, w->node_count));
    state_event_add(w, &again);
}

static void receive(struct state_world *w, const struct state_event *e)
{
    struct state_node *n = &w->nodes[e->node], *from = &w->nodes[e->from];

    if (from->session == e->session && from->peer == e->node && from->in_flight > 0)
        from->in_flight--;
    if (n->peer == e->from && n->session == e->session) {
        n->heard_ms = w->now_ms;
        if (sync_receive(n->sync, e->bytes, e->size) < 0 && !from->hostile && !n->hostile)
            state_violate(w, e->node, "an honest peer broke the protocol");
        pump(w, e->node);
        if (!n->hostile)
            state_check_node(w, e->node);
    }
    if (from->session == e->session && from->peer == e->node)
        pump(w, e->from);
}

void state_handle(struct state_world *w, const struct state_event *e)
{
    if (e->kind == STATE_TICK)
        tick(w, e->node);
    else if (e->kind == STATE_MESSAGE)
        receive(w, e);
}
