#include <errno.h>
#include <string.h>

#include "state_op.h"

struct op_row {
    const char *text;
    uint32_t weight;
    void (*act)(struct state_world *w, const struct state_op *op);
};

static bool may_write(struct state_world *w, uint16_t node)
{
    return !w->nodes[node].hostile && !w->nodes[node].away;
}

/* Refusals that are the rule, not a failure of ours. */
static void note_refusal(struct state_world *w, uint16_t node, uint16_t author, int result)
{
    w->counts[STATE_COUNT_QUOTA] += result == -EDQUOT;
    w->counts[STATE_COUNT_ALONE] += result == 0 && w->nodes[node].side != 0;
    if (result == 0 || result == -EDQUOT || result == -ENOSPC || result == -E2BIG)
        return;
    if (result == -EACCES && !state_admitted(w, node, author))
        return; /* the grant is still on its way */
    if (!w->stolen[author] && !w->revoked[author])
        state_violate(w, node, "refuses a write of its own admin");
}

static void write_field(struct state_world *w, const struct state_op *op, uint8_t operation,
                        uint8_t field, uint8_t size)
{
    struct state_node *n = &w->nodes[op->node];
    struct state_draft draft = { .author = n->admin,
                                 .instance = n->instance,
                                 .kind = RECORD_DOCUMENT,
                                 .operation = operation,
                                 .key = (uint8_t)(op->number % STATE_KEYS),
                                 .field = field,
                                 .value_size = size };

    if (!may_write(w, op->node))
        return;
    if (size > 0)
        draft.value[0] = (uint8_t)(op->number >> 16);
    if (operation == ENTRY_SET) {
        draft.value[1] = (uint8_t)w->writes;
        draft.value[2] = (uint8_t)(w->writes >> 8);
    }
    note_refusal(w, op->node, n->admin, state_write(w, op->node, &draft));
}

static void set(struct state_world *w, const struct state_op *op)
{
    write_field(w, op, ENTRY_SET, (uint8_t)(1 + op->number / 8 % 2), 3);
}

static void erase(struct state_world *w, const struct state_op *op)
{
    write_field(w, op, ENTRY_DELETE, 0, 0);
}

static void raise_floor(struct state_world *w, const struct state_op *op)
{
    write_field(w, op, ENTRY_RAISE, 3, 8);
}

static void add(struct state_world *w, const struct state_op *op)
{
    write_field(w, op, ENTRY_ADD, 4, 1);
}

static void say(struct state_world *w, const struct state_op *op)
{
    struct state_node *n = &w->nodes[op->node];

    if (may_write(w, op->node))
        state_say(w, op->node, op->node, ++n->leaf_seq, (uint8_t)op->number);
}

static void crash(struct state_world *w, const struct state_op *op)
{
    state_crash(w, op->node);
}

static void write_and_crash(struct state_world *w, const struct state_op *op)
{
    set(w, op);
    state_crash(w, op->node);
}

static void take_image(struct state_world *w, const struct state_op *op)
{
    struct state_node *n = &w->nodes[op->node];

    if (!state_commit(w, op->node))
        return;
    CHECK(store_memory_restore(n->image, n->disk) == 0);
    n->image_taken = true;
}

static void restore(struct state_world *w, const struct state_op *op)
{
    if (w->nodes[op->node].image_taken && !w->nodes[op->node].hostile)
        state_restore(w, op->node);
}

static void fail_disk(struct state_world *w, const struct state_op *op)
{
    store_memory_fail(w->nodes[op->node].disk, -EIO);
}

static void split(struct state_world *w, const struct state_op *op)
{
    for (uint16_t i = 0; i < w->node_count; i++)
        w->nodes[i].side = (uint8_t)(op->number >> i & 1);
}

static void cut(struct state_world *w, const struct state_op *op)
{
    w->cut[op->node][op->other] = true;
}

static void go_away(struct state_world *w, const struct state_op *op)
{
    w->nodes[op->node].away = true;
}

static void lose(struct state_world *w, const struct state_op *op)
{
    w->loss = (uint32_t)(op->number % 300000);
}

/* Node 2 has a key with the scope for it; the root is at node 0. */
static void make_checkpoint(struct state_world *w, const struct state_op *op)
{
    uint16_t node = op->number % 4 == 0 ? 2 : 0;

    if (node < w->node_count && may_write(w, node) && !w->revoked[w->nodes[node].admin])
        (void)!state_make_checkpoint(w, node, w->nodes[node].admin); /* refused: no harm */
}

