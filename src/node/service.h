/* The state of one supervised service, as s6-svstat tells it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "node/names.h"

enum service_state {
    SERVICE_UNKNOWN, /* no supervisor answers */
    SERVICE_DOWN,
    SERVICE_UP,    /* runs, has not said that it is ready */
    SERVICE_READY, /* runs and serves */
    SERVICE_STATE_MAX_,
};

struct service {
    char name[NAME_SIZE];
    enum service_state state;
    uint64_t pid;     /* 0 when down or unknown */
    uint64_t since_s; /* seconds in this state of up or down */
};

/* "unknown", "down", "up", "ready". */
const char *service_state_name(enum service_state state);

/* The fields that service_parse() wants, for s6-svstat -o. */
#define SERVICE_FIELDS "up,ready,pid,updownfor"

/* Parses one line of `s6-svstat -o SERVICE_FIELDS` ("true true 123 45\n"); a service that is down
 * has pid -1. Sets all but the name. Returns 0, or -EBADMSG (*ret untouched). */
MUST_USE int service_parse(const char *text, size_t length, struct service *ret);

/* Asks s6-svstat about the service directory. A service that cannot be asked is SERVICE_UNKNOWN. */
void service_read(const char *scan, const char *name, struct service *ret);
