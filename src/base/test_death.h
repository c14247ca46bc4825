/* For tests of checks: does this function end the program by abort()? */
#pragma once

#include <stdbool.h>

/* Runs it in a child whose standard error goes to `message` (NULL: dropped), terminated and cut to
 * `size`. */
bool test_death_by_abort(void (*function)(void), char *message, unsigned size);