static void compact(struct state_world *w, const struct state_op *op)
{
    state_compact(w, op->node);
}

/* Somebody at another node writes with an admin's key, in its instance or in one of its own. */
static void steal(struct state_world *w, const struct state_op *op)
{
    const struct state_node *owner = &w->nodes[op->other];
    struct state_draft draft = { .author = owner->admin,
                                 .instance =
                                     op->number >> 40 & 1 ? owner->instance : ++w->instances,
                                 .kind = RECORD_DOCUMENT,
                                 .operation = ENTRY_SET,
                                 .key = (uint8_t)(op->number % STATE_KEYS),
                                 .field = 1,
                                 .value_size = 3,
                                 .value = "bad" };

    if (owner->admin == 0 || op->node == op->other || w->flooded[owner->admin])
        return; /* the root's key is not lying about */
    w->stolen[owner->admin] = true;
    (void)!state_write(w, op->node, &draft);
    draft.value[0] = 'B';
    (void)!state_write(w, op->node, &draft);
}

static void forge_leaf(struct state_world *w, const struct state_op *op)
{
    if (op->node == op->other)
        return;
    w->forged_leaf[op->other] = true;
    state_say(w, op->node, op->other, w->nodes[op->other].leaf_seq + 1, 0xee);
}

static void revoke_admin(struct state_world *w, const struct state_op *op)
{
    struct state_node *n = &w->nodes[op->other];

    if (op->other == 0 || w->revoked[n->admin] || w->author_count + 1 >= STATE_AUTHORS_MAX ||
        !may_write(w, 0) || !may_write(w, op->other))
        return;
    if (state_revoke(w, 0, REVOKE_ADMIN, n->admin) < 0)
        return;
    w->revoked[n->admin] = true;
    n->admin = w->author_count++;
    (void)!state_grant(w, n->admin, RECORD_SCOPE_CONFIG);
}

static void revoke_node(struct state_world *w, const struct state_op *op)
{
    if (op->other == 0 || !may_write(w, 0))
        return;
    if (state_revoke(w, 0, REVOKE_NODE, (uint16_t)(STATE_MEMBER_FIRST + op->other)) >= 0)
        w->revoked_node[op->other] = true;
}

/* From now on it distorts, withholds and keeps old heads; its own writes are nobody's concern. */
static void turn_hostile(struct state_world *w, const struct state_op *op)
{
    uint16_t hostile = 0;

    for (uint16_t i = 0; i < w->node_count; i++)
        hostile += w->nodes[i].hostile;
    if (op->node <= 2 || hostile >= 2)
        return;
    w->nodes[op->node].hostile = true;
    w->stolen[w->nodes[op->node].admin] = true;
    if (w->nodes[op->node].image_taken)
        state_restore(w, op->node);
}

static void flood(struct state_world *w, const struct state_op *op)
{
    struct state_node *n = &w->nodes[op->node];
    int r = 0;

    if (op->node <= 2 || w->stolen[n->admin])
        return;
    w->stolen[n->admin] = w->flooded[n->admin] = true; /* a thief at its own node, so to speak */
    for (unsigned i = 0; i < 150 && r == 0; i++) {
        struct state_draft draft = { .author = n->admin,
                                     .instance = n->instance,
                                     .kind = RECORD_DOCUMENT,
                                     .operation = ENTRY_SET,
                                     .field = 5,
                                     .value_size = 2,
                                     .value = { (uint8_t)i, 1 } };

        r = state_write(w, op->node, &draft);
    }
    w->counts[STATE_COUNT_QUOTA] += r == -EDQUOT;
}

static void burst_at(struct state_world *w, uint16_t node)
{
    struct state_node *n = &w->nodes[node];
    int r = 0;

    if (!may_write(w, node) || w->stolen[n->admin])
        return;
    for (unsigned i = 0; i < 80 && r == 0; i++) {
        struct state_draft draft = { .author = n->admin,
                                     .instance = ++w->instances,
                                     .kind = RECORD_DOCUMENT,
                                     .operation = ENTRY_ADD,
                                     .field = 6,
                                     .value_size = 1,
                                     .value = { 7 } };

        r = state_write(w, node, &draft);
    }
    note_refusal(w, node, n->admin, r);
}

static void burst(struct state_world *w, const struct state_op *op)
{
    burst_at(w, op->node);
}

