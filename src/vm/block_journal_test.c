#include "vm/block_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"

enum { S = BLOCK_JOURNAL_SECTOR, HEAD = BLOCK_JOURNAL_HEAD, BYTES_MAX = 32 * S, SECTORS = 6 };

struct journal_file {
    uint8_t bytes[BYTES_MAX];
    size_t size;
};

static void add(struct journal_file *file, enum block_journal_kind kind, uint32_t export,
                unsigned sector, unsigned count, char fill)
{
    const struct block_journal_entry entry = { .kind = kind,
                                               .export = export,
                                               .offset = (uint64_t)sector * S,
                                               .length = (uint64_t)count * S };

    block_journal_encode(&entry, file->bytes + file->size);
    file->size += HEAD;
    if (kind != BLOCK_JOURNAL_WRITE && kind != BLOCK_JOURNAL_FILE)
        return;
    memset(file->bytes + file->size, fill, entry.length);
    file->size += entry.length;
}

/* Two exports and a file, in one order. */
static void make_usual(struct journal_file *file)
{
    file->size = 0;
    add(file, BLOCK_JOURNAL_FILE, 0, 0, 1, 'x');
    add(file, BLOCK_JOURNAL_WRITE, 0, 1, 2, 'a');
    add(file, BLOCK_JOURNAL_WRITE, 1, 0, 1, 'v');
    add(file, BLOCK_JOURNAL_FLUSH, 0, 0, 0, 0);
    add(file, BLOCK_JOURNAL_WRITE, 0, 2, 3, 'b');
    add(file, BLOCK_JOURNAL_FILE, 0, 0, 2, 'y');
    add(file, BLOCK_JOURNAL_ZERO, 0, 1, 1, 0);
}

static int open_file(const struct journal_file *file, struct block_journal *ret)
{
    char path[] = "/tmp/block_journal.XXXXXX";
    struct failure f = FAILURE_NONE;
    int fd = mkostemp(path, O_CLOEXEC), r;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, file->size), file->size);
    assert_int_equal(close(fd), 0);
    r = block_journal_open(path, ret, &f);
    assert_int_equal(unlink(path), 0);
    return r;
}

/* A device of dots. */
static int new_device(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    uint8_t dots[SECTORS * S];

    memset(dots, '.', sizeof(dots));
    assert_int_equal(pwrite(fd, dots, sizeof(dots), 0), sizeof(dots));
    return fd;
}

/* A letter for each sector; zeros are '0'. */
static void expect_device(int fd, const char *letters)
{
    uint8_t sectors[SECTORS * S];

    assert_int_equal(pread(fd, sectors, sizeof(sectors), 0), sizeof(sectors));
    for (size_t i = 0; letters[i]; i++) {
        char letter = letters[i] == '0' ? '\0' : letters[i];

        assert_int_equal(sectors[i * S], letter);
        assert_int_equal(sectors[i * S + S - 1], letter);
    }
}

static void test_every_prefix(void **state)
{
    static const char *const disk[] = { "......", "......", ".aa...", ".aa...",
                                        ".aa...", ".abbb.", ".abbb.", ".0bbb." };
    static const char *const variables[] = { ".", ".", ".", "v", "v", "v", "v", "v" };
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    struct failure f = FAILURE_NONE;
    static struct journal_file file;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_file(&file, &journal), 0);
    assert_int_equal(journal.count, 7);
    for (size_t n = 0; n <= journal.count; n++) {
        _cleanup_close_ int first = new_device();
        _cleanup_close_ int second = new_device();

        assert_int_equal(block_journal_apply(&journal, 0, 0, n, first, &f), 0);
        assert_int_equal(block_journal_apply(&journal, 1, 0, n, second, &f), 0);
        expect_device(first, disk[n]);
        expect_device(second, variables[n]);
    }
}

static void test_torn(void **state)
{
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    _cleanup_close_ int device = new_device();
    struct failure f = FAILURE_NONE;
    static struct journal_file file;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_file(&file, &journal), 0);
    assert_int_equal(block_journal_apply_part(&journal, 4, 0, 0, device, &f), 0);
    expect_device(device, "......");
    assert_int_equal(block_journal_apply_part(&journal, 4, S, 2 * (uint64_t)S, device, &f), 0);
    expect_device(device, "...b..");
}

static void test_watched_file(void **state)
{
    static const struct {
        size_t count, size;
        uint8_t first;
    } cases[] = { { 1, S, 'x' }, { 5, S, 'x' }, { 6, 2 * S, 'y' }, { 7, 2 * S, 'y' } };
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    struct failure f = FAILURE_NONE;
    static struct journal_file file;
    uint8_t *bytes = NULL;
    size_t size;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_file(&file, &journal), 0);
    assert_int_equal(block_journal_file(&journal, 0, &bytes, &size, &f), -ENOENT);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(block_journal_file(&journal, cases[i].count, &bytes, &size, &f), 0);
        assert_int_equal(size, cases[i].size);
        assert_int_equal(bytes[0], cases[i].first);
        assert_int_equal(bytes[size - 1], cases[i].first);
        free(bytes);
    }
}

/* The length of the file at any moment names a prefix: whole entries only. */
static void test_count_at(void **state)
{
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    static struct journal_file file;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_file(&file, &journal), 0);
    assert_int_equal(block_journal_count_at(&journal, 0), 0);
    assert_int_equal(block_journal_count_at(&journal, HEAD + S), 1);
    assert_int_equal(block_journal_count_at(&journal, 2 * HEAD + 3 * S), 2);
    assert_int_equal(block_journal_count_at(&journal, file.size), journal.count);
}

/* The server was killed while it wrote: what is whole counts. */
static void test_cut_at_each_place(void **state)
{
    static struct journal_file file;
    size_t whole, last = 0;

    (void)state;
    make_usual(&file);
    whole = file.size;
    for (size_t size = 0; size <= whole; size += 8) {
        _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;

        file.size = size;
        assert_int_equal(open_file(&file, &journal), 0);
        assert_true(journal.count >= last && journal.count <= last + 1);
        last = journal.count;
    }
    assert_int_equal(last, 7);
}

static void test_no_journal(void **state)
{
    struct block_journal journal = BLOCK_JOURNAL_NONE;
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = { { 0, 0 }, { 0, 9 }, { 15, 0x80 }, { 23, 0x80 }, { 20, 1 } };
    struct failure f = FAILURE_NONE;
    static struct journal_file file;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_usual(&file);
        file.bytes[cases[i].at] = cases[i].value;
        assert_int_equal(open_file(&file, &journal), -EBADMSG);
    }
    assert_int_equal(block_journal_open("/nowhere/at/all", &journal, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix),      cmocka_unit_test(test_torn),
        cmocka_unit_test(test_watched_file),      cmocka_unit_test(test_count_at),
        cmocka_unit_test(test_cut_at_each_place), cmocka_unit_test(test_no_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
