/* What the tests of the liveness core share: one core, and a test that plays everybody else. */
#pragma once

#include "org/swim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/rng.h"
#include "org/swim_state.h"

/* The core under test is slot 0 of an org. */
enum { NODES_MAX = 40, SELF = 0 };

static const uint8_t salt[SIPHASH_KEY_SIZE] = { 9 };

struct bench {
    struct roster *roster;
    struct swim *core;
    struct swim_effects out;
    struct swim_signer signer;
    uint64_t now_ns;
};

static inline void test_sign(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                             uint8_t ret_signature[static WIRE_SIGNATURE_SIZE])
{
    memset(ret_signature, 0, WIRE_SIGNATURE_SIZE);
    memcpy(ret_signature, text, WIRE_ALIVE_TEXT_SIZE);
}

static inline bool test_verify(void *context, uint64_t id,
                               const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                               const uint8_t signature[static WIRE_SIGNATURE_SIZE])
{
    return memcmp(text, signature, WIRE_ALIVE_TEXT_SIZE) == 0;
}

static inline struct bench *bench_make_at(const struct swim_parameters *parameters, uint16_t nodes,
                                          uint32_t incarnation, uint64_t now_ns)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct swim_config config = {
        .parameters = parameters, .id = 100, .seed = 5, .incarnation = incarnation, .proofs = 16
    };
    uint64_t deadline_ns;
    uint16_t slot;

    assert_non_null(b);
    b->roster = roster_init(malloc(roster_size(NODES_MAX)), NODES_MAX, salt);
    for (uint16_t i = 0; i < nodes; i++)
        assert_int_equal(roster_add(b->roster, 100 + i, &slot), 0);
    roster_seal(b->roster);
    b->signer = (struct swim_signer){ NULL, test_sign, test_verify };
    config.roster = b->roster;
    config.signer = &b->signer;
    b->now_ns = now_ns;
    b->core = swim_init(malloc(swim_size(NODES_MAX, 16)), &config, b->now_ns, &deadline_ns);
    b->out.deadline_ns = deadline_ns;
    assert_true(deadline_ns > b->now_ns);
    return b;
}

static inline struct bench *bench_make(const struct swim_parameters *parameters, uint16_t nodes,
                                       uint32_t incarnation)
{
    return bench_make_at(parameters, nodes, incarnation, 1000 * NS_PER_S);
}

static inline struct bench *bench_new(uint16_t nodes, uint32_t incarnation)
{
    return bench_make(&swim_parameters_overlay, nodes, incarnation);
}

static inline void bench_free(struct bench *b)
{
    swim_check(b->core);
    free(b->core);
    free(b->roster);
    free(b);
}

static inline int feed_late(struct bench *b, uint16_t from, const uint8_t *bytes, size_t size,
                            uint64_t late_ns)
{
    struct swim_event event = { .kind = SWIM_EVENT_PACKET,
                                .now_ns = b->now_ns,
                                .from = from,
                                .bytes = bytes,
                                .size = size,
                                .received_ns = b->now_ns - late_ns };

    return swim_step(b->core, &event, &b->out);
}

static inline void give(struct bench *b, uint16_t from, const struct wire_frame *f)
{
    uint8_t bytes[256];
    struct wire_writer w = { .bytes = bytes, .capacity = sizeof(bytes) };

    assert_int_equal(wire_put(&w, f), 0);
    assert_int_equal(feed_late(b, from, bytes, w.size, 0), 0);
}

static inline void give_beat_turn(struct bench *b, uint16_t from, uint32_t incarnation,
                                  uint8_t number, uint8_t turn)
{
    struct wire_frame f = { .kind = WIRE_BEAT };

    f.beat = (struct wire_beat){
        turn, 0, incarnation, number, digest_short(b->core->digest, number), 0
    };
    give(b, from, &f);
}

static inline void give_beat(struct bench *b, uint16_t from, uint32_t incarnation, uint8_t number)
{
    give_beat_turn(b, from, incarnation, number, 10);
}

/* How many frames of this kind the last step sent to this slot (or to all: ROSTER_NONE); the last
 * one is in *ret, which is zero when there is none. */
static inline size_t sent(const struct bench *b, uint16_t to, enum wire_kind kind,
                          struct wire_frame *ret)
{
    size_t found = 0;

    if (ret)
        memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < b->out.send_count; i++) {
        const struct swim_send *s = &b->out.sends[i];
        struct cursor c = cursor_make(b->out.bytes + s->offset, s->size);
        struct wire_frame f;

        while (wire_next(&c, &f) == 1) {
            if (f.kind != kind || (to != ROSTER_NONE && s->to != to))
                continue;
            found++;
            if (ret)
                *ret = f;
        }
    }
    return found;
}

static inline void timer(struct bench *b, uint64_t at_ns)
{
    struct swim_event event = { .kind = SWIM_EVENT_TIMER, .now_ns = at_ns };

    b->now_ns = at_ns;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_true(b->out.deadline_ns > b->now_ns);
}

/* Runs timers until something of this kind goes to `to`; false when that does not come in time. */
static inline bool run_until(struct bench *b, uint64_t until_ns, uint16_t to, enum wire_kind kind,
                             struct wire_frame *ret)
{
    while (b->out.deadline_ns <= until_ns) {
        timer(b, b->out.deadline_ns);
        if (sent(b, to, kind, ret) > 0)
            return true;
    }
    return false;
}

/* Everybody but `silent` beats each second; the core runs its timers. */
static inline void run_org(struct bench *b, uint16_t nodes, uint16_t silent, uint64_t seconds)
{
    uint64_t end_ns = b->now_ns + seconds * NS_PER_S, next_ns = b->now_ns;

    for (uint8_t number = 0; next_ns < end_ns; next_ns += 900 * NS_PER_MS, number++) {
        while (b->out.deadline_ns < next_ns)
            timer(b, b->out.deadline_ns);
        b->now_ns = next_ns > b->now_ns ? next_ns : b->now_ns;
        for (uint16_t i = 1; i < nodes; i++) {
            if (i != silent)
                give_beat(b, i, swim_incarnation(b->core, i), number);
        }
    }
}

static inline struct wire_frame unreachable(uint64_t id, uint32_t incarnation)
{
    struct wire_frame f = { .kind = WIRE_UNREACHABLE };

    f.unreachable = (struct wire_unreachable){ id, incarnation };
    return f;
}

static inline struct wire_frame proved(uint64_t id, uint32_t incarnation,
                                       enum wire_standing standing)
{
    struct wire_frame f = { .kind = WIRE_SIGNED };

    f.proved.subject = id;
    f.proved.incarnation = incarnation;
    f.proved.standing = standing;
    wire_alive_text(id, incarnation, f.proved.signature);
    return f;
}

/* Silence of `subject` has just made the core call the others. */
static inline struct bench *open_inquiry(uint16_t nodes, uint16_t subject,
                                         struct wire_frame *ret_call)
{
    struct bench *b = bench_new(nodes, 0);
    uint16_t to = subject == 1 ? 2 : 1;

    run_org(b, nodes, ROSTER_NONE, 10);
    give_beat_turn(b, subject, 0, 100, 1);
    assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, to, WIRE_CALL, ret_call));
    assert_true(ret_call->call.subject == 100u + subject);
    return b;
}
