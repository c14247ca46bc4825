#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "org/leaf.h"
#include "org/org_test.h"

static const struct digest org = { { 0x0f } };

static bool admits_all_but_9(void *context, const uint8_t *node)
{
    struct test_key nine = test_key(9);

    return memcmp(node, nine.bytes, sizeof(nine.bytes)) != 0;
}

/* As if a second signature under the same statement held. */
static bool test_verify_any(void *context, const uint8_t *key, const void *message, size_t size,
                            const uint8_t *signature)
{
    return true;
}

static struct leaf_set *open_set(void)
{
    struct leaf_rules rules = { test_verify, admits_all_but_9, NULL };
    struct leaf_set *set;

    assert_int_equal(leaf_set_new(3, &rules, &org, &set), 0);
    return set;
}

/* A signed statement with one leaf "health" = value, and a second one when told. */
static size_t make(unsigned node, uint64_t instance, uint64_t seq, const char *value, bool second,
                   uint8_t bytes[static LEAF_SIZE_MAX])
{
    struct test_key key = test_key(node);
    uint8_t signature[LEAF_SIGNATURE_SIZE] = { 0 }, message[LEAF_MESSAGE_SIZE];
    struct leaf_statement s = { .node = key.bytes,
                                .signature = signature,
                                .instance = instance,
                                .seq = seq,
                                .stamp = 5,
                                .count = second ? 2 : 1 };
    size_t size;

    s.leaves[0] = (struct leaf_value){ .kind = 4,
                                       .key = (const uint8_t *)"health",
                                       .key_size = 6,
                                       .value = (const uint8_t *)value,
                                       .value_size = (uint32_t)strlen(value) };
    s.leaves[1] =
        (struct leaf_value){ .kind = 4, .key = (const uint8_t *)"healthy", .key_size = 7 };
    assert_int_equal(leaf_encode(&s, bytes, &size), 0);
    assert_int_equal(leaf_decode(bytes, size, &s), 0);
    leaf_message(&s, &org, message);
    test_sign(key.bytes, message, sizeof(message), bytes + size - LEAF_SIGNATURE_SIZE);
    return size;
}

static void check_value(struct leaf_set *set, uint32_t node, const char *value)
{
    struct leaf_value v;

    assert_int_equal(leaf_read(set, node, 4, "health", 6, &v), 0);
    assert_int_equal(v.value_size, strlen(value));
    assert_memory_equal(v.value, value, v.value_size);
    assert_int_equal(leaf_read(set, node, 5, "health", 6, &v), -ENOENT);
}

static void the_newest_statement_holds(void **state)
{
    uint8_t old[LEAF_SIZE_MAX], new[LEAF_SIZE_MAX], reborn[LEAF_SIZE_MAX];
    size_t old_size = make(1, 10, 4, "ok", true, old), new_size = make(1, 10, 5, "bad", false, new);
    size_t reborn_size = make(1, 11, 1, "again", false, reborn);
    struct leaf_set *set = open_set();
    struct digest before, after;
    uint32_t node;

    assert_int_equal(leaf_take(set, old, old_size, &node), LEAF_TOOK);
    before = leaf_digest(set, node);
    assert_int_equal(leaf_take(set, old, old_size, &node), LEAF_KNOWN);
    assert_int_equal(leaf_take(set, new, new_size, &node), LEAF_TOOK);
    after = leaf_digest(set, node);
    assert_memory_not_equal(&before, &after, sizeof(before));
    assert_int_equal(leaf_take(set, old, old_size, &node), LEAF_OLDER);
    check_value(set, node, "bad");
    assert_int_equal(leaf_take(set, reborn, reborn_size, &node), LEAF_TOOK);
    check_value(set, node, "again");
    assert_int_equal(leaf_find(set, leaf_node(set, node)), node);
    assert_int_equal(leaf_set_count(set), 1);
    (void)leaf_set_free(set);
}

static void strangers_forgers_and_crowds_are_refused(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX];
    size_t size = make(9, 1, 1, "x", false, bytes);
    struct leaf_set *set = open_set();
    uint32_t node;

    assert_int_equal(leaf_take(set, bytes, size, &node), LEAF_STRANGER);
    for (unsigned i = 1; i <= 4; i++) {
        size = make(i, 1, 1, "x", false, bytes);
        bytes[size - 1] ^= 1;
        assert_int_equal(leaf_take(set, bytes, size, &node), -EKEYREJECTED);
        bytes[size - 1] ^= 1;
        assert_int_equal(leaf_take(set, bytes, size, &node), i < 4 ? LEAF_TOOK : -ENOSPC);
    }
    assert_int_equal(leaf_set_count(set), 3);
    (void)leaf_set_free(set);
}

