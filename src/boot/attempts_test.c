#include "boot/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t guids[ATTEMPTS_SLOTS][ATTEMPTS_GUID_SIZE] = { { 0xaa, 1 }, { 0xbb, 2 } };
static const uint8_t nowhere[ATTEMPTS_GUID_SIZE];

static struct attempts make_pair(void)
{
    struct attempts a = { .slots = { { .count = 0 } } };

    memcpy(a.slots[0].guid, guids[0], sizeof(guids[0]));
    memcpy(a.slots[1].guid, guids[1], sizeof(guids[1]));
    return a;
}

/* --- The variable --- */

static void test_form(void **unused)
{
    struct attempts a = make_pair(), found;
    uint8_t bytes[ATTEMPTS_SIZE + 1];

    (void)unused;
    a.slots[0].count = 2;
    a.slots[1].failed = true;
    attempts_encode(&a, bytes);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(bytes[1], 0xaa);
    assert_int_equal(bytes[17], 2);
    assert_int_equal(bytes[18], 0);
    assert_int_equal(bytes[19], 0xbb);
    assert_int_equal(bytes[36], 1);
    attempts_decode(bytes, ATTEMPTS_SIZE, &found);
    assert_memory_equal(&a, &found, sizeof(a));
    assert_true(attempts_is_pair(&found));
    attempts_forget(&found);
    assert_int_equal(found.slots[0].count, 0);
    assert_false(found.slots[1].failed);
    assert_int_equal(attempts_find(&found, guids[1]), 1);
    assert_int_equal(attempts_find(&found, nowhere), -1);
}

static void assert_nothing(const void *bytes, size_t size)
{
    static const struct attempts nothing;
    struct attempts found = make_pair();

    attempts_decode(bytes, size, &found);
    assert_memory_equal(&found, &nothing, sizeof(nothing));
    assert_false(attempts_is_pair(&found));
}

static void test_other_forms(void **unused)
{
    struct attempts a = make_pair(), found;
    uint8_t bytes[ATTEMPTS_SIZE + 1] = { 0 };

    (void)unused;
    attempts_encode(&a, bytes);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        if (size != ATTEMPTS_SIZE)
            assert_nothing(bytes, size);
    }
    assert_nothing("\2", 1); /* the form of former versions */
    for (unsigned value = 0; value <= 255; value++) {
        bytes[36] = (uint8_t)value;
        if (value > 1)
            assert_nothing(bytes, ATTEMPTS_SIZE);
    }
    bytes[36] = 0;
    for (unsigned value = 0; value <= 255; value++) {
        bytes[0] = (uint8_t)value;
        if (value != ATTEMPTS_SCHEMA)
            assert_nothing(bytes, ATTEMPTS_SIZE);
    }
    bytes[0] = ATTEMPTS_SCHEMA;
    attempts_decode(bytes, ATTEMPTS_SIZE, &found);
    assert_true(attempts_is_pair(&found));
}

/* --- Whose place --- */

static void test_place(void **unused)
{
    static const uint8_t foreign[ATTEMPTS_GUID_SIZE] = { 0xcc };
    struct attempts_boot boot = { .all = make_pair() };

    (void)unused;
    assert_memory_equal(attempts_place(&boot, guids[1]), guids[0], ATTEMPTS_GUID_SIZE);
    assert_int_equal(boot.own, 1);
    assert_memory_equal(attempts_place(&boot, guids[0]), guids[1], ATTEMPTS_GUID_SIZE);
    assert_int_equal(boot.own, 0);
    /* From another disk: a list of its own, and no other slot. */
    boot.all.slots[0].count = 2;
    assert_null(attempts_place(&boot, foreign));
    assert_int_equal(boot.own, 0);
    assert_int_equal(boot.all.slots[0].count, 0);
    assert_int_equal(attempts_find(&boot.all, foreign), 0);
    assert_int_equal(attempts_find(&boot.all, guids[0]), -1);
    /* The list of a single slot is kept by it, and by nobody else. */
    boot.all.slots[0].count = 1;
    assert_null(attempts_place(&boot, foreign));
    assert_int_equal(boot.all.slots[0].count, 1);
    assert_null(attempts_place(&boot, nowhere));
    assert_int_equal(boot.all.slots[0].count, 0);
    /* From no partition: counted all the same. */
    boot.all.slots[0].count = 1;
    assert_null(attempts_place(&boot, nowhere));
    assert_int_equal(boot.own, 0);
    assert_int_equal(boot.all.slots[0].count, 1);
    boot.all = make_pair();
    assert_null(attempts_place(&boot, nowhere));
    assert_int_equal(attempts_find(&boot.all, guids[1]), -1);
}

/* --- The policy --- */

/* Every state there is: own count 0..3, own failed, other count 0..2, other failed, entry. */
struct point {
    unsigned own_count, other_count;
    bool own_failed, other_failed, has_entry;
};

