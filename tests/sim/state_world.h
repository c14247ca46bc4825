/* A simulated org of replicas: disks that crash, lines that die, people who write, thieves. One
 * seed decides everything. The replicas are the objects that the daemon will link. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "org/gate.h"
#include "org/org_test.h"
#include "org/replica.h"
#include "org/store_memory.h"

enum {
    STATE_NODES_MAX = 8,
    STATE_AUTHORS_MAX = 64,
    STATE_WRITES_MAX = 1536,
    STATE_EVENTS_MAX = 4096,
    STATE_CHECKPOINTS_MAX = 64,
    STATE_KEYS = 3,
    STATE_MEMBER_FIRST = 100, /* key numbers of nodes; admins have those below, the root is 0 */
    STATE_NOBODY = 0xffff,
    STATE_TIMEOUT_MS = 4000, /* of a session that hears nothing */
    STATE_WINDOW = 4,        /* messages on their way in one direction */
};

/* States that the code behind them must be reached for: state_count.def names them. */
enum state_count {
#define COUNT(symbol, text) STATE_COUNT_##symbol,
#include "state_count.def"
#undef COUNT
    STATE_COUNT_MAX_
};

struct state_bits {
    uint64_t words[STATE_WRITES_MAX / 64];
};

/* One entry that somebody wrote, and what its author had before its eyes. */
struct state_write {
    uint16_t author;
    uint16_t node; /* where it was written */
    uint16_t kind;
    uint8_t operation;
    uint8_t key;
    uint8_t value_size;
    uint8_t field;
    bool durable; /* was on a disk */
    bool lost;    /* and is nowhere any more, by a crash or a restored disk */
    uint64_t instance;
    uint64_t seq;
    uint64_t stamp;
    struct digest digest;
    uint8_t value[16];
    struct state_bits seen;
};

/* What a checkpoint keeps, read from its segments when it was made. */
struct state_checkpoint {
    struct digest id;
    struct checkpoint_statement statement;
    struct state_bits kept;
};

struct state_node {
    struct replica *replica;
    struct sync *sync;
    struct store_memory *disk;
    struct store_memory *image;
    struct gate *gate;
    uint64_t instance;
    uint64_t leaf_seq;
    uint64_t taken;    /* by its replica when it was loaded */
    uint64_t heard_ms; /* of the peer */
    uint64_t sent_ms;  /* when the last message on its way arrives: they keep their order */
    uint32_t session;
    uint32_t in_flight;
    uint16_t peer;
    uint16_t admin; /* whose key is here */
    int32_t skew_ms;
    bool line_dead; /* something was lost in this session: nothing after it arrives either */
    bool hostile;
    bool away;
    bool newer; /* a later version runs here */
    bool image_taken;
    uint8_t side; /* of a split */
};

enum state_event_kind { STATE_TICK, STATE_MESSAGE, STATE_OP, STATE_OP_END };

struct state_event {
    uint64_t at_ms;
    uint64_t order;
    enum state_event_kind kind;
    uint16_t node;
    uint16_t from;
    uint32_t session;
    uint32_t op;
    uint32_t size;
    uint8_t *bytes;
};

struct state_world {
    struct rng rng; /* of the network only: operations carry their own numbers */
    uint64_t now_ms;
    uint64_t orders;
    uint64_t instances;
    uint32_t sessions;
    uint16_t node_count;
    uint16_t author_count;
    uint32_t loss; /* per million */
    uint32_t writes;
    uint32_t checkpoint_count;
    uint32_t event_count;
    bool healing;
    const char *violation; /* the first one */
    uint16_t violated;     /* the node */
    uint64_t violated_ms;
    uint64_t trace; /* of everything that was sent */
    uint64_t counts[STATE_COUNT_MAX_];
    struct state_node nodes[STATE_NODES_MAX];
    struct state_event events[STATE_EVENTS_MAX];
    struct state_write written[STATE_WRITES_MAX];
    struct state_checkpoint checkpoints[STATE_CHECKPOINTS_MAX];
    bool stolen[STATE_AUTHORS_MAX];
    bool revoked[STATE_AUTHORS_MAX];
    bool flooded[STATE_AUTHORS_MAX]; /* has used up its quota */
    bool revoked_node[STATE_NODES_MAX];
    bool forged_leaf[STATE_NODES_MAX];
    bool cut[STATE_NODES_MAX][STATE_NODES_MAX];
};

static inline bool state_bit(const struct state_bits *b, uint32_t i)
{
    return b->words[i / 64] >> i % 64 & 1;
}

static inline void state_bit_set(struct state_bits *b, uint32_t i)
{
    b->words[i / 64] |= 1ull << i % 64;
}

extern const char *const state_keys[STATE_KEYS];

/* state_world.c */
struct digest state_org(void);
void state_world_open(struct state_world *w, uint64_t seed, uint16_t nodes);
void state_world_close(struct state_world *w);
void state_event_add(struct state_world *w, const struct state_event *e);
bool state_event_next(struct state_world *w, struct state_event *ret);
void state_handle(struct state_world *w, const struct state_event *e); /* ticks and messages */
void state_violate(struct state_world *w, uint16_t node, const char *what);

/* Takes a parcel at a node and keeps it; what replica_take() said. */
int state_take(struct state_world *w, uint16_t node, const uint8_t *bytes, size_t size);
void state_keep(struct state_world *w, uint16_t node, const uint8_t *bytes, size_t size);

/* To disk; a failure is a crash. False then. */
bool state_commit(struct state_world *w, uint16_t node);
void state_crash(struct state_world *w, uint16_t node);
void state_restore(struct state_world *w, uint16_t node);
void state_compact(struct state_world *w, uint16_t node);
void state_hang_up(struct state_world *w, uint16_t node);
void state_meet(struct state_world *w, uint16_t a, uint16_t b); /* a opens a session with b */

/* state_write.c */
struct state_draft {
    uint16_t author;
    uint64_t instance;
    uint16_t kind;
    uint8_t operation;
    uint8_t key;
    uint8_t field;
    uint8_t value_size;
    uint8_t value[16];
};

/* Writes at a node; what chain_append() said. */
int state_write(struct state_world *w, uint16_t node, const struct state_draft *draft);
int state_grant(struct state_world *w, uint16_t admin, uint32_t scope);
int state_enrol(struct state_world *w, uint16_t member);
void state_say(struct state_world *w, uint16_t node, uint16_t member, uint64_t seq, uint8_t value);
int state_revoke(struct state_world *w, uint16_t node, uint8_t role, uint16_t subject);
int state_make_checkpoint(struct state_world *w, uint16_t node, uint16_t signer);

/* state_check.c: the naive reference. */
bool state_admitted(struct state_world *w, uint16_t node, uint16_t author);
bool state_counts(struct state_world *w, uint16_t node, uint32_t write);
void state_check_node(struct state_world *w, uint16_t node);
void state_check_end(struct state_world *w);
bool state_honest_agree(struct state_world *w);
