/* Liveness: who answers now. SWIM's roles (probe, indirect probe, incarnation, refutation, news) on
 * the roster's fixed overlay, where every node is watched by about ten others.
 *
 * - Each node sends one beat every 0.95 s to its observers in turn and says when that observer's
 *   next one comes.
 * - An overdue beat is first answered by one probe of our own; still nothing, and it opens an
 *   *inquiry*: all observers probe up to four times. One answer to anyone ends it; silence towards
 *   six of ten gives the verdict `unreachable`, which is passed on along the overlay.
 * - The subject refutes by signing a higher incarnation. A verdict is reversible; nothing may be
 *   removed, failed over or revoked on it alone.
 * - Own slowness is no evidence: a loop that ran 100 ms late voids its open inquiries.
 * - A subject whose verdicts are refuted is given more time, and after the third within ten minutes
 *   is called `unstable` until it has been quiet.
 * - Nobody sends more than 20 packets and 16 KiB in any second, whatever comes in.
 *
 * Pure: time and bytes come in by swim_step(), packets and the next deadline go out. No clock, no
 * allocation, no log. Nothing here is trusted beyond the sender's slot, which the tunnel proves. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/roster.h"
#include "org/wire.h"

enum {
    SWIM_PACKETS_PER_S = 20,
    SWIM_BYTES_PER_S = 16 * 1024, /* at the outer layer inside WireGuard on IPv6 */
    SWIM_CHANGES_MAX = 256,
    SWIM_PROOFS_MAX = 1024,
    /* Told that we are held at an incarnation above our own, we believe it up to this distance: our
     * disk may have lost its last write. Beyond, our own signature must come with it. */
    SWIM_AHEAD_MAX = 4,
};

/* Every duration of the protocol. The constants live in swim_parameters_overlay.
 *
 * The second set, swim_parameters_random, is there for comparison: SWIM with random targets as
 * memberlist runs it on a local network, with Lifeguard. Each period one member is probed, through
 * three others when it does not answer; silence makes it suspected, which is gossip; a suspicion
 * that nobody refutes in time is a verdict, the sooner the more members confirm it. Observers,
 * beats and inquiries are not used then; the rest of the core is the same. */
struct swim_parameters {
    uint64_t beat_ns;
    uint64_t grace_min_ns;
    uint64_t grace_max_ns;
    uint64_t window_ns;     /* of an inquiry: four probes */
    uint64_t window_max_ns; /* damped */
    uint64_t late_ns;       /* a loop later than this is no witness */
    uint64_t damping_ns;    /* strikes within this count; widening halves after it */
    uint64_t quiet_min_ns;  /* without a gap before `unstable` ends */
    uint64_t quiet_max_ns;
    uint64_t silence_ns; /* an unstable subject is inquired about only after this */
    uint64_t try_min_ns;
    uint64_t try_max_ns;
    uint64_t batch_ns;      /* news wait this long for company */
    uint64_t settled_ns;    /* views are compared when ours has not changed for this long */
    uint64_t repair_min_ns; /* between two comparisons; doubled while they change nothing */
    uint64_t repair_max_ns;
    uint64_t period_ns; /* of random probes; 0: the overlay, and nothing below is used */
    uint64_t timeout_ns;
    uint64_t gossip_ns;
    uint64_t exchange_ns;     /* views are compared with a random member */
    uint8_t indirect;         /* members that probe for us */
    uint8_t gossip_members;   /* told at once */
    uint8_t retransmit;       /* each news so often, times the decimal logarithm of the members */
    uint8_t suspicion;        /* periods before a verdict, times that logarithm */
    uint8_t suspicion_longer; /* so many times longer while nobody confirms it */
    uint8_t awareness_max;    /* own trouble stretches period and timeout by up to so much */
};

extern const struct swim_parameters swim_parameters_overlay;
extern const struct swim_parameters swim_parameters_random;

/* Named states that a simulation must reach; also what an operator counts. */
enum swim_count {
#define SWIM_COUNT(symbol, text) SWIM_COUNT_##symbol,
#include "org/swim_count.def"
#undef SWIM_COUNT
    SWIM_COUNT_MAX_
};

