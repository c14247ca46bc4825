#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/varint.h"
#include "org/sync_test.h"

struct shape {
    uint32_t shared, only_a, only_b, changed;
};

static void fill(struct test_side *a, struct test_side *b, const struct shape *shape, uint64_t from)
{
    uint64_t number = from;

    for (uint32_t i = 0; i < shape->shared; i++, number++) {
        test_side_add(a, number, 1);
        test_side_add(b, number, 1);
    }
    for (uint32_t i = 0; i < shape->only_a; i++)
        test_side_add(a, number++, 1);
    for (uint32_t i = 0; i < shape->only_b; i++)
        test_side_add(b, number++, 1);
    for (uint32_t i = 0; i < shape->changed; i++, number++) {
        test_side_add(a, number, 1);
        test_side_add(b, number, 2);
    }
}

static void check_equal(struct test_side *a, struct test_side *b)
{
    struct digest ra = index_root(a->index), rb = index_root(b->index);

    assert_int_equal(sync_state(a->sync), SYNC_EQUAL);
    assert_int_equal(sync_state(b->sync), SYNC_EQUAL);
    assert_memory_equal(&ra, &rb, sizeof(ra));
}

static const struct shape shapes[] = {
    { 0, 0, 1, 0 },      { 0, 1, 0, 0 },      { 10, 0, 0, 1 },     { 1000, 5, 5, 0 },
    { 1000, 32, 32, 0 }, { 1000, 0, 64, 0 },  { 1000, 64, 0, 0 },  { 1000, 0, 0, 32 },
    { 4000, 33, 32, 0 }, { 4000, 0, 200, 0 }, { 4000, 200, 0, 0 }, { 9000, 100, 100, 100 },
    { 0, 300, 300, 0 },  { 0, 0, 3000, 0 },   { 0, 3000, 0, 0 },   { 500, 800, 900, 300 },
    { 100, 0, 0, 900 },
};

static void every_shape_of_difference(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        struct test_side a, b;

        test_side_open(&a, 12000, 4096);
        test_side_open(&b, 12000, 4096);
        fill(&a, &b, &shapes[i], 1);
        (void)test_session(&a, &b, NULL);
        check_equal(&a, &b);
        /* Of a changed element one version is of use, on the side that has the other. */
        assert_int_equal(a.taken + b.taken,
                         shapes[i].only_a + shapes[i].only_b + shapes[i].changed);
        test_side_close(&a);
        test_side_close(&b);
    }
}

static void equal_sets_say_one_word(void **state)
{
    struct shape shape = { 500, 0, 0, 0 };
    struct test_side a, b;

    test_side_open(&a, 1000, 100);
    test_side_open(&b, 1000, 100);
    fill(&a, &b, &shape, 1);
    assert_int_equal(test_session(&a, &b, NULL), 2);
    check_equal(&a, &b);
    assert_int_equal(b.bytes, 1);
    assert_int_equal(sync_path(b.sync), SYNC_PATH_NONE);
    test_side_close(&a);
    test_side_close(&b);
}

