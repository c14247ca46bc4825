#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "org/digest.h"
#include "org/entry.h"

static const uint8_t author_a[ENTRY_AUTHOR_SIZE] = { 0xa }, author_b[ENTRY_AUTHOR_SIZE] = { 0xb };

static struct entry sample(void)
{
    struct entry e = {
        .operation = ENTRY_SET,
        .kind = 9,
        .stamp = 0x0102030405060708ull,
        .key = (const uint8_t *)"web",
        .key_size = 3,
        .field = 300,
        .value = (const uint8_t *)"on",
        .value_size = 2,
        .extension = (const uint8_t *)"later",
        .extension_size = 5,
        .context_count = 3,
    };

    e.context[0] = (struct entry_seen){ author_a, 7, 1 };
    e.context[1] = (struct entry_seen){ author_a, 8, 200 };
    e.context[2] = (struct entry_seen){ author_b, 1, UINT64_MAX };
    return e;
}

static void encodes_as_written_down(void **state)
{
    static const char golden[] = "0101" /* version, set */
                                 "0900" /* kind */
                                 "0807060504030201"
                                 "03776562" /* key */
                                 "ac02"     /* field 300 */
                                 "01"
                                 "0a00000000000000000000000000000000000000000000000000000000000000"
                                 "0700000000000000"
                                 "05"
                                 "026f6e"
                                 "00";
    uint8_t bytes[ENTRY_SIZE_MAX];
    char text[2 * sizeof(golden)];
    struct entry e = sample();
    size_t size;

    e.context_count = 1;
    e.context[0].seq = 5;
    e.extension_size = 0;
    assert_int_equal(entry_encode(&e, bytes, &size), 0);
    hex_encode(bytes, size, text);
    assert_string_equal(text, golden);
}

static void comes_back_as_it_went(void **state)
{
    uint8_t bytes[ENTRY_SIZE_MAX], again[ENTRY_SIZE_MAX];
    struct entry e = sample(), d;
    size_t size, size_again;

    assert_int_equal(entry_encode(&e, bytes, &size), 0);
    assert_int_equal(entry_decode(bytes, size, &d), 0);
    assert_int_equal(d.kind, 9);
    assert_int_equal(d.field, 300);
    assert_int_equal(d.context_count, 3);
    assert_true(d.context[2].seq == UINT64_MAX);
    assert_memory_equal(d.extension, "later", 5);
    assert_int_equal(entry_encode(&d, again, &size_again), 0);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, again, size);
}

static void truncated_and_longer_are_refused(void **state)
{
    uint8_t bytes[ENTRY_SIZE_MAX];
    struct entry e = sample(), d;
    size_t size;

    assert_int_equal(entry_encode(&e, bytes, &size), 0);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(entry_decode(bytes, cut, &d), -EBADMSG);
    bytes[size] = 0;
    assert_int_equal(entry_decode(bytes, size + 1, &d), -EBADMSG);
}

/* A flipped bit is either refused or another entry with its own, identical encoding. */
static void every_flipped_bit_is_canonical_or_refused(void **state)
{
    uint8_t bytes[ENTRY_SIZE_MAX], again[ENTRY_SIZE_MAX];
    struct entry e = sample(), d;
    size_t size, size_again, refused = 0;

    assert_int_equal(entry_encode(&e, bytes, &size), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (entry_decode(bytes, size, &d) == 0) {
            assert_int_equal(entry_encode(&d, again, &size_again), 0);
            assert_int_equal(size_again, size);
            assert_memory_equal(bytes, again, size);
        } else {
            refused++;
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refused >= 50);
}

static void shapes_are_checked(void **state)
{
    uint8_t bytes[ENTRY_SIZE_MAX];
    struct entry e = sample();
    size_t size;

    e.context[1].seq = 0;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e = sample();
    e.context[1].instance = 7; /* twice the same chain */
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e = sample();
    e.key_size = 0;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e = sample();
    e.operation = ENTRY_DELETE;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.field = 0;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.value_size = 0;
    assert_int_equal(entry_encode(&e, bytes, &size), 0);
    e.field = 1;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.field = ENTRY_FIELD_MAX + 1;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.field = 0;
    e.context_count = ENTRY_CONTEXT_MAX + 1;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.context_count = 0;
    e.operation = ENTRY_RAISE;
    assert_int_equal(entry_encode(&e, bytes, &size), -EINVAL);
    e.operation = 200; /* a later version's: no shape is known */
    assert_int_equal(entry_encode(&e, bytes, &size), 0);
}

static void too_large_is_said(void **state)
{
    static uint8_t value[ENTRY_SIZE_MAX];
    uint8_t bytes[ENTRY_SIZE_MAX];
    struct entry e = sample();
    size_t size;

    e.value = value;
    e.value_size = sizeof(value);
    assert_int_equal(entry_encode(&e, bytes, &size), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_as_written_down),
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(truncated_and_longer_are_refused),
        cmocka_unit_test(every_flipped_bit_is_canonical_or_refused),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(too_large_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
