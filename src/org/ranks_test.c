#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/ids.h"
#include "org/org_test.h"
#include "org/ranks.h"

enum { LIMIT = 4096, SIZE_MAX_ = 1 << 18 };

static uint8_t bytes[SIZE_MAX_];

static size_t write(const uint32_t *ranks, uint32_t count)
{
    struct output o = output_make(bytes, sizeof(bytes));

    ranks_write(&o, ranks, count);
    assert_true(output_fits(&o));
    return o.size;
}

static int read(size_t size, uint32_t below, uint32_t *ret, uint32_t *ret_count)
{
    struct cursor c = cursor_make(bytes, size);
    int r = ranks_read(&c, LIMIT, below, ret, ret_count);

    return r == 0 && !cursor_finished(&c) ? -EBADMSG : r;
}

/* `count` of the ranks below n, each set of them equally likely. */
static void draw(uint32_t *ranks, uint32_t count, uint32_t n, uint64_t *seed)
{
    uint32_t left = count, at = 0;

    for (uint32_t rank = 0; left > 0; rank++) {
        if (test_random(seed) % (n - rank) >= left)
            continue;
        ranks[at++] = rank;
        left--;
    }
}

static void what_is_written_is_read(void **state)
{
    static const uint32_t cases[][2] = { { 1, 1 },      { 1, 1000000 }, { 2, 2 },
                                         { 7, 100 },    { 100, 100 },   { 32, 1000000 },
                                         { 64, 14000 }, { 4096, 4097 }, { 4096, 1000000 } };
    static uint32_t ranks[LIMIT], again[LIMIT];
    uint64_t seed = 1;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t count;
        size_t size;

        draw(ranks, cases[i][0], cases[i][1], &seed);
        size = write(ranks, cases[i][0]);
        assert_int_equal(read(size, cases[i][1], again, &count), 0);
        assert_int_equal(count, cases[i][0]);
        assert_memory_equal(ranks, again, count * sizeof(ranks[0]));
        assert_int_equal(read(size, ranks[count - 1], again, &count), -EBADMSG);
    }
}

/* The size that figures stand on: 32 of a million in 70 bytes, 64 of 14,000 in 74. */
static void few_bits_name_them(void **state)
{
    static uint32_t ranks[LIMIT];
    uint64_t seed = 2;
    size_t sum = 0;

    for (unsigned round = 0; round < 20; round++) {
        draw(ranks, 32, 1000000, &seed);
        sum += write(ranks, 32);
    }
    assert_true(sum < 20 * 71);
    sum = 0;
    for (unsigned round = 0; round < 20; round++) {
        draw(ranks, 64, 14000, &seed);
        sum += write(ranks, 64);
    }
    assert_true(sum < 20 * 80);
}

/* Ranks 3, 5 and 12: k = 2; gaps 1 and 6 are 0 10 and 10 01, the lowest bit first. */
static void bytes_are_as_written_down(void **state)
{
    static const uint32_t ranks[] = { 3, 5, 12 };
    static const uint8_t expected[] = { 3, 3, 2, 0x4a };

    assert_int_equal(write(ranks, 3), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void one_form_only(void **state)
{
    static const uint8_t bad[][8] = {
        { 4, 0, 0, 0 },             /* none */
        { 4, 3, 3, 3, 0x4a },       /* another k than the one that is best */
        { 4, 3, 3, 2, 0xca },       /* a bit that means nothing */
        { 5, 3, 3, 2, 0x4a, 0 },    /* a byte too many */
        { 4, 3, 3, 40, 0 },         /* no such k */
        { 3, 3, 3, 2 },             /* no bits at all */
        { 5, 3, 3, 2, 0xff, 0xff }, /* a gap without end */
        { 3, 0x83, 0, 3 },          /* a longer form of a number */
        { 2, 1, 20 },               /* a rank that there is not */
    };
    uint32_t ranks[LIMIT], count;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        memcpy(bytes, bad[i] + 1, bad[i][0]);
        assert_int_equal(read(bad[i][0], 20, ranks, &count), -EBADMSG);
    }
    memcpy(bytes, (const uint8_t[]){ 3, 3, 2, 0x4a }, 4);
    assert_int_equal(read(4, 13, ranks, &count), 0);
    assert_int_equal(read(4, 12, ranks, &count), -EBADMSG);
    for (size_t cut = 0; cut < 4; cut++)
        assert_int_equal(read(cut, 13, ranks, &count), -EBADMSG);
}

/* Every bit of a sample is flipped: what is still taken is again what would have been written. */
static void damage_is_seen_or_is_another_set(void **state)
{
    static uint32_t ranks[LIMIT], again[LIMIT];
    static uint8_t kept[SIZE_MAX_];
    uint64_t seed = 3;
    uint32_t count;
    size_t size;

    draw(ranks, 40, 3000, &seed);
    size = write(ranks, 40);
    memcpy(kept, bytes, size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        memcpy(bytes, kept, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (read(size, 3000, again, &count) < 0)
            continue;
        for (uint32_t i = 1; i < count; i++)
            assert_true(again[i - 1] < again[i] && again[i] < 3000);
        kept[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(write(again, count), size);
        assert_memory_equal(bytes, kept, size);
        kept[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void rubbish_comes_to_an_end(void **state)
{
    static uint32_t ranks[LIMIT];
    uint64_t seed = 4;

    for (unsigned round = 0; round < 20000; round++) {
        size_t size = test_random(&seed) % 60;
        uint32_t count;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)test_random(&seed);
        assert_true(read(size, 1 + (uint32_t)(test_random(&seed) % 5000), ranks, &count) <= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(few_bits_name_them),
        cmocka_unit_test(bytes_are_as_written_down),
        cmocka_unit_test(one_form_only),
        cmocka_unit_test(damage_is_seen_or_is_another_set),
        cmocka_unit_test(rubbish_comes_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
