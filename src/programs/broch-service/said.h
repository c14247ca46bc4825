/* `broch logs` and `broch events`: what was said, and how it goes on. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

/* Parse their own options; argv[0] is the verb. */
MUST_USE int said_logs(int argc, char **argv, struct failure *f);
MUST_USE int said_events(int argc, char **argv, struct failure *f);

/* Prints the last lines of one service's log; none at all is no failure. */
MUST_USE int said_tail(const char *service, uint64_t lines, struct failure *f);
