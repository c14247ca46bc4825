/* How a machine goes down: the roles of the one program that does it, told by the name it is
 * started under, and the action that is handed from role to role.
 *
 *   request  a person's poweroff, reboot, halt: sends PID 1 the signal of the action
 *   stop     started by the supervisor for that signal: writes the action down, stops the services
 *            in reverse order with deadlines, tells the supervisor to end
 *   finish   what PID 1 becomes then: ends every process, unmounts, and calls the kernel
 *
 * The supervisor ends on its own when it must (crash): then finish finds no action and restarts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define END_ACTION_PATH "/run/broch/end"
#define END_LOCK_PATH   "/run/broch/end.lock"

enum end_action { END_REBOOT, END_POWEROFF, END_HALT, END_ACTION_MAX_ };

enum end_role { END_REQUEST, END_STOP, END_FINISH };

struct end_call {
    const char *name; /* base name of argv[0] */
    enum end_role role;
    enum end_action action;
};

/* The row for this argv[0], NULL when the name says nothing. */
const struct end_call *end_call_find(const char *argv0);

/* "reboot", "poweroff", "halt". */
const char *end_action_name(enum end_action action);

/* The signal that asks PID 1 for the action. */
int end_action_signal(enum end_action action);

/* What reboot(2) takes. */
int end_action_command(enum end_action action);

/* Reads what end_action_name() gave, with or without a newline. False for anything else. */
MUST_USE bool end_action_parse(const char *text, size_t length, enum end_action *ret);
