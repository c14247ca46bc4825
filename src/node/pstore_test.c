#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "node/pstore.h"
#include "sys/file.h"

struct world {
    char folder[32];
    char *store, *target;
};

static void make(struct world *w)
{
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/broch-pstore-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->store = text_make("%s/store", w->folder);
    w->target = text_make("%s/target", w->folder);
    assert_int_equal(mkdir(w->store, 0700), 0);
}

static void done(struct world *w)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_remove_tree(w->folder, &f), 0);
    free(w->store);
    free(w->target);
}

static void put_bytes(const struct world *w, const char *name, const void *bytes, size_t size,
                      time_t when)
{
    const struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
    _cleanup_free_ char *path = text_make("%s/%s", w->store, name);
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_write(path, bytes, size, 0600, &f), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(const struct world *w, const char *name, size_t size, time_t when)
{
    _cleanup_free_ char *bytes = calloc(1, size);

    put_bytes(w, name, bytes, size, when);
}

static void put_text(const struct world *w, const char *name, const char *text, time_t when)
{
    put_bytes(w, name, text, strlen(text), when);
}

static off_t size_of(const char *folder, const char *name)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    struct stat status;

    return stat(path, &status) < 0 ? -1 : status.st_size;
}

static void test_moved(void **state)
{
    struct failure f = FAILURE_NONE;
    struct world w;
    struct pstore_found found;

    (void)state;
    make(&w);
    put(&w, "dmesg-efi-1", 100, 1700000000);
    put(&w, "dmesg-efi-2", PSTORE_RECORD_SIZE_MAX + 1, 1700000001);
    assert_int_equal(pstore_collect(w.store, w.target, true, &found, &f), 0);
    assert_int_equal(found.count, 2);
    assert_int_equal(size_of(w.target, "1700000000-dmesg-efi-1"), 100);
    assert_int_equal(size_of(w.target, "1700000001-dmesg-efi-2"), PSTORE_RECORD_SIZE_MAX);
    assert_int_equal(size_of(w.store, "dmesg-efi-1"), -1);
    done(&w);
}

/* While nothing outlives a boot, the store keeps the only lasting copy; it is counted once. */
static void test_copied(void **state)
{
    struct failure f = FAILURE_NONE;
    struct world w;
    struct pstore_found found;

    (void)state;
    make(&w);
    put(&w, "dmesg-efi-1", 100, 1700000000);
    assert_int_equal(pstore_collect(w.store, w.target, false, &found, &f), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(size_of(w.store, "dmesg-efi-1"), 100);
    assert_int_equal(pstore_collect(w.store, w.target, false, &found, &f), 0);
    assert_int_equal(found.count, 0);
    done(&w);
}

static void test_bounded(void **state)
{
    struct failure f = FAILURE_NONE;
    struct world w;
    struct pstore_found found;

    (void)state;
    make(&w);
    for (int i = 0; i < PSTORE_RECORDS_MAX + 3; i++) {
        _cleanup_free_ char *name = text_make("r%d", i);

        put(&w, name, 1, 1700000000 + i);
    }
    assert_int_equal(pstore_collect(w.store, w.target, true, &found, &f), 0);
    assert_int_equal(found.count, PSTORE_RECORDS_MAX + 3);
    assert_int_equal(size_of(w.target, "1700000002-r2"), -1);
    assert_int_equal(size_of(w.target, "1700000003-r3"), 1);
    done(&w);
}

/* The newest panic is what is told; an oops alone, a cut line and strange bytes are no trouble. */
static void test_panic(void **state)
{
    struct failure f = FAILURE_NONE;
    struct pstore_found found;
    struct world w;

    (void)state;
    make(&w);
    put_text(&w, "oops", "Oops#1 Part1\n<4>[   9.1] BUG: kernel NULL pointer dereference\n",
             1700000009);
    assert_int_equal(pstore_collect(w.store, w.target, true, &found, &f), 0);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.panic, "");
    put_text(&w, "new",
             "<0>[    7.1] Kernel panic - not syncing: the \x1b[7m newer\n<4>[ 7.2] CPU\n",
             1700000002);
    put_text(&w, "old", "Panic#1 Part2\n<0>[    7.1] Kernel panic - not syncing: older\n",
             1700000001);
    put_text(&w, "rest", "Panic#2 Part1\n<4>[    7.3] Call Trace:\n", 1700000002);
    assert_int_equal(pstore_collect(w.store, w.target, true, &found, &f), 0);
    assert_int_equal(found.count, 3);
    assert_string_equal(found.panic, "the ?[7m newer");
    /* A second time it is no news. */
    put_text(&w, "kept", "Kernel panic - not syncing: cu", 1700000003);
    assert_int_equal(pstore_collect(w.store, w.target, false, &found, &f), 0);
    assert_string_equal(found.panic, "cu");
    assert_int_equal(pstore_collect(w.store, w.target, false, &found, &f), 0);
    assert_string_equal(found.panic, "");
    put_text(&w, "bare", "Kernel panic - not syncing: ", 1700000004);
    assert_int_equal(pstore_collect(w.store, w.target, true, &found, &f), 0);
    assert_string_equal(found.panic, "no words");
    done(&w);
}

static void test_no_store(void **state)
{
    struct failure f = FAILURE_NONE;
    struct pstore_found found = { .count = 1 };

    (void)state;
    assert_int_equal(pstore_collect("/nonexistent/store", "/nonexistent/target", true, &found, &f),
                     0);
    assert_int_equal(found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved),    cmocka_unit_test(test_copied),
        cmocka_unit_test(test_bounded),  cmocka_unit_test(test_panic),
        cmocka_unit_test(test_no_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