static void the_cheapest_path_is_taken(void **state)
{
    static const struct {
        struct shape shape;
        enum sync_path path;
        unsigned changes;
    } cases[] = {
        { { 5000, 30, 34, 0 }, SYNC_PATH_SKETCH, 4 }, /* open; answer; push, done; done */
        { { 5000, 64, 0, 0 }, SYNC_PATH_SKETCH, 4 },
        { { 5000, 0, 64, 0 }, SYNC_PATH_SKETCH, 3 }, /* nothing is wanted: open; push, done; done */
        /* open; estimate; sums; answer; push, done; equal */
        { { 5000, 33, 32, 0 }, SYNC_PATH_SUMS, 6 },
        { { 5000, 0, 100, 0 }, SYNC_PATH_SUMS, 5 },
        { { 9000, 150, 250, 0 }, SYNC_PATH_CELLS, 5 }, /* open; cells; wants; push, done; equal */
        { { 500, 300, 300, 0 }, SYNC_PATH_TRIE, 0 },
        { { 100, 2000, 0, 0 }, SYNC_PATH_TRIE, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct test_side a, b;
        unsigned changes;

        test_side_open(&a, 12000, 4096);
        test_side_open(&b, 12000, 4096);
        fill(&a, &b, &cases[i].shape, 1);
        changes = test_session(&a, &b, NULL);
        check_equal(&a, &b);
        assert_int_equal(sync_path(b.sync), cases[i].path);
        if (cases[i].changes > 0)
            assert_int_equal(changes, cases[i].changes);
        test_side_close(&a);
        test_side_close(&b);
    }
}

/* Two elements of one short id hide each other: the roots say so, a fresh salt finds them. */
static void a_collision_costs_time_only(void **state)
{
    static const uint8_t fresh[DIGEST_SALT_SIZE] = { 'f' };
    struct shape shape = { 200, 0, 0, 0 };
    struct test_side a, b;
    struct sketch blind;

    test_side_open(&a, 1000, 100);
    test_side_open(&b, 1000, 100);
    fill(&a, &b, &shape, 1);
    test_side_add(&a, 1000, 1);
    /* A real collision takes 2^32 tries; blinding the sketch has the same effect. */
    blind = *index_sketch(b.index);
    memcpy((void *)(uintptr_t)index_sketch(a.index), &blind, sizeof(blind));
    test_side_add(&b, 2000, 1);
    (void)test_session(&a, &b, NULL);
    assert_int_equal(sync_state(a.sync), SYNC_DIFFERENT);
    assert_int_equal(sync_state(b.sync), SYNC_DIFFERENT);
    (void)test_session(&a, &b, fresh);
    check_equal(&a, &b);
    test_side_close(&a);
    test_side_close(&b);
}

static void a_question_costs_few_bytes(void **state)
{
    struct shape shape = { 500, 0, 0, 0 };
    struct test_side a, b;

    test_side_open(&a, 1000, 100);
    test_side_open(&b, 1000, 100);
    fill(&a, &b, &shape, 1);
    sync_ask(a.sync, test_salt, false);
    sync_listen(b.sync, test_salt, false);
    assert_int_equal(test_talk(&a, &b), 2);
    check_equal(&a, &b);
    assert_int_equal(a.bytes, 17);
    assert_int_equal(b.bytes, 1);
    /* And when they are not equal, who was asked opens. */
    test_side_add(&a, 1000, 1);
    test_side_add(&b, 1001, 1);
    sync_ask(a.sync, test_salt, false);
    sync_listen(b.sync, test_salt, false);
    assert_int_equal(test_talk(&a, &b), 5);
    check_equal(&a, &b);
    assert_int_equal(sync_path(a.sync), SYNC_PATH_SKETCH);
    assert_int_equal(a.taken + b.taken, 2);
    test_side_close(&a);
    test_side_close(&b);
}

/* Ranks count among the ids of one moment: what others bring or take away meanwhile moves none. */
static void ranks_hold_while_a_set_changes(void **state)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct shape shape = { 1000, 10, 5, 0 };
    struct output o = output_make(bytes, sizeof(bytes));
    struct test_side a, b;

    test_side_open(&a, 3000, 100);
    test_side_open(&b, 3000, 100);
    fill(&a, &b, &shape, 1);
    sync_open(a.sync, test_salt, NULL);
    sync_listen(b.sync, test_salt, false);
    assert_int_equal(sync_send(a.sync, &o), 1);
    assert_int_equal(sync_receive(b.sync, bytes, o.size), 0);
    for (uint64_t number = 5000; number < 5050; number++)
        test_side_add(&a, number, 1);
    for (uint64_t number = 1; number < 100; number += 7) {
        struct digest key = digest_bytes(&number, sizeof(number));

        assert_true(index_delete(a.index, &key));
    }
    test_side_add(&a, 1003, 2); /* one of the ten that b asks for */
    (void)test_talk(&a, &b);
    assert_int_equal(sync_state(a.sync), SYNC_DIFFERENT);
    assert_int_equal(b.taken, 9);
    assert_int_equal(a.taken, 5);
    (void)test_session(&a, &b, NULL);
    check_equal(&a, &b);
    assert_int_equal(b.taken, 9 + 50 + 1);
    test_side_close(&a);
    test_side_close(&b);
}

/* The aims that bytes are counted for: 620 besides the elements up to 64 of a hundred thousand when
 * half are to be asked for; 24 each from 65 on, in two round trips. */