const char *swim_count_name(enum swim_count count);

/* The owner's signature, behind callbacks so that the core stays pure. */
struct swim_signer {
    void *context;
    void (*sign)(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                 uint8_t ret_signature[static WIRE_SIGNATURE_SIZE]);
    bool (*verify)(void *context, uint64_t id, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                   const uint8_t signature[static WIRE_SIGNATURE_SIZE]);
};

struct swim_config {
    const struct swim_parameters *parameters; /* borrowed for the life of the core */
    const struct swim_signer *signer;         /* likewise */
    const struct roster *roster;              /* sealed; borrowed until the next ROSTER event */
    uint64_t id;                              /* our own; may be absent from the roster */
    uint64_t seed;                            /* for jitter and samples */
    uint32_t incarnation; /* the highest that was written to disk; 0 on the first start */
    uint16_t proofs;      /* signed words of others kept for passing on: 1 to SWIM_PROOFS_MAX */
};

enum swim_event_kind {
    SWIM_EVENT_TIMER,  /* the deadline passed; may come late, twice or without a cause */
    SWIM_EVENT_PACKET, /* from, bytes, size, received_ns */
    SWIM_EVENT_ROSTER, /* roster: of the same capacity, members keep their slots. The former one
                          must stay valid until this step returns */
    SWIM_EVENT_ROOT,   /* root: the state's root changed */
    SWIM_EVENT_MAX_
};

struct swim_event {
    enum swim_event_kind kind;
    uint64_t now_ns; /* monotonic, never goes back */
    uint16_t from;
    const uint8_t *bytes; /* borrowed for the step */
    size_t size;
    uint64_t received_ns; /* the kernel's receive time, at most now_ns */
    const struct roster *roster;
    uint64_t root;
};

struct swim_send {
    uint16_t to;     /* slot */
    uint16_t size;   /* of the payload */
    uint32_t offset; /* into swim_effects.bytes */
};

struct swim_change {
    uint16_t slot;
    enum wire_standing standing;
    uint32_t incarnation;
};

/* What the caller does after a step, in this order: write `incarnation` to disk if `persist`, send
 * `sends`, tell `changes` to whoever wants to know, arm a timer for `deadline_ns`. */
struct swim_effects {
    bool persist;
    uint32_t incarnation;
    size_t send_count;
    struct swim_send sends[SWIM_PACKETS_PER_S];
    size_t change_count;
    struct swim_change changes[SWIM_CHANGES_MAX];
    uint64_t deadline_ns;
    size_t byte_count;
    uint8_t bytes[SWIM_PACKETS_PER_S * WIRE_PACKET_MAX];
};

struct swim;

/* Bytes that swim_init() needs for a roster of this capacity. */
size_t swim_size(uint16_t capacity, uint16_t proofs);

/* Makes a core in `memory` (aligned like malloc's, owned by the caller, outlives it) that starts at
 * now_ns, and says in *ret_deadline_ns when it wants its first TIMER. Everybody is held alive until
 * shown otherwise. */
struct swim *swim_init(void *memory, const struct swim_config *config, uint64_t now_ns,
                       uint64_t *ret_deadline_ns);

/* Feeds one event; fills *out (caller-owned, valid until the next step). Returns 0; -EBADMSG for a
 * malformed packet or -ENOENT for a sender who is no member: the state is then unchanged, and *out
 * holds no sends and the former deadline. Never blocks, allocates or logs. */
MUST_USE int swim_step(struct swim *s, const struct swim_event *event, struct swim_effects *out);

/* What we hold this member to be; alive for a free slot. */
enum wire_standing swim_standing(const struct swim *s, uint16_t slot);
uint32_t swim_incarnation(const struct swim *s, uint16_t slot);

/* Our own slot, or ROSTER_NONE. */
uint16_t swim_self(const struct swim *s);

/* Equal for equal views of equal rosters. */
uint64_t swim_view_digest(const struct swim *s);

uint64_t swim_counter(const struct swim *s, enum swim_count count);

/* Recomputes what is kept incrementally and checks it by CHECK(): for tests and simulation. */
void swim_check(const struct swim *s);
