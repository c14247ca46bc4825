#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "base/output.h"
#include "org/merkle.h"
#include "org/org_test.h"

struct element {
    struct digest key, value;
};

static struct element element(uint64_t number, uint64_t version)
{
    uint64_t both[2] = { number, version };

    return (struct element){ digest_bytes(&number, sizeof(number)),
                             digest_bytes(both, sizeof(both)) };
}

/* The definition in merkle.h, word for word, over a list: no trie anywhere. */
static struct digest naive(const struct element *list, size_t count, unsigned depth)
{
    static const char domain[] = "broch trie 1";
    struct element group[16][64];
    uint8_t bytes[600];
    struct output o = output_make(bytes, sizeof(bytes));
    size_t sizes[16] = { 0 };
    uint16_t which = 0;
    unsigned used = 0;

    if (count == 0)
        return (struct digest){ { 0 } };
    if (count == 1)
        return list[0].value;
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = list[i].key.bytes[depth / 2];
        unsigned g = depth % 2 ? byte & 15 : byte >> 4;

        group[g][sizes[g]++] = list[i];
    }
    for (unsigned g = 0; g < 16; g++) {
        used += sizes[g] > 0;
        which |= (uint16_t)((sizes[g] > 0) << g);
    }
    if (used == 1)
        return naive(list, count, depth + 1);
    output_copy(&o, domain, sizeof(domain));
    output_le16(&o, which);
    for (unsigned g = 0; g < 16; g++) {
        if (sizes[g] > 0)
            output_copy(&o, naive(group[g], sizes[g], depth + 1).bytes, DIGEST_SIZE);
    }
    return digest_bytes(bytes, o.size);
}

static void put(struct merkle *m, struct element e)
{
    assert_true(merkle_put(m, &e.key, &e.value, NULL) >= 0);
}

static void the_root_is_as_defined(void **state)
{
    struct element list[64];
    struct merkle *m;

    assert_int_equal(merkle_new(64, &m), 0);
    for (size_t count = 0; count <= 64; count++) {
        struct digest root = merkle_root(m), expected = naive(list, count, 0);

        assert_memory_equal(&root, &expected, sizeof(root));
        if (count < 64) {
            list[count] = element(count, 1);
            put(m, list[count]);
        }
    }
    (void)merkle_free(m);
}

/* Long common prefixes, as nobody's hashes have them: shapes that random keys never make. */
static void deep_keys_are_as_defined(void **state)
{
    struct element list[40];
    uint64_t seed = 5;
    struct merkle *m;

    for (unsigned round = 0; round < 50; round++) {
        assert_int_equal(merkle_new(40, &m), 0);
        for (size_t i = 0; i < 40; i++) {
            struct digest root, expected;
            bool again = false;

            list[i] = element(i, round);
            memset(list[i].key.bytes, 0, DIGEST_SIZE);
            for (unsigned k = 0; k < 3; k++)
                list[i].key.bytes[test_random(&seed) % 32] ^=
                    (uint8_t)(1u << test_random(&seed) % 8);
            for (size_t k = 0; k < i; k++)
                again |= memcmp(&list[k].key, &list[i].key, DIGEST_SIZE) == 0;
            if (again) {
                i--;
                continue;
            }
            put(m, list[i]);
            root = merkle_root(m);
            expected = naive(list, i + 1, 0);
            assert_memory_equal(&root, &expected, sizeof(root));
        }
        (void)merkle_free(m);
    }
}