static void bytes_are_few(void **state)
{
    static const struct {
        uint32_t shared, only_a, only_b;
        size_t bytes;
    } cases[] = {
        { 100000, 0, 1, 542 },          { 100000, 1, 0, 548 },
        { 100000, 0, 64, 542 },         { 100000, 32, 32, 610 },
        { 10000, 64, 0, 620 },          { 100000, 33, 32, 65 * 24 },
        { 100000, 50, 50, 100 * 24 },   { 100000, 100, 0, 100 * 24 },
        { 100000, 128, 128, 256 * 24 }, { 100000, 500, 500, 1000 * 24 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct shape shape = { cases[i].shared, cases[i].only_a, cases[i].only_b, 0 };
        struct test_side a, b;
        unsigned changes;

        test_side_open(&a, 102000, 4096);
        test_side_open(&b, 102000, 4096);
        fill(&a, &b, &shape, 1);
        changes = test_session(&a, &b, NULL);
        check_equal(&a, &b);
        assert_true(a.bytes + b.bytes <= cases[i].bytes);
        assert_true(changes <= (cases[i].only_a + cases[i].only_b <= 64 ? 4 : 6));
        test_side_close(&a);
        test_side_close(&b);
    }
}

/* Puts into an ESTIMATE what the initiator itself would say, so that nothing seems to differ. */
static void forge_estimate(const struct shape *shape, uint8_t *bytes, size_t size)
{
    static uint8_t own[SYNC_MESSAGE_SIZE_MAX];
    struct test_side a, b;
    struct output o = output_make(own, sizeof(own));

    test_side_open(&a, 12000, 1000);
    test_side_open(&b, 12000, 1000);
    fill(&a, &b, shape, 1);
    sync_open(b.sync, test_salt, NULL);
    sync_listen(a.sync, test_salt, false);
    assert_int_equal(sync_send(b.sync, &o), 1);
    assert_int_equal(sync_receive(a.sync, own, o.size), 0);
    o = output_make(own, sizeof(own));
    assert_int_equal(sync_send(a.sync, &o), 1);
    assert_int_equal(own[0], TEST_ESTIMATE);
    assert_int_equal(o.size, size);
    memcpy(bytes, own, size);
    test_side_close(&a);
    test_side_close(&b);
}

/* The estimate may be far too low: what the larger sketch was too small for is found by cells. */
static void too_few_sums_are_said(void **state)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct shape shape = { 4000, 150, 150, 0 };
    struct test_side a, b;
    unsigned estimates = 0, said = 0, cells = 0;

    test_side_open(&a, 12000, 1000);
    test_side_open(&b, 12000, 1000);
    fill(&a, &b, &shape, 1);
    sync_open(a.sync, test_salt, NULL);
    sync_listen(b.sync, test_salt, false);
    for (;;) {
        struct output o = output_make(bytes, sizeof(bytes));
        struct test_side *to = &b;

        /* One batch of cells is on its way when the sums are sent. */
        bool hold = estimates == 1 && cells == 0;

        if (hold || sync_send(a.sync, &o) == 0) {
            to = &a;
            if (sync_send(b.sync, &o) == 0)
                break;
        }
        if (bytes[0] == TEST_ESTIMATE) {
            estimates++;
            forge_estimate(&shape, bytes, o.size);
        }
        cells += bytes[0] == TEST_CELLS;
        said += bytes[0] == TEST_TOO_FEW;
        assert_int_equal(sync_receive(to->sync, bytes, o.size), 0);
    }
    assert_int_equal(estimates, 1);
    assert_int_equal(said, 1);
    check_equal(&a, &b);
    assert_int_equal(sync_path(a.sync), SYNC_PATH_CELLS);
    test_side_close(&a);
    test_side_close(&b);
}

static void a_fresh_salt_may_be_refused(void **state)
{
    static const uint8_t fresh[DIGEST_SALT_SIZE] = { 'f' };
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct test_side a, b;

    test_side_open(&a, 10, 10);
    test_side_open(&b, 10, 10);
    test_side_add(&a, 1, 1);
    sync_open(a.sync, test_salt, fresh);
    sync_listen(b.sync, test_salt, false);
    assert_int_equal(sync_send(a.sync, &o), 1);
    assert_int_equal(sync_receive(b.sync, bytes, o.size), 0);
    o = output_make(bytes, sizeof(bytes));
    assert_int_equal(sync_send(b.sync, &o), 1);
    assert_int_equal(sync_receive(a.sync, bytes, o.size), 0);
    assert_int_equal(sync_state(a.sync), SYNC_REFUSED);
    assert_int_equal(sync_state(b.sync), SYNC_REFUSED);
    test_side_close(&a);
    test_side_close(&b);
}