static struct attempts_boot make_boot(const struct point *p)
{
    struct attempts_boot boot = { .all = make_pair(), .own = 0, .known = true };

    boot.all.slots[0].count = (uint8_t)p->own_count;
    boot.all.slots[0].failed = p->own_failed;
    boot.all.slots[1].count = (uint8_t)p->other_count;
    boot.all.slots[1].failed = p->other_failed;
    boot.other_has_entry = p->has_entry;
    return boot;
}

static void check_start(const struct point *p)
{
    struct attempts_boot boot = make_boot(p);
    bool redirect = p->own_failed && p->has_entry && !p->other_failed && p->other_count > 0;
    enum attempts_start start = attempts_start(&boot);

    if (p->own_count >= 2) {
        assert_int_equal(start, ATTEMPTS_TOO_MANY);
        assert_int_equal(boot.all.slots[0].count, p->own_count);
        assert_false(boot.redirected);
        return;
    }
    assert_int_equal(start, redirect ? ATTEMPTS_REDIRECT : ATTEMPTS_GO);
    assert_int_equal(boot.redirected, redirect);
    assert_int_equal(boot.all.slots[0].count, p->own_count + 1);
    assert_int_equal(boot.all.slots[0].failed, p->own_failed);
    assert_int_equal(boot.all.slots[1].count, p->other_count);
    assert_int_equal(boot.all.slots[1].failed, p->other_failed);
    assert_int_equal(attempts_is_last(&boot),
                     p->own_count == 1 && !p->own_failed && p->has_entry && !p->other_failed);
}

static void check_failure(const struct point *p)
{
    struct attempts_boot boot = make_boot(p);
    enum attempts_ending ending = attempts_after_failure(&boot);

    if (!p->own_failed && p->has_entry && !p->other_failed) {
        assert_int_equal(ending, ATTEMPTS_OTHER);
        assert_true(boot.all.slots[0].failed);
        assert_int_equal(boot.all.slots[0].count, 0);
        assert_int_equal(boot.all.slots[1].count, p->other_count);
    } else if (!p->own_failed && !p->has_entry && p->own_count < 2) {
        assert_int_equal(ending, ATTEMPTS_REBOOT);
        assert_int_equal(boot.all.slots[0].count, p->own_count);
        assert_false(boot.all.slots[0].failed);
    } else {
        const struct attempts fresh = make_pair();

        assert_int_equal(ending, ATTEMPTS_HALT);
        assert_memory_equal(&boot.all, &fresh, sizeof(fresh));
    }
}

/* Without a store that takes counts, nothing but a halt ends; unless the firmware starts the other
 * slot anyway. */
static void check_unknown(const struct point *p)
{
    bool can_leave = !p->own_failed && p->has_entry && !p->other_failed;
    struct attempts_boot boot = make_boot(p), before;

    boot.known = false;
    assert_false(attempts_can_leave(&boot));
    assert_int_equal(attempts_after_failure(&boot), ATTEMPTS_HALT);
    boot = make_boot(p);
    boot.known = false;
    boot.on_trial = true;
    before = boot;
    assert_int_equal(attempts_can_leave(&boot), can_leave);
    assert_int_equal(attempts_after_failure(&boot), can_leave ? ATTEMPTS_REBOOT : ATTEMPTS_HALT);
    assert_memory_equal(&boot.all, &before.all, sizeof(boot.all));
    boot = make_boot(p);
    boot.known = false;
    boot.redirected = true;
    assert_int_equal(attempts_after_failure(&boot), ATTEMPTS_HALT);
    /* What is only passed through goes on, with nothing changed. */
    boot = make_boot(p);
    boot.redirected = true;
    assert_int_equal(attempts_after_failure(&boot), ATTEMPTS_OTHER);
    assert_int_equal(boot.all.slots[0].count, p->own_count);
}

static void test_table(void **unused)
{
    (void)unused;
    for (unsigned bits = 0; bits < 4 * 3 * 8; bits++) {
        const struct point p = { .own_count = bits % 4,
                                 .other_count = bits / 4 % 3,
                                 .own_failed = bits / 12 & 1,
                                 .other_failed = bits / 12 >> 1 & 1,
                                 .has_entry = bits / 12 >> 2 & 1 };

        check_start(&p);
        check_failure(&p);
        check_unknown(&p);
    }
}

/* --- However starts end --- */

enum outcome {
    OUTCOME_REFUSED, /* the firmware does not start it, and takes the next one of its order */
    OUTCOME_FAILURE, /* stage 1 fails */
    OUTCOME_CRASH,   /* later, without a verdict: panic, watchdog, power */
    OUTCOME_MAX_,
};

enum { OUTCOMES_MAX = 9, ONLY_A = 1 };

struct machine {
    struct attempts all;
    unsigned sequence; /* of outcomes, base OUTCOME_MAX_ */
    int next;          /* BootNext, -1 for none */
    unsigned has_entry;
    unsigned starts; /* of stage 1 */
    bool halted;
};

