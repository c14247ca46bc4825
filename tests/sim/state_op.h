/* What happens in the simulated org: a schedule made from the seed before the run. Each operation
 * carries all its numbers, so that leaving one out changes no other. */
#pragma once

#include "state_world.h"

enum { STATE_OPS_MAX = 2048 };

enum state_op_kind {
#define OP(symbol, text, weight, function) STATE_OP_##symbol,
#include "state_op.def"
#undef OP
    STATE_OP_MAX_
};

struct state_op {
    uint64_t at_ms;
    uint64_t lasts_ms;
    enum state_op_kind kind;
    uint16_t node;
    uint16_t other;
    uint64_t number;
    bool off; /* left out */
};

struct state_schedule {
    uint32_t count;
    struct state_op ops[STATE_OPS_MAX];
};

void state_schedule_make(struct state_schedule *s, uint64_t seed, uint16_t nodes, uint32_t count,
                         uint64_t end_ms);
void state_op_do(struct state_world *w, const struct state_op *op, uint32_t index);
void state_op_end(struct state_world *w, const struct state_op *op);
const char *state_op_text(enum state_op_kind kind);
