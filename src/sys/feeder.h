/* Speaks to the watchdog while its owner is inside one call that may take minutes: a filesystem
 * that replays its log, a key derivation, a disk that is overwritten. A process of its own, for a
 * limited time: an owner that hangs in there for longer is let go. */
#pragma once

#include <sys/types.h>

struct feeder {
    pid_t pid; /* 0: there is none */
};

struct feeder_work {
    unsigned every_ms;              /* well below the watchdog's timeout */
    unsigned limit_ms;              /* the last time is before that */
    void (*prepare)(void *context); /* wipes what the process must not have a copy of */
    void (*speak)(void *context);
    void *context;
};

/* Starts one. Where that does not work nobody speaks, and the watchdog bites if the call really
 * takes that long. */
struct feeder feeder_start(const struct feeder_work *work);

/* Ends it. */
void feeder_stop(struct feeder *f);
