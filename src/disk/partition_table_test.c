/* On files, which libfdisk takes like disks. Tables are made from sfdisk's scripts, and looked at
 * after they were read again. */
#include "disk/partition_table.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libfdisk/libfdisk.h>
#include <cmocka.h>

#include "base/number.h"

enum { OLD_SIZE = 64 << 20, NEW_SIZE = 256 << 20, OUTPUT_SIZE = 8192 };

/* The image: two slots, persist, and perhaps something behind it. */
#define IMAGE                                                                                      \
    "label: gpt\n"                                                                                 \
    "label-id: 11111111-1111-4111-8111-111111111111\n"                                             \
    "size=8MiB, uuid=22222222-2222-4222-8222-222222222222, name=slot-a\n"                          \
    "size=8MiB, uuid=33333333-3333-4333-8333-333333333333, name=slot-b\n"                          \
    "size=16MiB, uuid=44444444-4444-4444-8444-444444444444, "                                      \
    "type=CA7D7CCB-63ED-4C53-861C-1742536059CC, name=persist\n"

static char path[64], output[OUTPUT_SIZE];
static struct failure f;

static struct fdisk_context *open_disk(void)
{
    struct fdisk_context *context = fdisk_new_context();

    assert_non_null(context);
    assert_int_equal(fdisk_assign_device(context, path, 0), 0);
    return context;
}

static void close_disk(struct fdisk_context *context)
{
    assert_int_equal(fdisk_deassign_device(context, 0), 0);
    fdisk_unref_context(context);
}

static void make_image(const char *more)
{
    struct fdisk_context *context;
    struct fdisk_script *script;
    char text[1024];
    FILE *file;

    (void)snprintf(text, sizeof(text), "%s%s", IMAGE, more);
    file = fmemopen(text, strlen(text), "r");
    assert_non_null(file);
    assert_int_equal(truncate(path, OLD_SIZE), 0);
    context = open_disk();
    script = fdisk_new_script(context);
    assert_int_equal(fdisk_script_read_file(script, file), 0);
    assert_int_equal(fdisk_apply_script(context, script), 0);
    assert_int_equal(fdisk_write_disklabel(context), 0);
    fdisk_unref_script(script);
    close_disk(context);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(path, NEW_SIZE), 0);
}

/* What `sfdisk --dump` prints, into `output`; the table must be without faults. */
static void dump(void)
{
    struct fdisk_context *context = open_disk();
    struct fdisk_script *script = fdisk_new_script(context);
    FILE *file = fmemopen(output, sizeof(output), "w");

    assert_non_null(file);
    assert_int_equal(fdisk_script_read_context(script, context), 0);
    assert_int_equal(fdisk_script_write_file(script, file), 0);
    assert_int_equal(fclose(file), 0);
    fdisk_unref_script(script);
    close_disk(context);
}

static int setup(void **unused)
{
    int fd;

    (void)unused;
    (void)snprintf(path, sizeof(path), "/tmp/broch-table-XXXXXX.raw");
    fd = mkostemps(path, 4, O_CLOEXEC);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **unused)
{
    (void)unused;
    return unlink(path);
}

/* The size of partition `number` in sectors. */
static uint64_t size_of(unsigned number)
{
    uint64_t size;
    char mark[80];
    const char *at;

    dump();
    (void)snprintf(mark, sizeof(mark), "%s%u :", path, number);
    at = strstr(output, mark);
    assert_non_null(at);
    at = strstr(at, "size=");
    assert_non_null(at);
    at += strlen("size=");
    at += strspn(at, " ");
    assert_int_equal(number_parse(at, strspn(at, "0123456789"), UINT32_MAX, &size), 0);
    return size;
}

static void check_whole(void)
{
    struct fdisk_context *context = open_disk();

    assert_int_equal(fdisk_verify_disklabel(context), 0);
    close_disk(context);
}

static void test_grows(void **unused)
{
    (void)unused;
    make_image("");
    assert_int_equal(size_of(3), (16 << 20) / 512);
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    /* But for the first MiB, the slots and the backup table nothing is left over. */
    assert_true(size_of(3) > (NEW_SIZE - (19 << 20)) / 512);
    assert_int_equal(size_of(3) % ((1 << 20) / 512), 0);
    assert_int_equal(size_of(1), (8 << 20) / 512);
    assert_int_equal(size_of(2), (8 << 20) / 512);
    check_whole();
}

/* No identity of the image is left; types and names are. */
static void test_identities(void **unused)
{
    static const char *const gone[] = { "11111111-1111", "22222222-2222", "33333333-3333",
                                        "44444444-4444" };

    (void)unused;
    make_image("");
    dump();
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        assert_non_null(strstr(output, gone[i]));
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    dump();
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        assert_null(strstr(output, gone[i]));
    assert_non_null(strstr(output, "CA7D7CCB-63ED-4C53-861C-1742536059CC"));
    assert_non_null(strstr(output, "name=\"slot-b\""));
}

/* A second time, after a power cut say: another identity, the same size. */
static void test_again(void **unused)
{
    uint64_t size;

    (void)unused;
    make_image("");
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    size = size_of(3);
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    assert_int_equal(size_of(3), size);
}

/* Either copy alone is a whole table. */
static void test_both_copies(void **unused)
{
    static const uint8_t zeros[34 * 512];
    uint64_t size;
    int fd;

    (void)unused;
    make_image("");
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    size = size_of(3);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros) - 512, 512), sizeof(zeros) - 512);
    assert_int_equal(size_of(3), size);
    assert_int_equal(close(fd), 0);
}

static void test_something_behind(void **unused)
{
    (void)unused;
    make_image("size=4MiB, name=other\n");
    assert_int_equal(partition_table_adopt(path, 3, &f), 0);
    assert_int_equal(size_of(3), (16 << 20) / 512);
    assert_int_equal(size_of(4), (4 << 20) / 512);
}

static void test_refused(void **unused)
{
    (void)unused;
    make_image("");
    assert_true(partition_table_adopt(path, 0, &f) < 0);
    assert_true(partition_table_adopt(path, 4, &f) < 0);
    assert_int_equal(f.code, CODE_PERSIST_TABLE);
    dump();
    assert_non_null(strstr(output, "11111111-1111"));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, OLD_SIZE), 0);
    assert_true(partition_table_adopt(path, 3, &f) < 0); /* no table at all */
    assert_true(partition_table_adopt("/nowhere", 3, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_something_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
