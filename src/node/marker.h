/* The one line that says "this machine is up", and its record. The console line is a contract:
 * tests and people wait for it (docs/reference/markers.md). */
#pragma once

#include <stdint.h>

#include "base/line.h"
#include "node/facts.h"

#define MARKER_RECORD_PATH "/run/broch/ready.json"

/* "broch ready generation=... profile=... slot=... verity=... secureboot=on|off tpm=on|off us=N" */
void marker_ready_line(const struct facts *facts, uint64_t now_us, struct line *l);

/* The content of MARKER_RECORD_PATH: one JSON object and a newline. */
void marker_ready_record(const struct facts *facts, uint64_t now_us, struct line *l);

/* Takes the time out of such a record. Returns 0, or -EBADMSG (*ret_us untouched). */
MUST_USE int marker_parse_record(const char *text, size_t size, uint64_t *ret_us);
