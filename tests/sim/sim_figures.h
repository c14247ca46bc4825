/* Figures: measured in simulated time and counted bytes, so they repeat exactly. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Prints the named tables, or all. `minutes`: how long what is measured over a time runs; 0 as the
 * table says. Returns an exit code. */
int sim_figures(const char *const *names, size_t count, uint64_t minutes);
