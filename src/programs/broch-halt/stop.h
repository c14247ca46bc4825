/* The two roles of broch-halt that run on the supervisor's behalf (node/end.h). */
#pragma once

#include "base/failure.h"
#include "node/end.h"

/* Writes the action down, stops every service in reverse order, each within its deadline, and tells
 * the supervisor to end. Blocks meanwhile. A second call while one is at work returns 0 at once:
 * the first action stands. */
MUST_USE int stop_services(enum end_action action, struct failure *f);

/* As PID 1, after the supervisor: ends all processes, syncs, unmounts, calls the kernel. */
__attribute__((noreturn)) void finish_machine(const char *role);

/* Syncs and calls the kernel at once. Returns only on failure. */
int end_now(enum end_action action);
