#include "vm/write_log.h"

#include <endian.h>
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

#define TEMPLATE "/tmp/write_log.XXXXXX"

enum { S = WRITE_LOG_SECTOR, BYTES_MAX = 64 * S };

struct log_file {
    char path[64];
    uint8_t bytes[BYTES_MAX];
    size_t size;
};

static void put64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static void begin(struct log_file *log)
{
    const uint32_t sector = htole32(S);

    *log = (struct log_file){ .path = TEMPLATE, .size = S };
    put64(log->bytes, 0x6a736677736872);
    put64(log->bytes + 8, 1);
    memcpy(log->bytes + 24, &sector, sizeof(sector));
}

static void add(struct log_file *log, uint64_t sector, uint64_t count, uint64_t flags, char fill)
{
    uint8_t *at = log->bytes + log->size;

    put64(at, sector);
    put64(at + 8, count);
    put64(at + 16, flags);
    log->size += S;
    if (flags & WRITE_LOG_DISCARD)
        return;
    memset(at + S, fill, count * S);
    log->size += count * S;
}

static int open_log(struct log_file *log, struct write_log *ret)
{
    struct failure f = FAILURE_NONE;
    int fd = mkostemp(log->path, O_CLOEXEC), r;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, log->bytes, log->size), log->size);
    assert_int_equal(close(fd), 0);
    r = write_log_open(log->path, ret, &f);
    assert_int_equal(unlink(log->path), 0);
    return r;
}

static void make_usual(struct log_file *log)
{
    begin(log);
    add(log, 1, 2, 0, 'a');
    add(log, 0, 0, WRITE_LOG_FLUSH, 0);
    add(log, 2, 2, WRITE_LOG_FUA, 'b');
    add(log, 0, 4, WRITE_LOG_DISCARD, 0);
    add(log, 3, 1, 0, 'c');
}

static void test_entries(void **state)
{
    _cleanup_write_log_ struct write_log log = WRITE_LOG_NONE;
    static struct log_file file;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_log(&file, &log), 0);
    assert_int_equal(log.count, 5);
    assert_int_equal(log.entries[0].sector, 1);
    assert_int_equal(log.entries[0].data, 2 * S);
    assert_int_equal(log.entries[1].flags, WRITE_LOG_FLUSH);
    assert_int_equal(log.entries[2].flags, WRITE_LOG_FUA);
    assert_int_equal(log.entries[3].count, 4);
    assert_int_equal(log.entries[4].sector, 3);
}

/* The disk as it is behind each entry, a letter for each sector. */
static void test_every_prefix(void **state)
{
    static const char *const expected[] = { ".....", ".aa..", ".aa..", ".abb.", ".abb.", ".abc." };
    _cleanup_write_log_ struct write_log log = WRITE_LOG_NONE;
    struct failure f = FAILURE_NONE;
    static struct log_file file;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_log(&file, &log), 0);
    for (size_t n = 0; n <= log.count; n++) {
        _cleanup_close_ int disk = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        uint8_t sectors[5 * S];

        memset(sectors, '.', sizeof(sectors));
        assert_int_equal(pwrite(disk, sectors, sizeof(sectors), 0), sizeof(sectors));
        assert_int_equal(write_log_apply(&log, 0, n, disk, &f), 0);
        assert_int_equal(pread(disk, sectors, sizeof(sectors), 0), sizeof(sectors));
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(sectors[i * S], expected[n][i]);
            assert_int_equal(sectors[i * S + S - 1], expected[n][i]);
        }
    }
}

static void test_torn(void **state)
{
    _cleanup_write_log_ struct write_log log = WRITE_LOG_NONE;
    _cleanup_close_ int disk = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct failure f = FAILURE_NONE;
    static struct log_file file;
    struct stat st;

    (void)state;
    make_usual(&file);
    assert_int_equal(open_log(&file, &log), 0);
    assert_int_equal(write_log_apply_torn(&log, 2, 1, disk, &f), 0);
    assert_int_equal(fstat(disk, &st), 0);
    assert_int_equal(st.st_size, 3 * S); /* sector 2, and nothing behind it */
}

/* The machine was killed while it wrote the log: what is whole counts. */
static void test_cut_at_each_byte(void **state)
{
    static struct log_file file;
    size_t whole, last = 0;

    (void)state;
    make_usual(&file);
    whole = file.size;
    for (size_t size = S; size <= whole; size += 64) {
        _cleanup_write_log_ struct write_log log = WRITE_LOG_NONE;
        struct log_file cut = file;

        (void)snprintf(cut.path, sizeof(cut.path), TEMPLATE);
        cut.size = size;
        assert_int_equal(open_log(&cut, &log), 0);
        assert_true(log.count >= last && log.count <= 5);
        last = log.count;
    }
    assert_int_equal(last, 5);
}

static void test_no_log(void **state)
{
    struct write_log log = WRITE_LOG_NONE;
    static struct log_file file;
    static const size_t places[] = { 0, 8, 25 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        make_usual(&file);
        file.bytes[places[i]] ^= 1;
        assert_int_equal(open_log(&file, &log), -EBADMSG);
    }
    make_usual(&file);
    put64(file.bytes + S, UINT64_MAX); /* beyond every disk */
    (void)snprintf(file.path, sizeof(file.path), TEMPLATE);
    assert_int_equal(open_log(&file, &log), -EBADMSG);
    begin(&file);
    file.size = 0;
    assert_int_equal(open_log(&file, &log), 0); /* nothing was ever written */
    assert_int_equal(log.count, 0);
    write_log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries), cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_torn),    cmocka_unit_test(test_cut_at_each_byte),
        cmocka_unit_test(test_no_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