/* They meet each other first, and each lacks what the other has: more than a sketch holds. */
static void burst_apart(struct state_world *w, const struct state_op *op)
{
    state_hang_up(w, op->node);
    state_hang_up(w, op->other);
    burst_at(w, op->node);
    if (op->other != op->node)
        burst_at(w, op->other);
    state_meet(w, op->node, op->other);
}

/* A kind, an operation and an extension that this version has never heard of. */
static void write_newer(struct state_world *w, const struct state_op *op)
{
    struct state_draft draft = { .author = 0,
                                 .instance = w->nodes[0].instance,
                                 .kind = 4242,
                                 .operation = op->number & 1 ? 99 : ENTRY_SET,
                                 .key = (uint8_t)(op->number % STATE_KEYS),
                                 .field = 200,
                                 .value_size = 2,
                                 .value = "v2" };

    if (may_write(w, 0))
        note_refusal(w, 0, 0, state_write(w, 0, &draft));
}

static void set_clock(struct state_world *w, const struct state_op *op)
{
    w->nodes[op->node].skew_ms = (int32_t)(op->number % 800000) - 400000;
}

static const struct op_row rows[STATE_OP_MAX_] = {
#define OP(symbol, text, weight, function) [STATE_OP_##symbol] = { text, weight, function },
#include "state_op.def"
#undef OP
};

const char *state_op_text(enum state_op_kind kind)
{
    return rows[kind].text;
}

static enum state_op_kind draw(struct rng *rng)
{
    uint64_t total = 0, dice;

    for (unsigned i = 0; i < STATE_OP_MAX_; i++)
        total += rows[i].weight;
    dice = rng_below(rng, total);
    for (unsigned i = 0; i < STATE_OP_MAX_; i++) {
        if (dice < rows[i].weight)
            return (enum state_op_kind)i;
        dice -= rows[i].weight;
    }
    return STATE_OP_SET;
}

void state_schedule_make(struct state_schedule *s, uint64_t seed, uint16_t nodes, uint32_t count,
                         uint64_t end_ms)
{
    struct rng rng;

    CHECK(count <= STATE_OPS_MAX);
    rng_seed(&rng, seed ^ 0x5bd1e995);
    s->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct state_op *op = &s->ops[i];

        *op = (struct state_op){ .at_ms = 1000 + rng_below(&rng, end_ms), .kind = draw(&rng) };
        op->node = (uint16_t)rng_below(&rng, nodes);
        op->other = (uint16_t)rng_below(&rng, nodes);
        op->number = rng_next(&rng);
        op->lasts_ms = 1000 + rng_below(&rng, end_ms / 4);
    }
}

void state_op_do(struct state_world *w, const struct state_op *op, uint32_t index)
{
    struct state_event end = { .at_ms = w->now_ms + op->lasts_ms,
                               .kind = STATE_OP_END,
                               .op = index };

    rows[op->kind].act(w, op);
    state_event_add(w, &end);
    for (uint16_t i = 0; i < w->node_count; i++) {
        if (!w->nodes[i].hostile && (i == op->node || i == op->other || i == 0))
            state_check_node(w, i);
    }
}

static void end_failing(struct state_world *w, const struct state_op *op)
{
    store_memory_fail(w->nodes[op->node].disk, 0);
}

static void end_split(struct state_world *w, const struct state_op *op)
{
    for (uint16_t i = 0; i < w->node_count; i++)
        w->nodes[i].side = 0;
}

static void end_cut(struct state_world *w, const struct state_op *op)
{
    w->cut[op->node][op->other] = false;
}

static void end_away(struct state_world *w, const struct state_op *op)
{
    w->counts[STATE_COUNT_AWAY] += w->nodes[op->node].away;
    w->nodes[op->node].away = false;
}

static void end_loss(struct state_world *w, const struct state_op *op)
{
    w->loss = 0;
}

void state_op_end(struct state_world *w, const struct state_op *op)
{
    static void (*const ends[STATE_OP_MAX_])(struct state_world *, const struct state_op *) = {
        [STATE_OP_FAIL] = end_failing, [STATE_OP_SPLIT] = end_split, [STATE_OP_CUT] = end_cut,
        [STATE_OP_AWAY] = end_away,    [STATE_OP_LOSS] = end_loss,
    };

    if (ends[op->kind])
        ends[op->kind](w, op);
}
