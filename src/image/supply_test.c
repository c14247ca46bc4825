#include "image/supply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/file.h"

static struct progress progress;

/* Contents of the package over the years. A mirror serves each version under a name of its own. */
#define OLD   "old"
#define NEW   "new"
#define NEWER "newer"

static void serve(const char *content, bool there)
{
    _cleanup_free_ char *path = text_make("mirror/debian/%s.deb", content);

    if (there)
        test_folder_write(path, content);
    else
        (void)unlink(path);
}

/* What apt would say: the package of this content is the one that the mirror has now. */
static void resolve_to(const char *content)
{
    const struct digest digest = digest_bytes(content, strlen(content));
    char digits[DIGEST_TEXT_SIZE];
    _cleanup_free_ char *script =
        text_make("#!/bin/sh\necho x >> %s/calls\ncase \"$*\" in *update) exit 0 ;; esac\n"
                  "echo \"'file://%s/mirror/debian/%s.deb' tool_2_all.deb %zu SHA256:%s\"\n",
                  test_folder_path(), test_folder_path(), content, strlen(content),
                  digest_text(&digest, digits));

    test_folder_write("bin/apt-get", script);
    assert_int_equal(chmod("bin/apt-get", 0755), 0);
    (void)unlink("calls");
}

static int enter(void **state)
{
    _cleanup_free_ char *mirror = NULL, *path = NULL;

    progress_start(&progress, -1, true);
    if (test_folder_enter(state) < 0)
        return -1;
    mirror = text_make("file://%s/mirror/{archive}", test_folder_path());
    path = text_make("%s/bin:%s", test_folder_path(), getenv("PATH"));
    return setenv("BROCH_MIRROR", mirror, 1) < 0 || setenv("PATH", path, 1) < 0 ? -1 : 0;
}

/* A committed lock for OLD; the mirror serves OLD. */
static int reset(void **state)
{
    struct failure f = FAILURE_NONE;
    struct lock lock = LOCK_INIT;

    (void)state;
    assert_int_equal(file_remove_tree("cache", &f), 0);
    test_folder_write("profile/packages.txt", "tool\n");
    serve(NEW, false);
    serve(NEWER, false);
    serve(OLD, true);
    resolve_to(OLD);
    assert_int_equal(supply_lock("profile", "none", &lock, &f), 0);
    assert_int_equal(lock.package_count, 1);
    lock_done(&lock);
    (void)unlink("calls");
    return 0;
}

static int fill(bool offline, bool renew, struct supply *supply, struct failure *f)
{
    const struct supply_request request = {
        .folder = "profile", .kernel = "none", .offline = offline, .renew = renew
    };
    int r;

    *supply = (struct supply)SUPPLY_INIT;
    r = supply_open(&request, supply, f);
    return r < 0 ? r : supply_fill(&request, &progress, supply, f);
}

static void test_lock_is_kept(void **state)
{
    _cleanup_free_ char *before = test_folder_read("profile/packages.x86_64.lock"), *after = NULL;
    struct failure f = FAILURE_NONE;
    struct supply supply;

    (void)state;
    assert_int_equal(fill(false, true, &supply, &f), 0);
    assert_false(supply.unlocked);
    assert_false(file_exists("calls")); /* apt was not asked */
    after = test_folder_read("profile/packages.x86_64.lock");
    assert_string_equal(before, after);
    supply_done(&supply);
}