static enum outcome take_outcome(struct machine *m)
{
    enum outcome outcome = (enum outcome)(m->sequence % OUTCOME_MAX_);

    m->sequence /= OUTCOME_MAX_;
    return outcome;
}

static void run_stage1(struct machine *m, size_t slot, bool fails)
{
    struct attempts_boot boot = { .all = m->all, .known = true };
    enum attempts_start start;

    m->starts++;
    assert_non_null(attempts_place(&boot, guids[slot]));
    boot.other_has_entry = m->has_entry & 1u << (1 - slot);
    start = attempts_start(&boot);
    m->all = boot.all;
    if (start == ATTEMPTS_GO && attempts_is_last(&boot))
        m->next = (int)(1 - slot);
    if (start == ATTEMPTS_GO && !fails)
        return;
    switch (attempts_after_failure(&boot)) {
    case ATTEMPTS_HALT:
        m->halted = true;
        break;
    case ATTEMPTS_OTHER:
        m->next = (int)(1 - slot);
        break;
    case ATTEMPTS_REBOOT:
        break;
    }
    m->all = boot.all;
}

/* One start by the firmware: BootNext, then A, then B. */
static void boot_once(struct machine *m)
{
    int order[] = { m->next, 0, 1 };

    m->next = -1;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        enum outcome outcome;

        if (order[i] < 0)
            continue;
        outcome = take_outcome(m);
        if (outcome == OUTCOME_REFUSED)
            continue;
        run_stage1(m, (size_t)order[i], outcome == OUTCOME_FAILURE);
        return;
    }
    m->halted = true; /* nothing left to start: the firmware's menu */
}

/* With any outcomes, and with either slot without an entry: the machine rests after at most eight
 * starts of stage 1. */
static void test_rests(void **unused)
{
    unsigned sequences = 1, most = 0;

    (void)unused;
    for (unsigned i = 0; i < OUTCOMES_MAX; i++)
        sequences *= OUTCOME_MAX_;
    for (unsigned entries = 0; entries < 4; entries++) {
        for (unsigned sequence = 0; sequence < sequences; sequence++) {
            /* What comes after the sequence is refused, so it has to be long enough. */
            struct machine m = { make_pair(), sequence, -1, entries, 0, false };

            for (unsigned boots = 0; !m.halted && boots < 64; boots++)
                boot_once(&m);
            assert_true(m.halted);
            most = m.starts > most ? m.starts : most;
        }
    }
    assert_int_equal(most, 8);
}

/* As above, with outcomes that never end: all of one kind, and each kind for A with each for B. */
static void test_rests_for_ever(void **unused)
{
    (void)unused;
    for (unsigned kinds = 0; kinds < OUTCOME_MAX_ * OUTCOME_MAX_; kinds++) {
        const enum outcome of[] = { (enum outcome)(kinds % 3), (enum outcome)(kinds / 3) };
        struct machine m = { make_pair(), 0, -1, 3, 0, false };
        unsigned boots = 0;

        for (; !m.halted && boots < 64; boots++) {
            int order[] = { m.next, 0, 1 };
            bool started = false;

            m.next = -1;
            for (size_t i = 0; i < ARRAY_SIZE(order) && !started; i++) {
                started = order[i] >= 0 && of[order[i]] != OUTCOME_REFUSED;
                if (started)
                    run_stage1(&m, (size_t)order[i], of[order[i]] == OUTCOME_FAILURE);
            }
            m.halted |= !started;
        }
        assert_true(m.halted);
        assert_true(boots <= 8);
    }
}

/* The promise to people: a damaged slot means the other one at the next start. */
static void test_other_at_once(void **unused)
{
    struct machine m = { make_pair(), OUTCOME_FAILURE + 3 * OUTCOME_CRASH, -1, 3, 0, false };

    (void)unused;
    boot_once(&m);
    assert_int_equal(m.next, 1);
    assert_true(m.all.slots[0].failed);
    boot_once(&m);
    assert_int_equal(m.all.slots[1].count, 1);
    assert_false(m.halted);
}

/* And where nobody is asked before the machine restarts, after two. */
static void test_other_after_two(void **unused)
{
    struct machine m = { make_pair(), OUTCOME_CRASH + 3 * OUTCOME_CRASH, -1, 3, 0, false };

    (void)unused;
    boot_once(&m);
    assert_int_equal(m.next, -1);
    boot_once(&m);
    assert_int_equal(m.next, 1);
    /* A slot without another one is started as often as before. */
    m = (struct machine){ make_pair(), OUTCOME_CRASH + 3 * OUTCOME_CRASH, -1, ONLY_A, 0, false };
    boot_once(&m);
    boot_once(&m);
    assert_int_equal(m.next, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),          cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_place),         cmocka_unit_test(test_table),
        cmocka_unit_test(test_rests),         cmocka_unit_test(test_rests_for_ever),
        cmocka_unit_test(test_other_at_once), cmocka_unit_test(test_other_after_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
