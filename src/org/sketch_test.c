#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/ids.h"
#include "org/org_test.h"
#include "org/sketch.h"

static bool contains(const uint64_t *numbers, int count, uint64_t number)
{
    for (int i = 0; i < count; i++) {
        if (numbers[i] == number)
            return true;
    }
    return false;
}

/* Random sets of every size that fits, decoded with both multiplications. */
static void check_size(unsigned size, const struct gf64 *field, uint64_t *seed)
{
    uint64_t numbers[SKETCH_CAPACITY], found[SKETCH_CAPACITY];
    struct sketch s = { { 0 } };
    int count;

    for (unsigned i = 0; i < size; i++) {
        numbers[i] = test_random(seed);
        sketch_toggle(&s, field, numbers[i]);
    }
    count = sketch_decode(s.sums, SKETCH_CAPACITY, field, found);
    assert_int_equal(count, size);
    for (unsigned i = 0; i < size; i++) {
        assert_true(contains(found, count, numbers[i]));
        assert_true(i == 0 || found[i - 1] < found[i]);
    }
}

static void every_size_up_to_the_capacity(void **state)
{
    uint64_t seed = 1;

    for (unsigned size = 0; size <= SKETCH_CAPACITY; size++) {
        for (unsigned round = 0; round < 3; round++)
            check_size(size, gf64_best(), &seed);
    }
    check_size(1, &gf64_portable, &seed);
    check_size(33, &gf64_portable, &seed);
    check_size(SKETCH_CAPACITY, &gf64_portable, &seed);
}

static void small_and_regular_numbers(void **state)
{
    uint64_t found[SKETCH_CAPACITY];
    struct sketch s = { { 0 } };

    for (uint64_t i = 1; i <= SKETCH_CAPACITY; i++)
        sketch_toggle(&s, gf64_best(), i);
    assert_int_equal(sketch_decode(s.sums, SKETCH_CAPACITY, gf64_best(), found), SKETCH_CAPACITY);
    for (uint64_t i = 0; i < SKETCH_CAPACITY; i++)
        assert_true(found[i] == i + 1);
    memset(&s, 0, sizeof(s));
    for (unsigned i = 0; i < SKETCH_CAPACITY; i++)
        sketch_toggle(&s, gf64_best(), 1ull << i);
    assert_int_equal(sketch_decode(s.sums, SKETCH_CAPACITY, gf64_best(), found), SKETCH_CAPACITY);
}

/* Fixed values, so that another implementation can check itself. */
static void sums_are_as_written_down(void **state)
{
    struct sketch s = { { 0 } };

    sketch_toggle(&s, gf64_best(), 2);
    sketch_toggle(&s, gf64_best(), 1ull << 63);
    sketch_toggle(&s, gf64_best(), 0x0123456789abcdefull);
    assert_true(s.sums[0] == 0x8123456789abcdedull);
    assert_true(s.sums[1] == 0x7b5dd622259e607cull);
    assert_true(s.sums[63] == 0xe5f8890e76c45493ull);
}

static void too_many_is_said(void **state)
{
    uint64_t seed = 9, found[SKETCH_CAPACITY];
    struct sketch s = { { 0 } };

    for (unsigned i = 0; i < 400; i++) {
        sketch_toggle(&s, gf64_best(), test_random(&seed));
        if (i >= SKETCH_CAPACITY)
            assert_int_equal(sketch_decode(s.sums, SKETCH_CAPACITY, gf64_best(), found), -ERANGE);
    }
}

static void rubbish_is_refused_in_bounded_time(void **state)
{
    uint64_t seed = 10, found[SKETCH_CAPACITY];

    for (unsigned i = 0; i < 300; i++) {
        struct sketch s = { { 0 } };
        unsigned filled = 1 + (unsigned)(test_random(&seed) % SKETCH_CAPACITY);

        for (unsigned k = 0; k < filled; k++)
            s.sums[test_random(&seed) % SKETCH_CAPACITY] = test_random(&seed);
        /* It must come back; any verdict is true. */
        assert_true(sketch_decode(s.sums, SKETCH_CAPACITY, gf64_best(), found) <= SKETCH_CAPACITY);
    }
}

