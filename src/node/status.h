/* What `broch status` shows: gathered once, then worded as a table or as JSON. The JSON form is
 * described by docs/reference/status.schema.json. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "node/facts.h"
#include "node/pstore.h"
#include "update/trial.h"
#include "work/snapshot.h"

enum { STATUS_TEXT_SIZE = 128, STATUS_ADDRESSES_MAX = 32, STATUS_ADDRESS_SIZE = 80 };

struct status {
    struct facts facts;
    char version[STATUS_TEXT_SIZE]; /* IMAGE_VERSION of os-release */
    char channel[STATUS_TEXT_SIZE]; /* BROCH_CHANNEL of os-release */
    char kernel[STATUS_TEXT_SIZE];
    bool persistent;               /* /var outlives the boot */
    bool confirmed;                /* the recovery key of the encrypted disk was typed back */
    char panic[PSTORE_PANIC_SIZE]; /* last words of the kernel before this one; empty: none */
    struct trial trial; /* of a new generation: the one that is pending, and how the last ended */
    uint64_t uptime_s;
    bool ready;        /* `broch ready` was reached in this boot ... */
    uint64_t ready_us; /* ... this long after the kernel's start */
    /* "eth0 192.0.2.7/24"; those of loopback are left out. */
    char addresses[STATUS_ADDRESSES_MAX][STATUS_ADDRESS_SIZE];
    size_t address_count;
    uint64_t now_us; /* since the kernel's start */
    struct snapshot services;
    /* The last line of each service's log, "" for none; the caller's rights decide. */
    char last_lines[SNAPSHOT_SERVICES_MAX][STATUS_TEXT_SIZE];
};

/* Reads everything from the running system. Fails when the machine was not booted by stage 1
 * (CODE_FACTS); what else is missing is shown as "unknown". */
MUST_USE int status_gather(struct status *ret, struct failure *f);

/* Why the start before this one failed, else why the last trial did; NULL when neither is known.
 * Printable, and a hint: anybody may have written the first. */
const char *status_last_failure(const struct status *status);

/* Appends the table for people; with `colour`, what needs a look is coloured (ANSI). */
void status_add_table(const struct status *status, bool colour, struct text *t);

/* Appends one JSON object and a newline. */
void status_add_json(const struct status *status, struct text *t);

/* Appends "2 d 3 h", "3 h 4 min", "4 min 5 s" or "5 s". */
void status_add_duration(uint64_t seconds, struct text *t);
