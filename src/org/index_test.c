#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/index.h"
#include "org/org_test.h"

static const uint8_t salt[DIGEST_SALT_SIZE] = { 7 };

static struct digest number(uint64_t n)
{
    return digest_bytes(&n, sizeof(n));
}

/* Trie, ids and sketch stay one, whatever is written, replaced and deleted. */
static void the_parts_agree(void **state)
{
    enum { KEYS = 60 };
    uint64_t seed = 3;
    struct index *index;

    assert_int_equal(index_new(KEYS, salt, &index), 0);
    for (unsigned i = 0; i < 3000; i++) {
        struct digest key = number(test_random(&seed) % KEYS);
        struct digest value = number(1000 + test_random(&seed) % 100);
        struct sketch sketch = { { 0 } };
        uint32_t count = 0;

        if (test_random(&seed) % 3)
            assert_true(index_put(index, &key, &value) >= 0);
        else
            (void)index_delete(index, &key); /* it may not be there */
        for (uint32_t slot = 0; slot < index_slots(index); slot++) {
            uint64_t id = index_id(index, slot);

            if (id == 0)
                continue;
            assert_true(id == index_short_id(salt, merkle_value(index_trie(index), slot)));
            sketch_toggle(&sketch, gf64_best(), id);
            count++;
        }
        assert_int_equal(count, index_count(index));
        assert_memory_equal(&sketch, index_sketch(index), sizeof(sketch));
    }
    assert_true(index_id(index, KEYS + 5) == 0);
    (void)index_free(index);
}

static void capacity_is_said(void **state)
{
    struct digest a = number(1), b = number(2), root;
    struct index *index;

    assert_int_equal(index_new(1, salt, &index), 0);
    assert_int_equal(index_put(index, &a, &b), 1);
    assert_int_equal(index_put(index, &b, &a), -ENOSPC);
    root = index_root(index);
    assert_memory_equal(&root, &b, sizeof(root));
    (void)index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_agree),
        cmocka_unit_test(capacity_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