/* A transport with delay: each direction keeps up to 40 messages on their way, and chance decides
 * who speaks and what arrives. Cells that were on their way when they were interrupted do no harm.
 */
enum { QUEUE_MAX = 40, SMALL_MAX = 70000 };

struct queue {
    uint8_t bytes[QUEUE_MAX][SMALL_MAX];
    size_t sizes[QUEUE_MAX];
    unsigned first, count;
};

static void slow_session(struct test_side *a, struct test_side *b, uint64_t *seed)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    static struct queue queues[2];
    struct test_side *sides[2] = { a, b };
    unsigned idle = 0;

    queues[0].count = queues[1].count = 0;
    sync_open(a->sync, test_salt, NULL);
    sync_listen(b->sync, test_salt, false);
    while (idle < 100) {
        unsigned from = (unsigned)(test_random(seed) % 2);
        struct queue *q = &queues[from];
        struct output o = output_make(bytes, sizeof(bytes));

        idle++;
        if (test_random(seed) % 2 == 0 && q->count > 0) {
            assert_int_equal(
                sync_receive(sides[!from]->sync, q->bytes[q->first], q->sizes[q->first]), 0);
            q->first = (q->first + 1) % QUEUE_MAX;
            q->count--;
            idle = 0;
        } else if (q->count < QUEUE_MAX && sync_send(sides[from]->sync, &o) == 1) {
            unsigned place = (q->first + q->count++) % QUEUE_MAX;

            assert_true(o.size <= SMALL_MAX);
            memcpy(q->bytes[place], bytes, o.size);
            q->sizes[place] = o.size;
            idle = 0;
        }
    }
}

static void delay_does_not_matter(void **state)
{
    uint64_t seed = 21;

    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
            struct test_side a, b;

            test_side_open(&a, 12000, 4096);
            test_side_open(&b, 12000, 4096);
            fill(&a, &b, &shapes[i], 1 + round * 100000);
            slow_session(&a, &b, &seed);
            check_equal(&a, &b);
            test_side_close(&a);
            test_side_close(&b);
        }
    }
}

/* Small tables: what does not fit is left for the next session, and the end is the same. */
static void small_capacities_make_progress(void **state)
{
    struct sync_limits limits = { 12000, 80, 40 };
    struct shape shape = { 3000, 700, 800, 100 };
    struct test_side sides[2];
    unsigned sessions = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct sync_owner owner = { .give = test_give, .take = test_take, .context = &sides[i] };

        test_side_open(&sides[i], 12000, 10);
        (void)sync_free(sides[i].sync);
        owner.index = sides[i].index;
        assert_int_equal(sync_new(&limits, &owner, &sides[i].sync), 0);
    }
    fill(&sides[0], &sides[1], &shape, 1);
    do {
        assert_true(++sessions < 60);
        (void)test_session(&sides[0], &sides[1], NULL);
    } while (sync_state(sides[0].sync) == SYNC_DIFFERENT);
    check_equal(&sides[0], &sides[1]);
    assert_true(sessions > 1);
    test_side_close(&sides[0]);
    test_side_close(&sides[1]);
}

/* A peer that sends anything at all: the session ends, nothing crashes, no loop is endless. */
static void a_hostile_peer_ends_the_session(void **state)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    uint64_t seed = 31;

    for (unsigned round = 0; round < 400; round++) {
        struct test_side a, b;
        struct shape shape = { 300, 40, 60, 0 };
        unsigned sent = 0;

        test_side_open(&a, 1000, 200);
        test_side_open(&b, 1000, 200);
        fill(&a, &b, &shape, 1);
        sync_open(a.sync, test_salt, NULL);
        sync_listen(b.sync, test_salt, false);
        for (unsigned step = 0; step < 300; step++) {
            struct output o = output_make(bytes, sizeof(bytes));
            struct test_side *from = step % 2 ? &b : &a, *to = step % 2 ? &a : &b;
            int r;

            if (sync_send(from->sync, &o) == 0)
                continue;
            sent++;
            if (test_random(&seed) % 8 == 0) {
                size_t flips = 1 + test_random(&seed) % 3;

                for (size_t i = 0; i < flips; i++)
                    bytes[test_random(&seed) % o.size] ^= (uint8_t)(1u << test_random(&seed) % 8);
            }
            if (test_random(&seed) % 64 == 0)
                o.size = test_random(&seed) % (o.size + 1);
            r = sync_receive(to->sync, bytes, o.size);
            assert_true(r == 0 || r == -EBADMSG);
            if (r < 0)
                assert_int_equal(sync_state(to->sync), SYNC_FAILED);
        }
        assert_true(sent > 0);
        test_side_close(&a);
        test_side_close(&b);
    }
}

