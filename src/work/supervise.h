/* What to do with the services of this machine: a pure state machine. It is told what the
 * supervisor (s6) sees, what people ask for and what time it is; it says which services to start
 * and to stop, and when it wants to be asked again. The program around it does all of that.
 *
 * A service starts when everything it needs is ready, done or off. It has a time to become ready;
 * what is not ready by then is ended, and counts as a death. The supervisor restarts what dies, at
 * once. `burst` deaths within `window` are allowed; from then on each start waits, 1 s first and
 * twice as long each time up to `delay_max`; after `attempts` such starts the service has failed
 * and stays down until a person asks. A service that was ready for as long as `window` has a clean
 * record. Services that need a dead one are not touched.
 *
 * Times are nanoseconds of one clock that never goes back. Nothing here allocates, reads a clock,
 * or does input and output; nothing fails. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "work/snapshot.h"

enum {
    SUPERVISE_SERVICES_MAX = SNAPSHOT_SERVICES_MAX,
    SUPERVISE_BURST_MAX = 100,
    SUPERVISE_DEATHS_MAX = SUPERVISE_BURST_MAX + 1, /* one more decides */
    /* In one step a service changes its state three times at most (told to stop, stopped, started
     * again), with one command each. */
    SUPERVISE_EFFECTS_MAX = 6 * SUPERVISE_SERVICES_MAX,
};

#define SUPERVISE_NEVER      UINT64_MAX
#define SUPERVISE_DELAY_BASE UINT64_C(1000000000)

/* The set of services, by index. */
typedef uint64_t supervise_set;
_Static_assert(SUPERVISE_SERVICES_MAX <= 64, "a set has a bit for each service");

enum supervise_policy {
    SUPERVISE_ALWAYS,     /* the supervisor restarts it by itself */
    SUPERVISE_ON_FAILURE, /* the same, but not when its exit code was 0 */
    SUPERVISE_NEVER_AGAIN,
};

/* How to treat one service: from its manifest. */
struct supervise_rules {
    supervise_set needs; /* without itself, and without cycles: the caller's promise */
    bool once;           /* runs to its end, which has to be exit code 0 */
    bool off;            /* its condition is not met */
    bool required;
    enum supervise_policy policy;
    uint64_t ready_within_ns; /* 0: as long as it takes */
    uint64_t stop_within_ns;
    unsigned burst; /* at most SUPERVISE_BURST_MAX */
    uint64_t window_ns;
    uint64_t delay_max_ns;
    unsigned attempts;
};

/* What the supervisor says of a service. */
struct supervise_status {
    uint64_t pid;   /* 0: nothing runs */
    uint64_t stamp; /* changes whenever a process begins or ends; compared, never computed with */
    bool ready;
    bool want_up;          /* it will restart what dies */
    enum snapshot_end end; /* of the last process that ended; EXIT with 0 when none did */
    uint64_t code;
};

enum supervise_event_kind {
    SUPERVISE_TIME,    /* nothing but the time */
    SUPERVISE_STATUS,  /* of one service */
    SUPERVISE_START,   /* a person asks */
    SUPERVISE_STOP,    /* a person asks */
    SUPERVISE_RESTART, /* a person asks */
    SUPERVISE_RULES,   /* the rules of a service changed, its condition for example */
    SUPERVISE_REMOVE,  /* the service has no manifest any more */
};

struct supervise_event {
    enum supervise_event_kind kind;
    uint64_t now_ns;
    size_t service;                 /* all but SUPERVISE_TIME */
    struct supervise_status status; /* SUPERVISE_STATUS */
    struct supervise_rules rules;   /* SUPERVISE_RULES */
};

enum supervise_effect_kind {
    SUPERVISE_DO_START,      /* and restart it when it dies */
    SUPERVISE_DO_START_ONCE, /* and do not */
    SUPERVISE_DO_STOP,       /* and do not restart it */
    SUPERVISE_DO_KILL,       /* it did not stop in its time */
    SUPERVISE_DO_FORGET,     /* it is down and removed; the index is free from now on */
    SUPERVISE_CHANGED,       /* of state, for the log of events; nothing to do */
};

struct supervise_effect {
    enum supervise_effect_kind kind;
    size_t service;
    enum snapshot_state from, to; /* SUPERVISE_CHANGED */
};

/* In the order in which they are to be carried out. Caller-owned, valid until the next step. */
struct supervise_effects {
    struct supervise_effect list[SUPERVISE_EFFECTS_MAX];
    size_t count;
};

/* Why a service is in its state. */
enum supervise_cause {
    SUPERVISE_BECAUSE_NONE,
    SUPERVISE_BECAUSE_ASKED,     /* a person asked for it */
    SUPERVISE_BECAUSE_CONDITION, /* its condition is not met */
    SUPERVISE_BECAUSE_ENDED,     /* it ended by itself, see end and code */
    SUPERVISE_BECAUSE_HUNG,      /* it was not ready in its time */
};

/* What happens once a service that was told to stop is down. */
enum supervise_after {
    SUPERVISE_AFTER_DOWN,
    SUPERVISE_AFTER_START,
    SUPERVISE_AFTER_JUDGE, /* the stop was for a hung start: it counts as a death */
    SUPERVISE_AFTER_OFF,
    SUPERVISE_AFTER_FORGET,
};

/* One service. Fields are for reading. */
struct supervise_service {
    bool used;
    bool supervised; /* the supervisor has spoken of it */
    enum snapshot_state state;
    enum supervise_cause cause;
    enum supervise_after after; /* in SNAPSHOT_STOPPING */
    struct supervise_rules rules;
    struct supervise_status status;
    uint64_t since_ns;    /* of the state */
    uint64_t deadline_ns; /* of the state, or SUPERVISE_NEVER */
    uint64_t ready_ns;    /* since when it is ready; meaningful in SNAPSHOT_READY */
    uint64_t deaths_ns[SUPERVISE_DEATHS_MAX]; /* the last ones: a ring */
    size_t death_count;                       /* since the record was clean */
    unsigned attempt;                         /* starts after a wait, since the record was clean */
    uint64_t restarts;
    enum snapshot_end last_end; /* NONE until a process of it ended */
    uint64_t last_code;
};

struct supervise {
    struct supervise_service services[SUPERVISE_SERVICES_MAX];
};

/* An empty machine. */
void supervise_init(struct supervise *s);

/* Puts a service at a free index; it waits for the supervisor and its needs. */
void supervise_add(struct supervise *s, size_t service, const struct supervise_rules *rules,
                   uint64_t now_ns);

/* Puts a service that an earlier life of the program had already. What runs is left alone, unless
 * it was on its way down or its condition is gone. */
struct supervise_adoption {
    const struct snapshot_service *before; /* what it was then */
    struct supervise_status status;        /* what the supervisor says now */
    uint64_t now_ns;
};
void supervise_adopt(struct supervise *s, size_t service, const struct supervise_rules *rules,
                     const struct supervise_adoption *adoption, struct supervise_effects *ret);

/* Feeds one event and fills *ret. An event for an unused index does nothing. */
void supervise_step(struct supervise *s, const struct supervise_event *event,
                    struct supervise_effects *ret);

/* When to come back with SUPERVISE_TIME, or SUPERVISE_NEVER; after a step always later than its
 * time. */
uint64_t supervise_deadline_ns(const struct supervise *s);

/* What a service needs and what is not satisfied. */
supervise_set supervise_unmet(const struct supervise *s, size_t service);

/* Every required service is ready, done or off. */
bool supervise_is_ready(const struct supervise *s);