/* Only what the two sets do not share is left, and both multiplications see the same. */
static void the_difference_of_two_sets(void **state)
{
    uint64_t seed = 12, found[SKETCH_CAPACITY], again[SKETCH_CAPACITY], left = 0, right = 0;
    struct sketch a = { { 0 } }, b = { { 0 } };
    uint8_t bytes[SKETCH_SIZE];
    struct output o = output_make(bytes, sizeof(bytes));
    struct cursor c = cursor_make(bytes, sizeof(bytes));

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t number = test_random(&seed);

        if (i % 50 != 0)
            sketch_toggle(&a, gf64_best(), left = number);
        if (i % 70 != 0)
            sketch_toggle(&b, &gf64_portable, right = number);
    }
    assert_true(left == right);
    sketch_write(&b, &o);
    sketch_read(&c, &b);
    assert_true(cursor_finished(&c));
    sketch_combine(&a, &b);
    assert_int_equal(sketch_decode(a.sums, SKETCH_CAPACITY, gf64_best(), found), 20 + 15 - 2 * 3);
    assert_int_equal(sketch_decode(a.sums, SKETCH_CAPACITY, &gf64_portable, again),
                     20 + 15 - 2 * 3);
    assert_memory_equal(found, again, 29 * sizeof(found[0]));
}

/* With more sums, found one after the other, larger sets are found: incrementally kept sums and
 * those that are worked out at once are the same. */
static void more_sums_find_more(void **state)
{
    static const unsigned sizes[] = { 1, 64, 65, 100, 191, 383, 384, 385 };
    uint64_t numbers[SKETCH_MORE_MAX + 1], found[SKETCH_MORE_MAX], sums[SKETCH_MORE_MAX], seed = 3;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct sketch s = { { 0 } };
        unsigned capacity = sizes[i] < SKETCH_MORE_MAX ? sizes[i] + sizes[i] % 2 : SKETCH_MORE_MAX;

        capacity = capacity < SKETCH_CAPACITY ? SKETCH_CAPACITY : capacity;
        for (unsigned k = 0; k < sizes[i]; k++)
            sketch_toggle(&s, gf64_best(), numbers[k] = test_random(&seed));
        memset(sums, 0, sizeof(sums));
        memcpy(sums, s.sums, sizeof(s.sums));
        if (capacity > SKETCH_CAPACITY)
            gf64_best()->power_sums(sums + SKETCH_CAPACITY, SKETCH_CAPACITY, capacity, numbers,
                                    sizes[i]);
        if (sizes[i] > capacity) {
            assert_int_equal(sketch_decode(sums, capacity, gf64_best(), found), -ERANGE);
            continue;
        }
        assert_int_equal(sketch_decode(sums, capacity, gf64_best(), found), sizes[i]);
        ids_sort(numbers, sizes[i]);
        assert_memory_equal(found, numbers, sizes[i] * sizeof(found[0]));
        if (sizes[i] > 1) {
            int fewer = sketch_decode(sums, sizes[i] - 1, gf64_best(), found);

            assert_int_equal(fewer, -ERANGE);
        }
    }
}

/* Sums in parts, with free places among the numbers. */
static void sums_come_in_parts(void **state)
{
    uint64_t numbers[50], whole[SKETCH_MORE_MAX] = { 0 }, parts[SKETCH_MORE_MAX] = { 0 }, seed = 4;
    const struct gf64 *best = gf64_best();
    struct sketch s = { { 0 } };

    for (unsigned i = 0; i < 50; i++) {
        numbers[i] = i % 7 == 0 ? 0 : test_random(&seed);
        if (numbers[i] != 0)
            sketch_toggle(&s, best, numbers[i]);
    }
    best->power_sums(whole, 0, SKETCH_MORE_MAX, numbers, 50);
    gf64_portable.power_sums(parts, 0, 64, numbers, 50);
    gf64_portable.power_sums(parts + 64, 64, 65, numbers, 50);
    gf64_portable.power_sums(parts + 65, 65, SKETCH_MORE_MAX, numbers, 50);
    assert_memory_equal(whole, parts, sizeof(whole));
    assert_memory_equal(whole, s.sums, sizeof(s.sums));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_up_to_the_capacity),
        cmocka_unit_test(small_and_regular_numbers),
        cmocka_unit_test(sums_are_as_written_down),
        cmocka_unit_test(too_many_is_said),
        cmocka_unit_test(rubbish_is_refused_in_bounded_time),
        cmocka_unit_test(the_difference_of_two_sets),
        cmocka_unit_test(more_sums_find_more),
        cmocka_unit_test(sums_come_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
