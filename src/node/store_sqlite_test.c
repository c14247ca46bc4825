#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "org/org_test.h"
#include "node/store_sqlite.h"

enum { PARCEL_SIZE = 200 };

static char folder[] = "/tmp/broch-store-XXXXXX";
static char path[64];

static void begin_empty(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", ".damaged", "-wal.damaged" };

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char name[128];

        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        assert_true(unlink(name) == 0 || errno == ENOENT);
    }
}

static void make(uint64_t number, uint8_t bytes[static PARCEL_SIZE])
{
    uint64_t seed = number + 1;

    memcpy(bytes, &number, sizeof(number));
    for (size_t i = sizeof(number); i < PARCEL_SIZE; i++)
        bytes[i] = (uint8_t)test_random(&seed);
}

static int append(const struct store *s, uint64_t number)
{
    uint8_t bytes[PARCEL_SIZE];

    make(number, bytes);
    return store_append(s, bytes, sizeof(bytes));
}

/* Counts, and insists that the parcels are 0, 1, 2 ... unharmed. */
static int count_in_order(void *owner, const uint8_t *bytes, size_t size)
{
    uint64_t *count = owner;
    uint8_t expected[PARCEL_SIZE];

    make((*count)++, expected);
    return size == PARCEL_SIZE && memcmp(bytes, expected, size) == 0 ? 0 : -EBADMSG;
}

static uint64_t load_count(void)
{
    struct store_sqlite *db;
    struct store s;
    uint64_t count = 0;

    assert_int_equal(store_sqlite_open(path, &db), 0);
    s = store_sqlite_store(db);
    assert_int_equal(store_load(&s, count_in_order, &count), 0);
    (void)store_sqlite_close(db);
    return count;
}

static void fill(uint64_t count)
{
    struct store_sqlite *db;
    struct store s;

    begin_empty();
    assert_int_equal(store_sqlite_open(path, &db), 0);
    s = store_sqlite_store(db);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(append(&s, i), 0);
    assert_int_equal(store_commit(&s), 0);
    (void)store_sqlite_close(db);
}

static void what_is_committed_stays(void **state)
{
    struct store_sqlite *db, *second;
    struct store s;
    uint64_t count = 0;

    begin_empty();
    assert_int_equal(store_sqlite_open(path, &db), 0);
    s = store_sqlite_store(db);
    assert_int_equal(store_commit(&s), 0); /* nothing to commit is no error */
    assert_int_equal(append(&s, 0), 0);
    assert_int_equal(append(&s, 1), 0);
    assert_int_equal(store_commit(&s), 0);
    assert_int_equal(append(&s, 2), 0);
    assert_int_equal(store_sqlite_open(path, &second), -EBUSY); /* one owner only */
    assert_int_equal(store_load(&s, count_in_order, &count), 0);
    (void)store_sqlite_close(db); /* without a commit */
    assert_int_equal(load_count(), 2);
}

static void foreign_files_are_refused(void **state)
{
    struct store_sqlite *db;
    FILE *file;

    begin_empty();
    file = fopen(path, "we");
    assert_non_null(file);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(fputs("this is no database\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(store_sqlite_open(path, &db), -EUCLEAN);
    assert_int_equal(store_sqlite_quarantine(path), 0);
    assert_int_equal(load_count(), 0);
    assert_int_equal(store_sqlite_quarantine(path), 0);
    assert_int_equal(store_sqlite_quarantine(path), 0); /* nothing there is no error */
}

static int take_any(void *owner, const uint8_t *bytes, size_t size)
{
    uint64_t *count = owner;
    uint64_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    *count += sum < UINT64_MAX; /* every byte was read */
    return 0;
}

/* Whatever is damaged: it opens or it does not, and a sound answer or -EUCLEAN is all that comes.
 */
static void damage_never_crashes(void **state)
{
    uint64_t seed = 2, refused = 0;
    struct stat st;

    for (unsigned round = 0; round < 150; round++) {
        struct store_sqlite *db;
        uint64_t count = 0;
        int fd, r;

        if (round % 10 == 0)
            fill(60);
        assert_int_equal(stat(path, &st), 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        for (unsigned i = 0; i < 1 + round % 10; i++) {
            uint8_t byte = (uint8_t)test_random(&seed);

            assert_int_equal(
                pwrite(fd, &byte, 1, (off_t)(test_random(&seed) % (uint64_t)st.st_size)), 1);
        }
        assert_int_equal(close(fd), 0);
        r = store_sqlite_open(path, &db);
        if (r == 0) {
            struct store s = store_sqlite_store(db);

            r = store_load(&s, take_any, &count);
            (void)store_sqlite_close(db);
        }
        assert_true(r == 0 || r == -EUCLEAN || r == -EPROTONOSUPPORT || r == -EIO);
        refused += r < 0;
        if (r < 0)
            fill(60);
    }
    assert_true(refused > 10);
}

/* A disk that is full: the step did not happen, and what was there is still there. */
static void a_full_disk_rolls_back(void **state)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct rlimit limit, small;
    struct store_sqlite *db;
    struct store s;
    uint64_t i = 10;
    int r = 0;

    fill(10);
    assert_int_equal(store_sqlite_open(path, &db), 0);
    s = store_sqlite_store(db);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    small = limit;
    small.rlim_cur = 40000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    while (r == 0 && i < 10000) {
        r = append(&s, i);
        if (r == 0)
            r = store_commit(&s);
        i += r == 0;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_true(r == -ENOSPC || r == -EIO);
    (void)store_sqlite_close(db);
    assert_int_equal(load_count(), i);
}

/* A child commits and reports each commit; killed at any moment, everything it reported is there,
 * whole and in order. (A power cut is another matter: that test needs a machine of its own.) */
static void a_killed_owner_loses_nothing_that_it_reported(void **state)
{
    uint64_t seed = 5;

    for (unsigned round = 0; round < 15; round++) {
        uint64_t reported = 0, found;
        int pipes[2], status;
        pid_t child;

        begin_empty();
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct store_sqlite *db;
            struct store s;

            if (store_sqlite_open(path, &db) < 0)
                _exit(1);
            s = store_sqlite_store(db);
            for (uint64_t i = 1; append(&s, i - 1) == 0; i++) {
                if (i % 3 == 0 && (store_commit(&s) < 0 || write(pipes[1], &i, sizeof(i)) < 0))
                    _exit(1);
            }
            _exit(1);
        }
        assert_int_equal(close(pipes[1]), 0);
        for (uint64_t wait = test_random(&seed) % 40; wait > 0; wait--)
            assert_int_equal(read(pipes[0], &reported, sizeof(reported)), sizeof(reported));
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(pipes[0], &reported, sizeof(reported)) > 0)
            ; /* what it said before it died */
        assert_int_equal(close(pipes[0]), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        found = load_count();
        assert_true(found >= reported && found % 3 == 0);
    }
}

static int make_folder(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    begin_empty();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_stays),
        cmocka_unit_test(foreign_files_are_refused),
        cmocka_unit_test(damage_never_crashes),
        cmocka_unit_test(a_full_disk_rolls_back),
        cmocka_unit_test(a_killed_owner_loses_nothing_that_it_reported),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
