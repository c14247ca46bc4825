/* Figures: measured in simulated time and counted bytes, so they repeat exactly. */
#pragma once

#include <stddef.h>

/* Prints the named tables, or all. Returns an exit code. */
int sim_figures(const char *const *names, size_t count);