/* Whoever meets the two statements, in whatever order, or only their proof, ends alike. */
static void a_copied_key_voids_the_leaves(void **state)
{
    uint8_t left[LEAF_SIZE_MAX], right[LEAF_SIZE_MAX], later[LEAF_SIZE_MAX];
    size_t left_size = make(1, 10, 4, "left", false, left);
    size_t right_size = make(1, 10, 4, "right", false, right), proof_size;
    size_t later_size = make(1, 10, 9, "later", false, later);
    struct leaf_set *a = open_set(), *b = open_set(), *c = open_set();
    struct digest da, db, dc;
    struct leaf_value v;
    const uint8_t *proof;
    uint32_t node;

    assert_int_equal(leaf_take(a, left, left_size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(a, right, right_size, &node), LEAF_FORKED);
    assert_int_equal(leaf_take(b, right, right_size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(b, left, left_size, &node), LEAF_FORKED);
    proof = leaf_bytes(a, 0, &proof_size);
    assert_int_equal(leaf_take(c, later, later_size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(c, proof, proof_size, &node), LEAF_FORKED);
    assert_int_equal(leaf_take(c, proof, proof_size, &node), LEAF_KNOWN);
    assert_int_equal(leaf_take(a, later, later_size, &node), LEAF_OLDER);
    da = leaf_digest(a, 0);
    db = leaf_digest(b, 0);
    dc = leaf_digest(c, 0);
    assert_memory_equal(&da, &db, sizeof(da));
    assert_memory_equal(&da, &dc, sizeof(da));
    assert_int_equal(leaf_read(a, 0, 4, "health", 6, &v), -ENOENT);
    (void)leaf_set_free(a);
    (void)leaf_set_free(b);
    (void)leaf_set_free(c);
}

static void check_damage(const uint8_t *bytes, size_t size)
{
    struct leaf_set *set = open_set();
    uint8_t copy[LEAF_SIZE_MAX];
    uint32_t node;
    int r;

    for (size_t bit = 0; bit < 8 * size; bit++) {
        memcpy(copy, bytes, size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = leaf_take(set, copy, size, &node);
        assert_true(r == -EBADMSG || r == -EKEYREJECTED);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(leaf_take(set, bytes, cut, &node), -EBADMSG);
    memcpy(copy, bytes, size);
    copy[size] = 0;
    assert_int_equal(leaf_take(set, copy, size + 1, &node), -EBADMSG);
    assert_int_equal(leaf_set_count(set), 0);
    (void)leaf_set_free(set);
}

static void damage_is_refused(void **state)
{
    uint8_t left[LEAF_SIZE_MAX], right[LEAF_SIZE_MAX];
    size_t left_size = make(1, 10, 4, "left", true, left), proof_size;
    size_t right_size = make(1, 10, 4, "right", false, right);
    struct leaf_set *set = open_set();
    const uint8_t *proof;
    uint32_t node;

    check_damage(left, left_size);
    assert_int_equal(leaf_take(set, left, left_size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(set, right, right_size, &node), LEAF_FORKED);
    proof = leaf_bytes(set, 0, &proof_size);
    check_damage(proof, proof_size);
    (void)leaf_set_free(set);
}

/* Fixed values, so that another implementation can check itself. */
static void the_root_is_as_written_down(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX], signature[LEAF_SIGNATURE_SIZE] = { 0 };
    struct test_key key = test_key(1);
    struct leaf_statement s = { .node = key.bytes, .signature = signature, .seq = 1, .count = 1 };
    uint8_t message[LEAF_MESSAGE_SIZE];
    char text[2 * DIGEST_SIZE + 1];
    size_t size;

    s.leaves[0] = (struct leaf_value){ .kind = 4,
                                       .key = (const uint8_t *)"g1",
                                       .key_size = 2,
                                       .value = (const uint8_t *)"good",
                                       .value_size = 4 };
    assert_int_equal(leaf_encode(&s, bytes, &size), 0);
    assert_int_equal(leaf_decode(bytes, size, &s), 0);
    leaf_message(&s, &org, message);
    assert_memory_equal(message, "broch leaves 1", 15); /* the zero byte as well */
    assert_memory_equal(message + 15, org.bytes, DIGEST_SIZE);
    assert_memory_equal(message + LEAF_MESSAGE_SIZE - DIGEST_SIZE, s.root.bytes, DIGEST_SIZE);
    hex_encode(s.root.bytes, DIGEST_SIZE, text);
    assert_string_equal(text, "7c7e52cb9a01654ea423fdd50bf9ebf6a0910bb352db6da3b3741832d84f5250");
}

static void grammar_is_checked(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX], signature[LEAF_SIGNATURE_SIZE] = { 0 };
    static uint8_t large[LEAF_SIZE_MAX + 1];
    struct test_key key = test_key(1);
    struct leaf_statement s = { .node = key.bytes, .signature = signature, .seq = 1, .count = 2 };
    size_t size;

    s.leaves[0] = (struct leaf_value){ .kind = 4, .key = (const uint8_t *)"b", .key_size = 1 };
    s.leaves[1] = s.leaves[0];
    assert_int_equal(leaf_encode(&s, bytes, &size), -EINVAL);
    s.count = 1;
    assert_int_equal(leaf_encode(&s, bytes, &size), 0);
    s.leaves[0].value = large;
    s.leaves[0].value_size = LEAF_SIZE_MAX;
    assert_int_equal(leaf_encode(&s, bytes, &size), -E2BIG);
    s.leaves[0].key_size = 0;
    assert_int_equal(leaf_encode(&s, bytes, &size), -EINVAL);
    s.count = 0;
    s.seq = 0;
    assert_int_equal(leaf_encode(&s, bytes, &size), -EINVAL);
    s.seq = 1;
    s.count = LEAF_COUNT_MAX + 1;
    assert_int_equal(leaf_encode(&s, bytes, &size), -EINVAL);
    assert_int_equal(leaf_decode(large, sizeof(large), &s), -EBADMSG); /* not even looked at */
}

/* What is held already is no reason to believe the rest. */
static void a_known_node_has_to_sign(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX];
    size_t size = make(1, 10, 4, "ok", true, bytes);
    struct leaf_set *set = open_set();
    uint32_t node;

    assert_int_equal(leaf_take(set, bytes, size, &node), LEAF_TOOK);
    for (uint64_t seq = 4; seq <= 5; seq++) { /* at the same place, and after it */
        size = make(1, 10, seq, "forged", true, bytes);
        bytes[size - 1] ^= 1;
        assert_int_equal(leaf_take(set, bytes, size, &node), -EKEYREJECTED);
        check_value(set, node, "ok");
    }
    (void)leaf_set_free(set);
}

/* A signature has more than one form; the statement is the same. */
static void signed_twice_is_no_fork(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX], again[LEAF_SIZE_MAX];
    size_t size = make(1, 10, 4, "ok", false, bytes);
    struct leaf_rules rules = { test_verify_any, admits_all_but_9, NULL };
    struct leaf_set *set;
    uint32_t node;

    assert_int_equal(leaf_set_new(3, &rules, &org, &set), 0);
    memcpy(again, bytes, size);
    again[size - 1] ^= 1;
    assert_int_equal(leaf_take(set, bytes, size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(set, again, size, &node), LEAF_KNOWN);
    check_value(set, node, "ok");
    (void)leaf_set_free(set);
}

/* The same content at another time is another statement. */
static void another_stamp_is_a_fork(void **state)
{
    uint8_t bytes[LEAF_SIZE_MAX], later[LEAF_SIZE_MAX], message[LEAF_MESSAGE_SIZE];
    size_t size = make(1, 10, 4, "ok", false, bytes), later_size;
    struct test_key key = test_key(1);
    struct leaf_set *set = open_set();
    struct leaf_statement s;
    uint32_t node;

    assert_int_equal(leaf_decode(bytes, size, &s), 0);
    s.stamp++;
    assert_int_equal(leaf_encode(&s, later, &later_size), 0);
    assert_int_equal(leaf_decode(later, later_size, &s), 0);
    leaf_message(&s, &org, message);
    test_sign(key.bytes, message, sizeof(message), later + later_size - LEAF_SIGNATURE_SIZE);
    assert_int_equal(leaf_take(set, bytes, size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(set, later, later_size, &node), LEAF_FORKED);
    (void)leaf_set_free(set);
}

static void a_proof_needs_room_as_well(void **state)
{
    uint8_t left[LEAF_SIZE_MAX], right[LEAF_SIZE_MAX], other[LEAF_SIZE_MAX];
    size_t left_size = make(1, 10, 4, "left", false, left), proof_size, size;
    size_t right_size = make(1, 10, 4, "right", false, right);
    struct leaf_set *set = open_set(), *full = open_set();
    struct leaf_value v;
    const uint8_t *proof;
    uint32_t node;

    assert_int_equal(leaf_take(set, left, left_size, &node), LEAF_TOOK);
    assert_int_equal(leaf_take(set, right, right_size, &node), LEAF_FORKED);
    proof = leaf_bytes(set, 0, &proof_size);
    for (unsigned i = 2; i <= 4; i++) {
        size = make(i, 1, 1, "x", false, other);
        assert_int_equal(leaf_take(full, other, size, &node), LEAF_TOOK);
    }
    assert_int_equal(leaf_take(full, proof, proof_size, &node), -ENOSPC);
    /* By key and kind, and nothing that only looks like it. */
    assert_int_equal(leaf_read(full, 0, 4, "healti", 6, &v), -ENOENT);
    assert_int_equal(leaf_read(full, 0, 4, "healt", 5, &v), -ENOENT);
    (void)leaf_set_free(set);
    (void)leaf_set_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_statement_holds),
        cmocka_unit_test(strangers_forgers_and_crowds_are_refused),
        cmocka_unit_test(a_copied_key_voids_the_leaves),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(the_root_is_as_written_down),
        cmocka_unit_test(grammar_is_checked),
        cmocka_unit_test(a_known_node_has_to_sign),
        cmocka_unit_test(signed_twice_is_no_fork),
        cmocka_unit_test(another_stamp_is_a_fork),
        cmocka_unit_test(a_proof_needs_room_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