/* Every truncation of every message of three sessions ends the session. */
static void truncated_messages_end_the_session(void **state)
{
    static const struct shape small[] = { { 50, 3, 4, 0 }, { 2000, 40, 40, 0 }, { 10, 90, 90, 0 } };
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
        for (unsigned victim = 0; victim < 12; victim++) {
            struct test_side a, b;
            unsigned number = 0;
            bool done = false;

            test_side_open(&a, 3000, 200);
            test_side_open(&b, 3000, 200);
            fill(&a, &b, &small[i], 1);
            sync_open(a.sync, test_salt, NULL);
            sync_listen(b.sync, test_salt, false);
            while (!done) {
                struct output o = output_make(bytes, sizeof(bytes));
                struct test_side *from = &a, *to = &b;

                if (sync_send(a.sync, &o) == 0) {
                    from = &b;
                    to = &a;
                    if (sync_send(b.sync, &o) == 0)
                        break;
                }
                (void)from;
                if (number++ == victim && bytes[0] >= SYNC_ELEMENT_KINDS && o.size > 1) {
                    o.size = o.size * (victim % 4) / 4;
                    assert_int_equal(sync_receive(to->sync, bytes, o.size), -EBADMSG);
                    done = true;
                } else {
                    assert_int_equal(sync_receive(to->sync, bytes, o.size), 0);
                }
            }
            test_side_close(&a);
            test_side_close(&b);
        }
    }
}

static bool even_first(void *context, uint32_t slot)
{
    return slot % 2 == 0;
}

/* What others stand on is given before them, whatever its place. */
static void some_are_given_first(void **state)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct sync_limits limits = { 1000, 100, 100 };
    struct sync_owner owner = { .give = test_give, .take = test_take, .first = even_first };
    struct shape shape = { 500, 0, 41, 0 };
    unsigned given = 0, first = 0;
    struct test_side a, b;

    test_side_open(&a, 1000, 100);
    test_side_open(&b, 1000, 100);
    (void)sync_free(b.sync);
    owner.index = b.index;
    owner.context = &b;
    assert_int_equal(sync_new(&limits, &owner, &b.sync), 0);
    fill(&a, &b, &shape, 1);
    sync_open(a.sync, test_salt, NULL);
    sync_listen(b.sync, test_salt, false);
    for (;;) {
        struct output o = output_make(bytes, sizeof(bytes));
        struct test_side *to = &b;
        struct digest key;

        if (sync_send(a.sync, &o) == 0) {
            to = &a;
            if (sync_send(b.sync, &o) == 0)
                break;
        }
        if (bytes[0] < SYNC_ELEMENT_KINDS) {
            memcpy(key.bytes, bytes + 1, DIGEST_SIZE);
            if (merkle_find(index_trie(b.index), &key) % 2 == 0) {
                assert_int_equal(given, first); /* no other one was given before */
                first++;
            }
            given++;
        }
        assert_int_equal(sync_receive(to->sync, bytes, o.size), 0);
    }
    assert_int_equal(given, 41);
    assert_true(first >= 20 && first <= 21);
    check_equal(&a, &b);
    test_side_close(&a);
    test_side_close(&b);
}

/* Where a session stands when a message comes. */
enum stand {
    STAND_LISTENS, /* nothing was said yet */
    STAND_OPENED,  /* we sent OPEN */
    STAND_CELLS,   /* we sent ESTIMATE and cells */
    STAND_SUMMED,  /* and got SUMS that did not do */
    STAND_MANY,    /* we sent OPEN and got an ESTIMATE of many */
};

static void bring_to(struct test_side *a, struct test_side *b, enum stand stand)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));

    if (stand == STAND_LISTENS) {
        sync_listen(a->sync, test_salt, false);
        return;
    }
    sync_open(a->sync, test_salt, NULL);
    sync_listen(b->sync, test_salt, false);
    assert_int_equal(sync_send(a->sync, &o), 1);
    if (stand == STAND_OPENED)
        return;
    assert_int_equal(sync_receive(b->sync, bytes, o.size), 0);
    o = output_make(bytes, sizeof(bytes));
    assert_int_equal(sync_send(b->sync, &o), 1);
    assert_int_equal(bytes[0], TEST_ESTIMATE);
    if (stand == STAND_MANY) {
        assert_int_equal(sync_receive(a->sync, bytes, o.size), 0);
        return;
    }
    o = output_make(bytes, sizeof(bytes));
    assert_int_equal(sync_send(b->sync, &o), 1);
    if (stand == STAND_SUMMED) {
        memset(bytes, 7, 2 + 8 * 2);
        memcpy(bytes, (const uint8_t[]){ 71, 66 }, 2);
        assert_int_equal(sync_receive(b->sync, bytes, 2 + 8 * 2), 0);
    }
}

