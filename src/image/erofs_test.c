#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/line.h"
#include "image/erofs.h"

/* An image made by hand: blocks of 512 bytes; the superblock in block 2, inodes from block 4 on.
 *
 *     0   root, a folder, its one block inside of the inode's tail: "." "a" "dir" "link"
 *     8   a, a file of one whole block (block 6) and five bytes behind the inode
 *     16  dir, a folder with "b"
 *     24  b, an empty file
 *     28  link -> a */
enum {
    BLOCK = 512,
    SUPER = 1024,
    INODES = 4 * BLOCK,
    ROOT = 0,
    FILE_A = 8,
    FOLDER = 16,
    FILE_B = 24,
    LINK = 28,
    CONTENT_BLOCK = 7,
    IMAGE_SIZE = 8 * BLOCK,
};

static void put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint8_t *put_inode(uint8_t *image, unsigned number, unsigned layout, unsigned mode,
                          uint32_t size, uint32_t block)
{
    uint8_t *at = image + INODES + (size_t)number * 32;

    put(at, layout << 1, 2);
    put(at + 4, mode, 2);
    put(at + 8, size, 4);
    put(at + 16, block, 4);
    put(at + 24, 3, 2);
    put(at + 26, 4, 2);
    return at + 32;
}

struct name {
    unsigned inode;
    const char *name;
};

static uint32_t put_names(uint8_t *at, const struct name *names, size_t count)
{
    size_t end = count * 12;

    for (size_t i = 0; i < count; i++) {
        put(at + i * 12, names[i].inode, 8);
        put(at + i * 12 + 8, end, 2);
        memcpy(at + end, names[i].name, strlen(names[i].name));
        end += strlen(names[i].name);
    }
    return (uint32_t)end;
}

static void make(uint8_t image[static IMAGE_SIZE])
{
    static const struct name root[] = {
        { ROOT, "." }, { FILE_A, "a" }, { FOLDER, "dir" }, { LINK, "link" }
    };
    static const struct name folder[] = { { ROOT, ".." }, { FILE_B, "b" } };
    uint8_t names[BLOCK] = { 0 };
    uint32_t size;

    memset(image, 0, IMAGE_SIZE);
    put(image + SUPER, 0xe0f5e1e2, 4);
    image[SUPER + 12] = 9;
    put(image + SUPER + 14, ROOT, 2);
    put(image + SUPER + 40, INODES / BLOCK, 4);
    size = put_names(names, root, 4);
    memcpy(put_inode(image, ROOT, 2, S_IFDIR | 0755, size, 0), names, size);
    memcpy(put_inode(image, FILE_A, 2, S_IFREG | 0644, BLOCK + 5, CONTENT_BLOCK), "12345", 5);
    memset(image + CONTENT_BLOCK * BLOCK, 'x', BLOCK);
    memset(names, 0, sizeof(names));
    size = put_names(names, folder, 2);
    memcpy(put_inode(image, FOLDER, 2, S_IFDIR | 0755, size, 0), names, size);
    (void)put_inode(image, FILE_B, 0, S_IFREG | 0600, 0, 0);
    memcpy(put_inode(image, LINK, 2, S_IFLNK | 0777, 1, 0), "a", 1);
}

static int note(const struct erofs_entry *entry, void *context)
{
    line_addf(context, "%s:%o:%llu;", entry->path, (unsigned)entry->mode,
              (unsigned long long)erofs_size(entry));
    assert_int_equal(entry->user, 3);
    assert_int_equal(entry->group, 4);
    return 0;
}

static int walk(const uint8_t *image, size_t size, char text[static 1024])
{
    struct line line = line_make(text, 1024);

    return erofs_walk((struct span){ image, size }, note, &line);
}

static void test_everything_is_found(void **state)
{
    uint8_t image[IMAGE_SIZE];
    char text[1024];

    make(image);
    assert_true(erofs_is((struct span){ image, sizeof(image) }));
    assert_int_equal(walk(image, sizeof(image), text), 0);
    assert_string_equal(text, "a:100644:517;dir:40755:27;dir/b:100600:0;link:120777:1;");
}

static int digest_a(const struct erofs_entry *entry, void *context)
{
    if (strcmp(entry->path, "a") != 0)
        return 0;
    *(struct digest *)context = erofs_digest(entry);
    return 1;
}

static void test_content(void **state)
{
    uint8_t image[IMAGE_SIZE], content[BLOCK + 5];
    struct digest found, wanted;

    make(image);
    memset(content, 'x', BLOCK);
    memcpy(content + BLOCK, "12345", 5);
    wanted = digest_bytes(content, sizeof(content));
    assert_int_equal(erofs_walk((struct span){ image, sizeof(image) }, digest_a, &found), 1);
    assert_memory_equal(&found, &wanted, sizeof(found));
}

static void test_malformed(void **state)
{
    static const struct {
        size_t at, size;
        uint64_t value;
        int result;
    } cases[] = {
        { SUPER, 4, 0, -EBADMSG },                             /* no EROFS */
        { SUPER + 12, 1, 40, -EBADMSG },                       /* blocks of a tebibyte */
        { SUPER + 14, 2, 60000, -EBADMSG },                    /* the root is nowhere */
        { SUPER + 14, 2, FILE_A, -EBADMSG },                   /* the root is a file */
        { SUPER + 40, 4, UINT32_MAX, -EBADMSG },               /* inodes are nowhere */
        { INODES + FILE_A * 32, 2, 1 << 1, -ENOTSUP },         /* compressed */
        { INODES + FILE_A * 32, 2, 4 << 1, -ENOTSUP },         /* in chunks */
        { INODES + FILE_A * 32 + 8, 4, UINT32_MAX, -EBADMSG }, /* larger than the image */
        { INODES + FILE_A * 32 + 16, 4, 1 << 30, -EBADMSG },   /* a block that is not there */
        { INODES + 32 + 8, 2, 0, -EBADMSG },                   /* names begin in the first entry */
        { INODES + 32 + 8, 2, 13, -EBADMSG },                  /* between two */
        { INODES + 32 + 8, 2, 24000, -EBADMSG },               /* behind the folder */
        { INODES + 32 + 20, 2, 40000, -EBADMSG },              /* a name that ends there */
        { INODES + 32 + 12, 8, UINT64_MAX, -EBADMSG },         /* an inode that is not there */
        { INODES + 32 + 24, 8, ROOT, -ERANGE },                /* a folder inside of itself */
        { INODES + 32 + 49, 1, '/', -EBADMSG },                /* a slash in a name */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[1024];
        struct line line = line_make(text, sizeof(text));
        uint8_t image[IMAGE_SIZE];

        make(image);
        put(image + cases[i].at, cases[i].value, cases[i].size);
        assert_int_equal(erofs_walk((struct span){ image, sizeof(image) }, note, &line),
                         cases[i].result);
    }
}

/* Wherever it is cut, nothing behind its end is read; the sanitizer sees that. */
static void test_cut(void **state)
{
    uint8_t image[IMAGE_SIZE];
    char text[1024];

    make(image);
    for (size_t size = 0; size < IMAGE_SIZE; size++) {
        uint8_t *copy = malloc(size + 1);

        assert_non_null(copy);
        memcpy(copy, image, size);
        assert_int_equal(walk(copy, size, text), -EBADMSG);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_found),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
