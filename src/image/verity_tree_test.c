#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "image/verity_tree.h"
#include "trust/digest.h"

enum { BLOCK = SUPERBLOCK_BLOCK_SIZE, DATA = 130, LEVEL_0 = 2, LEVEL_1 = 1 };
enum { AT_LEVEL_1 = DATA + 1, AT_LEVEL_0 = AT_LEVEL_1 + LEVEL_1, BLOCKS = AT_LEVEL_0 + LEVEL_0 };

static uint8_t image[BLOCKS * BLOCK];
static uint8_t root[DIGEST_SIZE];
static const struct superblock superblock = { .data_blocks = DATA, .salt_size = 4, .salt = "salt" };

static void hash_into(size_t block, uint8_t *to)
{
    const struct digest d = digest_two("salt", 4, image + block * BLOCK, BLOCK);

    memcpy(to, d.bytes, DIGEST_SIZE);
}

/* By the page of the kernel, each level from the one below. */
static void make(void)
{
    memset(image, 0, sizeof(image));
    for (size_t i = 0; i < DATA; i++)
        memset(image + i * BLOCK, (int)i, BLOCK);
    for (size_t i = 0; i < DATA; i++)
        hash_into(i, image + AT_LEVEL_0 * BLOCK + i * DIGEST_SIZE);
    for (size_t i = 0; i < LEVEL_0; i++)
        hash_into(AT_LEVEL_0 + i, image + AT_LEVEL_1 * BLOCK + i * DIGEST_SIZE);
    hash_into(AT_LEVEL_1, root);
}

static int check(size_t size, struct failure *f)
{
    return verity_tree_check((struct span){ image, size }, &superblock, root, f);
}

static void test_whole(void **state)
{
    struct failure f = FAILURE_NONE;

    make();
    assert_int_equal(check(sizeof(image), &f), 0);
    root[0] ^= 1;
    assert_true(check(sizeof(image), &f) < 0);
    assert_non_null(strstr(f.text, "root hash"));
}

static void test_one_bit(void **state)
{
    static const struct {
        size_t block, byte;
        const char *words;
    } cases[] = {
        { 0, 0, "block 0 does" },
        { 129, BLOCK - 1, "block 129 does" },
        { DATA, SUPERBLOCK_SIZE, "follows the superblock" },
        { AT_LEVEL_1, 0, "root hash" },
        { AT_LEVEL_1, BLOCK - 1, "root hash" }, /* the padding counts */
        { AT_LEVEL_0, 5, "hash tree 0" },
        { AT_LEVEL_0 + 1, BLOCK - 1, "hash tree 1" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;

        make();
        image[cases[i].block * BLOCK + cases[i].byte] ^= 1;
        assert_true(check(sizeof(image), &f) < 0);
        assert_int_equal(f.code, CODE_ARTIFACT_BAD);
        assert_non_null(strstr(f.text, cases[i].words));
    }
}

static void test_size(void **state)
{
    struct failure f = FAILURE_NONE;

    make();
    assert_true(check(sizeof(image) - BLOCK, &f) < 0);
    assert_true(check(sizeof(image) - 1, &f) < 0);
    assert_true(check(0, &f) < 0);
}

/* One block has no tree. */
static void test_one_block(void **state)
{
    static const struct superblock one = { .data_blocks = 1, .salt_size = 4, .salt = "salt" };
    struct failure f = FAILURE_NONE;

    make();
    memset(image + BLOCK, 0, BLOCK); /* the superblock's */
    hash_into(0, root);
    assert_int_equal(verity_tree_check((struct span){ image, 2 * BLOCK }, &one, root, &f), 0);
    image[7] ^= 1;
    assert_true(verity_tree_check((struct span){ image, 2 * BLOCK }, &one, root, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_one_bit),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_one_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
