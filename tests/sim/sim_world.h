/* A simulated org: nodes that run the production core, a network, and one seed that decides all.
 *
 * Time is virtual and in nanoseconds. The world knows the truth (who is up, who can hear whom), and
 * every check is against that truth, never against what a core believes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "org/swim.h"
#include "sim_cell.h"
#include "sim_clock.h"
#include "sim_queue.h"

#define SIM_MINUTE_NS (60 * 1000000000ull)

struct sim_network {
    uint64_t rtt_ns;
    uint32_t jitter_ppm; /* of the one-way delay */
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; /* packets held back by up to half a second */
};

struct sim_node {
    struct swim *core; /* NULL while down */
    void *memory;
    struct sim_clock *clock; /* NULL when the world has none */
    uint64_t id;
    uint32_t life;
    bool member; /* of the newest roster */
    bool failed_disk;
    bool newer; /* sends frames of a future version too */
    uint32_t in_loss_ppm, out_loss_ppm;
    uint16_t group;         /* packets pass within a group only */
    uint16_t cut_to;        /* packets to this node are lost; ROSTER_NONE */
    uint64_t frozen_ns;     /* until then nothing runs */
    uint64_t slow_until_ns; /* freezes again and again */
    uint64_t slow_for_ns;
    uint64_t offset_ns; /* local clock: offset + t + t * drift / 2^20 */
    int64_t drift;
    uint64_t timer_ns;                                 /* the queued timer that counts */
    uint64_t deadline_ns;                              /* local */
    uint32_t incarnation;                              /* truth: the highest it ever signed */
    uint32_t written, written_before;                  /* on its disk */
    uint16_t roster;                                   /* version in use */
    uint64_t up_since_ns, down_since_ns, disturbed_ns; /* last time anything was done to it */
    /* Sent in the last local second. */
    uint64_t sent_ns[SWIM_PACKETS_PER_S];
    uint32_t sent_bytes[SWIM_PACKETS_PER_S];
    uint32_t sent_at;
    uint64_t packets, payload_bytes, outer4_bytes, outer6_bytes;
};

struct sim_change {
    uint64_t at_ns;
    uint16_t node, subject;
    enum wire_standing standing;
    uint32_t incarnation;
};

struct sim_world;

struct sim_hooks {
    void *context;
    /* A node changed what it holds about a member. */
    void (*changed)(void *context, struct sim_world *w, const struct sim_change *change);
    /* A SIM_CALL event. */
    void (*called)(void *context, struct sim_world *w, uint32_t argument);
    /* A fault of the schedule begins or ends. */
    void (*fault)(void *context, struct sim_world *w, uint32_t index, bool starts);
};

struct sim_world {
    uint64_t seed;
    uint64_t now_ns;
    struct rng rng; /* the network's */
    struct sim_network net;
    uint16_t capacity;
    struct sim_node *nodes;  /* by slot */
    struct roster **rosters; /* versions, all kept */
    uint16_t roster_count;
    const struct swim_parameters *parameters; /* of nodes that start */
    struct swim_signer signer;
    struct sim_queue *queue;
    struct swim_effects *out;
    struct sim_hooks hooks;
    uint64_t trace_hash;
    uint64_t steps, delivered, lost;
    uint64_t counts[SWIM_COUNT_MAX_]; /* of cores that ended */
    uint64_t states[SIM_STATE_MAX_];
    uint64_t cells[SIM_CELLS];
    struct rng clock_rng;
    uint64_t *entries; /* the stamp of every entry that was ever sent */
    uint32_t entry_count, entry_capacity;
    const char *violation; /* the first one */
    uint16_t violation_node, violation_subject;
    uint16_t traced; /* this node's history goes to stdout; ROSTER_NONE */
    bool light;      /* figures: skip the costlier checks, and the hybrid clocks */
};

struct sim_world *sim_world_new(uint64_t seed, uint16_t nodes, uint16_t spare,
                                const struct sim_network *net);
struct sim_world *sim_world_free(struct sim_world *w);

/* Runs until this time, or until something is violated: false then. */
bool sim_world_run(struct sim_world *w, uint64_t until_ns);

/* The subject is ROSTER_NONE when there is none. */
void sim_world_violate(struct sim_world *w, uint16_t node, uint16_t subject, const char *what);

void sim_node_crash(struct sim_world *w, uint16_t slot, bool lose_last_write);
void sim_node_start(struct sim_world *w, uint16_t slot);
void sim_node_freeze(struct sim_world *w, uint16_t slot, uint64_t for_ns);
/* Frozen `for_ns` at a time, awake as long on average, until then. */
void sim_node_slow(struct sim_world *w, uint16_t slot, uint64_t for_ns, uint64_t until_ns);
/* Sends bytes in the node's name, past its core. */
void sim_node_forge(struct sim_world *w, uint16_t slot, uint16_t to, const uint8_t *bytes,
                    size_t size);

/* Tells the node's core the root of its state. */
void sim_node_root(struct sim_world *w, uint16_t slot, uint64_t root);
/* Sends a stamped entry over the network. */
void sim_world_stamp(struct sim_world *w, uint16_t from, uint16_t to, uint64_t stamp);

/* A new roster version; the nodes learn of it within five seconds. */
uint16_t sim_world_join(struct sim_world *w);
void sim_world_leave(struct sim_world *w, uint16_t slot);

void sim_world_call(struct sim_world *w, uint64_t at_ns, uint32_t argument);
void sim_world_fault_event(struct sim_world *w, uint64_t at_ns, uint32_t index, bool starts);

const struct roster *sim_world_roster(const struct sim_world *w);
uint64_t sim_world_count(const struct sim_world *w, enum swim_count count);

/* True when every node that is up holds every member that is up not unreachable, every member that
 * is down unreachable, and all views are equal (but for the incarnation of a member that is down:
 * its owner's word for it may be lost with the last who heard it). Else *ret_why says what is
 * wrong. */
bool sim_world_converged(const struct sim_world *w, const char **ret_why, uint16_t *ret_node,
                         uint16_t *ret_subject);
