/* Named states of the simulated world: see sim_state.def. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum sim_state {
#define SIM_STATE(symbol, text) SIM_STATE_##symbol,
#include "sim_state.def"
#undef SIM_STATE
    SIM_STATE_MAX_
};

const char *sim_state_name(enum sim_state state);
