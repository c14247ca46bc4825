/* Generations that come and go. Making and mounting need a device mapper: tests/vm does that. */
#include "disk/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/subvolume.h"
#include "disk/test_btrfs.h"

static struct test_btrfs b;

static bool make(void)
{
    if (!test_btrfs_make(&b))
        return false;
    assert_int_equal(subvolume_create(b.fd, "@var"), 0);
    assert_int_equal(subvolume_create(b.fd, "@broch"), 0);
    assert_int_equal(mkdirat(b.fd, "@snapshots", 0755), 0);
    return true;
}

/* Starts a generation; true when snapshots were taken. */
static bool start(const char *generation)
{
    struct failure f = FAILURE_NONE;
    bool taken = false;

    assert_int_equal(persist_note_generation(b.fd, generation, &taken, &f), 0);
    return taken;
}

static bool there(const char *path)
{
    return faccessat(b.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_update(void **unused)
{
    (void)unused;
    if (!make())
        skip();
    assert_false(start("one")); /* nothing was before it */
    assert_false(start("one"));
    assert_int_equal(mkdirat(b.fd, "@var/of-one", 0755), 0);
    assert_true(start("two"));
    assert_true(there("@snapshots/one/var/of-one") && there("@snapshots/one/broch"));
    assert_false(start("two"));
    assert_true(start("three"));
    assert_true(there("@snapshots/two/var") && !there("@snapshots/one"));
    test_btrfs_remove(&b);
}

/* What the old generation left before the new one touched it is still there: after a trial that
 * failed, and when the same trial goes on after an interruption. */
static void test_back(void **unused)
{
    (void)unused;
    if (!make())
        skip();
    assert_false(start("one"));
    assert_true(start("two"));
    assert_int_equal(mkdirat(b.fd, "@var/of-two", 0755), 0);
    assert_false(start("one"));
    assert_true(there("@snapshots/one/var") && !there("@snapshots/one/var/of-two"));
    assert_false(start("two"));
    assert_true(there("@snapshots/one/var") && !there("@snapshots/one/var/of-two"));
    /* Another generation, or another trial of this one, is another matter. */
    assert_false(start("one"));
    assert_int_equal(unlinkat(b.fd, "@broch/" PERSIST_SNAPSHOTS_FOR, 0), 0);
    assert_true(start("two"));
    assert_true(there("@snapshots/one/var/of-two"));
    assert_false(start("one"));
    assert_int_equal(mkdirat(b.fd, "@var/of-one", 0755), 0);
    assert_true(start("three"));
    assert_true(there("@snapshots/one/var/of-one"));
    test_btrfs_remove(&b);
}

/* The note names a folder: one that leads out of it is no note. */
static void test_note(void **unused)
{
    static const char evil[] = "../../x";
    int fd;

    (void)unused;
    if (!make())
        skip();
    fd = openat(b.fd, "@broch/last-generation", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, evil, sizeof(evil) - 1), sizeof(evil) - 1);
    assert_int_equal(close(fd), 0);
    assert_false(start("two"));
    assert_true(start("three"));
    assert_true(there("@snapshots/two/var"));
    test_btrfs_remove(&b);
}

/* Snapshots cut short by a power cut: half of a set is taken anew, and until then the former set is
 * there. */
static void test_cut(void **unused)
{
    int source, folder;

    (void)unused;
    if (!make())
        skip();
    assert_false(start("zero"));
    assert_true(start("one"));
    assert_int_equal(mkdirat(b.fd, "@snapshots/.new", 0700), 0);
    source = openat(b.fd, "@var", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    folder = openat(b.fd, "@snapshots/.new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(subvolume_snapshot(source, folder, "var"), 0);
    assert_int_equal(close(source) | close(folder), 0);
    assert_true(start("two"));
    assert_true(there("@snapshots/one/var") && there("@snapshots/one/broch"));
    assert_false(there("@snapshots/.new") || there("@snapshots/zero"));
    test_btrfs_remove(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_update), cmocka_unit_test(test_back),
                                        cmocka_unit_test(test_note), cmocka_unit_test(test_cut) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