static void test_open_refuses(void **state)
{
    const struct supply_request request = { .folder = "profile", .kernel = "none" };
    const struct supply_request kernel = { .folder = "profile", .kernel = "debian" };
    const struct supply_request nowhere = { .folder = "nowhere", .kernel = "none" };
    struct supply supply = SUPPLY_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(supply_open(&kernel, &supply, &f), -ESTALE);
    assert_int_equal(f.code, CODE_LOCK_STALE);
    assert_int_equal(supply_open(&nowhere, &supply, &f), -ENOENT);
    test_folder_write("profile/packages.txt", "tool\nother\n");
    assert_int_equal(supply_open(&request, &supply, &f), -ESTALE);
    test_folder_write("profile/packages.txt", "# a comment is no change\ntool\n");
    assert_int_equal(supply_open(&request, &supply, &f), 0);
    supply_done(&supply);
    test_folder_write("profile/packages.x86_64.lock", "broken\n");
    assert_int_equal(supply_open(&request, &supply, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SYNTAX);
    assert_int_equal(unlink("profile/packages.x86_64.lock"), 0);
    assert_int_equal(supply_open(&request, &supply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_LOCK_MISSING);
}

static void test_production_renews_nothing(void **state)
{
    struct failure f = FAILURE_NONE;
    struct supply supply;

    (void)state;
    serve(OLD, false);
    resolve_to(NEW);
    assert_int_equal(fill(false, false, &supply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UNLOCKED);
    assert_non_null(strstr(f.text, "package tool 2 is no longer at"));
    assert_false(file_exists("calls"));
    assert_false(supply.unlocked);
    supply_done(&supply);
}

/* The mirror moved on, as it will have in a few years. */
static void move_mirror(const char *from, const char *to)
{
    serve(from, false);
    serve(to, true);
    resolve_to(to);
}

static bool holds(const struct supply *supply, const char *content)
{
    const struct digest digest = digest_bytes(content, strlen(content));

    return supply->lock.package_count == 1 &&
           memcmp(&supply->lock.packages[0].digest, &digest, sizeof(digest)) == 0;
}

static void test_renewed(void **state)
{
    _cleanup_free_ char *before = test_folder_read("profile/packages.x86_64.lock"), *after = NULL;
    struct failure f = FAILURE_NONE;
    struct supply first, second, third;

    (void)state;
    move_mirror(OLD, NEW);
    assert_int_equal(fill(false, true, &first, &f), 0);
    assert_true(first.unlocked && holds(&first, NEW));
    /* The next build takes the lock that was renewed, without asking apt again. */
    assert_int_equal(unlink("calls"), 0);
    assert_int_equal(fill(false, true, &second, &f), 0);
    assert_true(second.unlocked && holds(&second, NEW));
    assert_memory_equal(&first.digest, &second.digest, sizeof(first.digest));
    assert_false(file_exists("calls"));
    supply_done(&second);
    assert_int_equal(fill(true, true, &second, &f), 0); /* offline too */
    assert_true(second.unlocked && holds(&second, NEW));
    /* And when that one is out of date as well, it is made again. */
    assert_int_equal(file_remove_tree("cache/packages", &f), 0);
    move_mirror(NEW, NEWER);
    assert_int_equal(fill(false, true, &third, &f), 0);
    assert_true(third.unlocked && holds(&third, NEWER));
    after = test_folder_read("profile/packages.x86_64.lock");
    assert_string_equal(before, after); /* the committed lock is the developer's to renew */
    supply_done(&first);
    supply_done(&second);
    supply_done(&third);
}

/* A kept lock is not given up, and apt not asked, because the mirror sends wrong bytes. */
static void test_wrong_bytes_are_no_reason(void **state)
{
    struct failure f = FAILURE_NONE;
    struct supply supply;

    (void)state;
    move_mirror(OLD, NEW);
    assert_int_equal(fill(false, true, &supply, &f), 0);
    supply_done(&supply);
    assert_int_equal(file_remove_tree("cache/packages", &f), 0);
    test_folder_write("mirror/debian/" NEW ".deb", "NEW");
    assert_int_equal(unlink("calls"), 0);
    assert_int_equal(fill(false, true, &supply, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_LOCK_HASH);
    assert_false(file_exists("calls"));
    assert_true(!supply.unlocked && holds(&supply, OLD)); /* as it was */
    supply_done(&supply);
    /* Nor the committed one. */
    serve(OLD, true);
    test_folder_write("mirror/debian/" OLD ".deb", "OLD");
    assert_int_equal(fill(false, true, &supply, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_LOCK_HASH);
    supply_done(&supply);
}

static void test_damaged_kept_lock(void **state)
{
    const struct supply_request request = { .folder = "profile", .kernel = "none" };
    _cleanup_free_ char *path = NULL, *other = NULL;
    struct failure f = FAILURE_NONE;
    struct supply supply = SUPPLY_INIT;
    char digits[DIGEST_TEXT_SIZE];

    (void)state;
    move_mirror(OLD, NEW);
    assert_int_equal(supply_open(&request, &supply, &f), 0);
    path = text_make("cache/locks/%s.lock", digest_text(&supply.lock.list, digits));
    supply_done(&supply);
    test_folder_write(path, "damaged\n");
    assert_int_equal(fill(false, true, &supply, &f), 0);
    assert_true(holds(&supply, NEW));
    supply_done(&supply);
    /* One for another list, in its place. */
    other = test_folder_read(path);
    memcpy(strstr(other, "list ") + 5, "0000", 4);
    test_folder_write(path, other);
    assert_int_equal(unlink("calls"), 0);
    assert_int_equal(fill(false, true, &supply, &f), 0);
    assert_true(file_exists("calls"));
    supply_done(&supply);
}

static void test_offline(void **state)
{
    struct failure f = FAILURE_NONE;
    struct supply supply;

    (void)state;
    assert_int_equal(fill(true, true, &supply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_OFFLINE);
    supply_done(&supply);
    assert_int_equal(fill(true, false, &supply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_OFFLINE);
    supply_done(&supply);
    assert_false(file_exists("calls"));
    assert_int_equal(fill(false, true, &supply, &f), 0);
    supply_done(&supply);
    assert_int_equal(fill(true, false, &supply, &f), 0);
    assert_false(supply.unlocked);
    supply_done(&supply);
}

static void test_gone_for_good(void **state)
{
    struct failure f = FAILURE_NONE;
    struct supply supply;

    (void)state;
    serve(OLD, false); /* apt still names it */
    assert_int_equal(fill(false, true, &supply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_PACKAGE_GONE);
    assert_true(!supply.unlocked && holds(&supply, OLD));
    supply_done(&supply);
}

/* What the next build would refuse must not replace a lock that works. */
static void test_lock_refuses(void **state)
{
    _cleanup_free_ char *before = test_folder_read("profile/packages.x86_64.lock"), *after = NULL;
    struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("bin/apt-get",
                      "#!/bin/sh\ncase \"$*\" in *update) exit 0 ;; esac\n"
                      "echo \"'file://$BROCH_TEST/mirror/debian/a?b.deb' tool_2_all.deb 1 SHA256:"
                      "0000000000000000000000000000000000000000000000000000000000000000\"\n");
    assert_int_equal(chmod("bin/apt-get", 0755), 0);
    assert_int_equal(setenv("BROCH_TEST", test_folder_path(), 1), 0);
    assert_int_equal(supply_lock("profile", "none", &lock, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SYNTAX);
    assert_null(lock.packages);
    after = test_folder_read("profile/packages.x86_64.lock");
    assert_string_equal(before, after);
    assert_true(supply_lock("nowhere", "none", &lock, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lock_is_kept, reset),
        cmocka_unit_test_setup(test_open_refuses, reset),
        cmocka_unit_test_setup(test_production_renews_nothing, reset),
        cmocka_unit_test_setup(test_renewed, reset),
        cmocka_unit_test_setup(test_wrong_bytes_are_no_reason, reset),
        cmocka_unit_test_setup(test_damaged_kept_lock, reset),
        cmocka_unit_test_setup(test_offline, reset),
        cmocka_unit_test_setup(test_gone_for_good, reset),
        cmocka_unit_test_setup(test_lock_refuses, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