/* A message, and zeros up to its size. */
struct wrong {
    enum stand stand;
    size_t size;
    uint8_t bytes[24];
};

static const struct wrong wrongs[] = {
    { STAND_LISTENS, 0, { 0 } },
    { STAND_LISTENS, 16, { 64 } },  /* ASK: cut, and too long */
    { STAND_LISTENS, 18, { 64 } },  /* */
    { STAND_LISTENS, 10, { 65 } },  /* OPEN: cut in the root, in the sketch; too long */
    { STAND_LISTENS, 100, { 65 } }, /* */
    { STAND_LISTENS, 1 + 16 + 1 + 512 + 1, { 65 } },
    { STAND_LISTENS, 1 + 16 + 1 + 512, { 66 } }, /* OPEN_FRESH without its salt */
    { STAND_LISTENS, 1, { 67 } },                /* out of turn: each kind */
    { STAND_LISTENS, 1, { 68 } },
    { STAND_LISTENS, 66, { 69 } },
    { STAND_LISTENS, 16, { 70, 0, 1 } },
    { STAND_LISTENS, 10, { 71, 65 } },
    { STAND_LISTENS, 1, { 72 } },
    { STAND_LISTENS, 3, { 73, 1, 1 } },
    { STAND_LISTENS, 6, { 74, 1 } },
    { STAND_LISTENS, 4, { 75 } },
    { STAND_LISTENS, 4, { 76, 1 } },
    { STAND_LISTENS, 1, { 77 } },
    { STAND_LISTENS, 9, { 78 } },
    { STAND_LISTENS, 1, { 79 } }, /* no such kinds */
    { STAND_LISTENS, 1, { 255 } },
    { STAND_LISTENS, 65, { 1 } },   /* an element before anything else */
    { STAND_OPENED, 2, { 67, 0 } }, /* words with something behind them */
    { STAND_OPENED, 2, { 68, 0 } },
    { STAND_OPENED, 2, { 69, 5 } }, /* ESTIMATE: cut, too long, too many */
    { STAND_OPENED, 67, { 69, 5 } },
    { STAND_OPENED, 70, { 69, 0xff, 0xff, 0xff, 0xff, 0x0f } },
    { STAND_OPENED, 16, { 70, 0, 1 } }, /* cells before an estimate */
    { STAND_OPENED, 17, { 64 } },       /* a question in the answer's place */
    { STAND_OPENED, 10, { 71, 65 } },
    { STAND_OPENED, 1, { 72 } },
    { STAND_OPENED, 1, { 73 } }, /* RANKS: none, cut, beyond the set */
    { STAND_OPENED, 3, { 73, 0, 0 } },
    { STAND_OPENED, 2, { 73, 1 } },
    { STAND_OPENED, 4, { 73, 1, 0xff, 0x7f } },
    { STAND_OPENED, 2, { 74, 0 } }, /* WANT: none, cut, not rising, too long */
    { STAND_OPENED, 5, { 74, 1 } },
    { STAND_OPENED, 10, { 74, 2, 9, 0, 0, 0, 8 } },
    { STAND_OPENED, 7, { 74, 1 } },
    { STAND_OPENED, 1, { 75 } }, /* GROUPS: cut, too deep, a stray nibble */
    { STAND_OPENED, 36, { 75, 64 } },
    { STAND_OPENED, 36, { 75, 65 } },
    { STAND_OPENED, 5, { 75, 1, 0x11 } },
    { STAND_OPENED, 2, { 75, 3 } },
    { STAND_OPENED, 6, { 75, 0, 1 } },
    { STAND_OPENED, 5, { 75, 0 } },
    { STAND_OPENED, 4, { 76, 1, 0, 0 } }, /* LIST out of turn */
    { STAND_OPENED, 2, { 77, 0 } },       /* END: a count of none, cut, too long */
    { STAND_OPENED, 5, { 77, 1 } },
    { STAND_OPENED, 11, { 77, 1 } },
    { STAND_OPENED, 8, { 78 } }, /* DONE: cut, too long */
    { STAND_OPENED, 10, { 78 } },
    { STAND_CELLS, 10, { 71, 64 } }, /* SUMS: too few, too many, cut, too long */
    { STAND_CELLS, 10, { 71, 0x81, 3 } },
    { STAND_CELLS, 9, { 71, 65 } },
    { STAND_CELLS, 11, { 71, 65 } },
    { STAND_CELLS, 16, { 70, 0, 1 } }, /* cells are ours to send */
    { STAND_CELLS, 66, { 69, 5 } },
    { STAND_SUMMED, 18, { 71, 66 } }, /* once is enough */
    { STAND_MANY, 66, { 69, 5 } },
    { STAND_MANY, 3, { 70, 0, 0 } }, /* cells: none, cut, with a gap, too many */
    { STAND_MANY, 15, { 70, 0, 1 } },
    { STAND_MANY, 17, { 70, 0, 1 } },
    { STAND_MANY, 16, { 70, 5, 1 } },
    { STAND_MANY, 20, { 70, 0, 0x81, 0x40 } },
    { STAND_MANY, 20, { 70, 0x80, 0x80, 0x20, 1 } },
    { STAND_MANY, 1, { 72 } },
};