/* Whatever was written, replaced and deleted on the way: the content alone makes the root. */
static void history_leaves_no_trace(void **state)
{
    enum { KEYS = 200 };
    uint64_t seed = 11, versions[KEYS] = { 0 };
    struct digest zero = { { 0 } }, one, two;
    struct merkle *m, *fresh;

    assert_int_equal(merkle_new(KEYS, &m), 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t number = test_random(&seed) % KEYS;

        if (test_random(&seed) % 2) {
            struct element e = element(number, versions[number] = 1 + test_random(&seed) % 3);

            put(m, e);
        } else {
            struct element e = element(number, 0);

            assert_int_equal(merkle_delete(m, &e.key), versions[number] != 0);
            versions[number] = 0;
        }
        if (i % 500 != 0)
            continue;
        assert_int_equal(merkle_new(KEYS, &fresh), 0);
        for (uint64_t k = KEYS; k-- > 0;) {
            if (versions[k] != 0)
                put(fresh, element(k, versions[k]));
        }
        one = merkle_root(m);
        two = merkle_root(fresh);
        assert_memory_equal(&one, &two, sizeof(one));
        assert_int_equal(merkle_count(m), merkle_count(fresh));
        (void)merkle_free(fresh);
    }
    for (uint64_t k = 0; k < KEYS; k++) {
        struct element e = element(k, 0);

        (void)merkle_delete(m, &e.key); /* most of them are gone already */
    }
    one = merkle_root(m);
    assert_memory_equal(&one, &zero, sizeof(one));
    (void)merkle_free(m);
}

/* Fixed values, so that another implementation can check itself. */
static void two_elements_are_as_written_down(void **state)
{
    struct element one = { { { 0x1f } }, { { 0 } } }, two = { { { 0x20 } }, { { 0 } } };
    char text[2 * DIGEST_SIZE + 1];
    struct merkle *m;

    memset(one.value.bytes, 0xaa, DIGEST_SIZE);
    memset(two.value.bytes, 0xbb, DIGEST_SIZE);
    assert_int_equal(merkle_new(2, &m), 0);
    put(m, two);
    put(m, one);
    hex_encode(merkle_root(m).bytes, DIGEST_SIZE, text);
    assert_string_equal(text, "ae43a7f6c9661e653a4ccd57385f0821c51ecf5382a715823fe8b4956e74ca24");
    (void)merkle_free(m);
}

static void finding_and_listing(void **state)
{
    enum { COUNT = 500 };
    struct merkle_group groups[MERKLE_FAN_OUT];
    uint32_t slots[COUNT], slot, sum = 0;
    struct element e = element(77, 1), absent = element(100000, 1);
    struct digest prefix;
    struct merkle *m;

    assert_int_equal(merkle_new(COUNT, &m), 0);
    assert_int_equal(merkle_find(m, &e.key), MERKLE_NONE);
    for (uint64_t i = 0; i < COUNT; i++)
        put(m, element(i, 1));
    assert_int_equal(merkle_put(m, &absent.key, &absent.value, NULL), -ENOSPC);
    slot = merkle_find(m, &e.key);
    assert_memory_equal(merkle_value(m, slot), &e.value, DIGEST_SIZE);
    assert_int_equal(merkle_find(m, &absent.key), MERKLE_NONE);
    assert_int_equal(merkle_list(m, &e.key, 0, slots, COUNT), COUNT);
    for (uint32_t i = 1; i < COUNT; i++)
        assert_true(memcmp(merkle_key(m, slots[i - 1]), merkle_key(m, slots[i]), 32) < 0);
    assert_int_equal(merkle_groups(m, &e.key, 0, groups), COUNT);
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        memset(&prefix, 0, sizeof(prefix));
        prefix.bytes[0] = (uint8_t)(g << 4);
        assert_int_equal(merkle_list(m, &prefix, 1, slots, 3), groups[g].count);
        sum += groups[g].count;
    }
    assert_int_equal(sum, COUNT);
    assert_int_equal(merkle_groups(m, &e.key, 63, groups), 1);
    assert_int_equal(merkle_groups(m, &absent.key, 40, groups), 0);
    (void)merkle_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_as_defined),
        cmocka_unit_test(deep_keys_are_as_defined),
        cmocka_unit_test(history_leaves_no_trace),
        cmocka_unit_test(two_elements_are_as_written_down),
        cmocka_unit_test(finding_and_listing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