static void each_wrong_message_ends_the_session(void **state)
{
    struct shape shape = { 2500, 150, 160, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        uint8_t bytes[600] = { 0 };
        struct test_side a, b, *us;

        test_side_open(&a, 3000, 500);
        test_side_open(&b, 3000, 500);
        fill(&a, &b, &shape, 1);
        bring_to(&a, &b, wrongs[i].stand);
        us = wrongs[i].stand == STAND_CELLS || wrongs[i].stand == STAND_SUMMED ? &b : &a;
        assert_int_equal(sync_state(us->sync), SYNC_RUNNING);
        memcpy(bytes, wrongs[i].bytes, sizeof(wrongs[i].bytes));
        if (sync_receive(us->sync, bytes, wrongs[i].size) == 0)
            fail_msg("wrong message %zu is taken", i);
        assert_int_equal(sync_state(us->sync), SYNC_FAILED);
        assert_int_equal(us->taken, 0);
        assert_int_equal(sync_receive(us->sync, bytes, 1), 0); /* over: nothing is looked at */
        test_side_close(&a);
        test_side_close(&b);
    }
}

/* The same message again and again: how many are taken before we hang up. */
static unsigned take_again(enum stand stand, const uint8_t *bytes, size_t size)
{
    struct shape shape = { 50, 1, 0, 0 };
    struct test_side a, b;
    unsigned taken = 0;

    test_side_open(&a, 1000, 200);
    test_side_open(&b, 1000, 200);
    fill(&a, &b, &shape, 1);
    bring_to(&a, &b, stand);
    while (taken < 1000 && sync_receive(a.sync, bytes, size) == 0)
        taken++;
    assert_int_equal(sync_state(a.sync), SYNC_FAILED);
    test_side_close(&a);
    test_side_close(&b);
    return taken;
}

static void what_costs_us_time_is_counted(void **state)
{
    static const uint8_t want[] = { 74, 1, 0, 0, 0, 0 }, ranks[] = { 73, 1, 0 };
    static const uint8_t element[] = { 1, 2, 3 }; /* the owner refuses it */
    static const uint8_t large[SYNC_MESSAGE_SIZE_MAX + 1] = { 1 };

    assert_int_equal(take_again(STAND_OPENED, want, sizeof(want)), SYNC_WANTS_MESSAGES_MORE);
    assert_true(take_again(STAND_OPENED, ranks, sizeof(ranks)) <= SYNC_WANTS_MESSAGES_MORE);
    assert_int_equal(take_again(STAND_OPENED, element, sizeof(element)), SYNC_REFUSALS_MAX);
    assert_int_equal(take_again(STAND_OPENED, large, sizeof(large)), 0);
}

/* In the turn of a peer that walks down the trie with us. */
static void wrong_lists_end_the_session(void **state)
{
    static const struct wrong lists[] = {
        { STAND_OPENED, 3, { 76, 0, 0 } },                                   /* of the root */
        { STAND_OPENED, 12, { 76, 1, 0x10, 1 } },                            /* an id of 0 */
        { STAND_OPENED, 11, { 76, 1, 0x10, 1, 5 } },                         /* cut */
        { STAND_OPENED, 4, { 76, 1, 0x10, 17 } },                            /* too many */
        { STAND_OPENED, 4, { 76, 1, 0x11, 0 } },                             /* a stray nibble */
        { STAND_OPENED, 20, { 76, 1, 0x10, 2, 5, 0, 0, 0, 0, 0, 0, 0, 5 } }, /* not rising */
        { STAND_OPENED, 3, { 76, 65, 0 } },                                  /* too deep */
        { STAND_OPENED, 1, { 72 } },
    };
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct shape shape = { 50, 300, 290, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct output o = output_make(bytes, sizeof(bytes));
        uint8_t message[24];
        struct test_side a, b;

        test_side_open(&a, 1000, 500);
        test_side_open(&b, 1000, 500);
        fill(&a, &b, &shape, 1);
        bring_to(&a, &b, STAND_MANY); /* a begins with the groups of the root */
        while (sync_send(a.sync, &o) == 1)
            o = output_make(bytes, sizeof(bytes));
        memcpy(message, lists[i].bytes, sizeof(message));
        assert_int_equal(sync_receive(a.sync, message, lists[i].size), -EBADMSG);
        assert_int_equal(sync_state(a.sync), SYNC_FAILED);
        test_side_close(&a);
        test_side_close(&b);
    }
}

/* A peer that ends turn after turn, so that we sort and look again and again. */
static void endless_turns_are_cut_short(void **state)
{
    static const uint8_t again[] = { 77, 1, 5, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t want[] = { 74, 1, 0, 0, 0, 0 };
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct shape shape = { 50, 1, 0, 0 };
    struct test_side a, b;
    unsigned turns = 0;

    test_side_open(&a, 1000, 200);
    test_side_open(&b, 1000, 200);
    fill(&a, &b, &shape, 1);
    sync_open(b.sync, test_salt, NULL);
    assert_int_equal(sync_send(b.sync, &o), 1);
    assert_int_equal(sync_receive(b.sync, want, sizeof(want)), 0);
    while (sync_receive(b.sync, again, sizeof(again)) == 0) {
        assert_true(++turns <= 1000);
        for (unsigned i = 0; i < 100; i++) {
            o = output_make(bytes, sizeof(bytes));
            if (sync_send(b.sync, &o) == 0)
                break;
        }
    }
    assert_int_equal(sync_state(b.sync), SYNC_FAILED);
    test_side_close(&a);
    test_side_close(&b);
}

static void greed_is_cut_short(void **state)
{
    static const uint8_t everything[] = { 75, 0, 0, 0 }; /* groups of the root: "I have nothing" */
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct shape shape = { 500, 0, 0, 0 };
    struct test_side a, b;
    unsigned asked = 0;
    int r = 0;

    test_side_open(&a, 1000, 200);
    test_side_open(&b, 1000, 200);
    fill(&a, &b, &shape, 1);
    sync_open(b.sync, test_salt, NULL);
    assert_int_equal(sync_send(b.sync, &o), 1);
    for (; r == 0; asked++)
        r = sync_receive(b.sync, everything, sizeof(everything));
    assert_true(asked < 6);
    assert_int_equal(sync_state(b.sync), SYNC_FAILED);
    test_side_close(&a);
    test_side_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_difference),
        cmocka_unit_test(equal_sets_say_one_word),
        cmocka_unit_test(the_cheapest_path_is_taken),
        cmocka_unit_test(a_collision_costs_time_only),
        cmocka_unit_test(a_question_costs_few_bytes),
        cmocka_unit_test(ranks_hold_while_a_set_changes),
        cmocka_unit_test(bytes_are_few),
        cmocka_unit_test(too_few_sums_are_said),
        cmocka_unit_test(a_fresh_salt_may_be_refused),
        cmocka_unit_test(delay_does_not_matter),
        cmocka_unit_test(small_capacities_make_progress),
        cmocka_unit_test(a_hostile_peer_ends_the_session),
        cmocka_unit_test(truncated_messages_end_the_session),
        cmocka_unit_test(some_are_given_first),
        cmocka_unit_test(each_wrong_message_ends_the_session),
        cmocka_unit_test(what_costs_us_time_is_counted),
        cmocka_unit_test(wrong_lists_end_the_session),
        cmocka_unit_test(endless_turns_are_cut_short),
        cmocka_unit_test(greed_is_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
