#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/number.h"
#include "node/mounts.h"

/* A mount point must exist: either its parent's filesystem brings it, or the table makes it, and
 * then the parent was mounted before. */
static void test_parents_come_first(void **state)
{
    for (size_t i = 0; i < mounts_table_count; i++) {
        const char *target = mounts_table[i].target;

        assert_int_equal(target[0], '/');
        for (size_t k = i + 1; k < mounts_table_count; k++) {
            size_t length = strlen(mounts_table[k].target);

            assert_string_not_equal(target, mounts_table[k].target);
            assert_false(strncmp(target, mounts_table[k].target, length) == 0 &&
                         target[length] == '/');
        }
    }
}

static void test_promises(void **state)
{
    const unsigned long hard = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    static const struct {
        const char *target;
        unsigned long wanted;
        unsigned long unwanted;
        enum mounts_need need;
    } cases[] = {
        { "/tmp", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, MOUNTS_USEFUL },
        { "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, MOUNTS_USEFUL },
        { "/home", MS_NOSUID | MS_NODEV, 0, MOUNTS_USEFUL },
        /* Run scripts are executed from here. */
        { "/run/service", MS_NOSUID | MS_NODEV, MS_NOEXEC, MOUNTS_NEEDED },
    };
    size_t found = 0;

    for (size_t i = 0; i < mounts_table_count; i++) {
        const struct mounts_entry *entry = &mounts_table[i];

        assert_true((entry->flags & MS_NOSUID) != 0);
        for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
            if (strcmp(cases[k].target, entry->target) != 0)
                continue;
            found++;
            assert_int_equal(entry->flags & hard & cases[k].wanted, cases[k].wanted);
            assert_int_equal(entry->flags & cases[k].unwanted, 0);
            assert_int_equal(entry->need, cases[k].need);
        }
    }
    assert_int_equal(found, ARRAY_SIZE(cases));
}

static void test_absence(void **state)
{
    assert_true(mounts_error_is_absence(-ENODEV));
    assert_true(mounts_error_is_absence(-ENOENT));
    assert_false(mounts_error_is_absence(-EPERM));
    assert_false(mounts_error_is_absence(-ENOMEM));
}

static void test_mountinfo(void **state)
{
    static const struct {
        const char *line;
        const char *target;
    } cases[] = {
        { "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2" },
        { "22 1 254:0 / / ro - erofs /dev/dm-0 ro", "/" },
        { "22 1 0:5 / /a\\040b\\011c\\012\\134 rw - tmpfs x rw", "/a b\tc\n\\" },
        { "22 1 0:5 / /\303\244 rw - tmpfs x rw", "/\303\244" },
        { "", NULL },
        { "22 1 0:5 /", NULL },
        { "22 1 0:5 / ", NULL },
        { "22 1 0:5 / /a", NULL },
        { "22 1 0:5 /  rw", NULL },
        { "22 1 0:5 / a rw", NULL },
        { "22 1 0:5 / /a\\04 rw", NULL },
        { "22 1 0:5 / /a\\ rw", NULL },
        { "22 1 0:5 / /a\\089 rw", NULL },
        { "22 1 0:5 / /a\\000 rw", NULL },
        { "22 1 0:5 / /a\\777 rw", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char target[MOUNTS_TARGET_SIZE];
        int r = mounts_parse_target(cases[i].line, strlen(cases[i].line), target);

        assert_int_equal(r, cases[i].target ? 0 : -EBADMSG);
        if (cases[i].target)
            assert_string_equal(target, cases[i].target);
    }
}

static void test_mountinfo_limit(void **state)
{
    static char line[MOUNTS_TARGET_SIZE + 64];
    char target[MOUNTS_TARGET_SIZE];
    size_t start = (size_t)snprintf(line, sizeof(line), "22 1 0:5 / /");

    memset(line + start, 'a', MOUNTS_TARGET_SIZE);
    line[start + MOUNTS_TARGET_SIZE - 2] = ' ';
    assert_int_equal(mounts_parse_target(line, start + MOUNTS_TARGET_SIZE - 1, target), 0);
    assert_int_equal(strlen(target), MOUNTS_TARGET_SIZE - 1);
    line[start + MOUNTS_TARGET_SIZE - 2] = 'a';
    line[start + MOUNTS_TARGET_SIZE - 1] = ' ';
    assert_int_equal(mounts_parse_target(line, start + MOUNTS_TARGET_SIZE, target), -EBADMSG);
}

static void test_kept(void **state)
{
    assert_true(mounts_is_kept("/"));
    assert_true(mounts_is_kept("/proc"));
    assert_true(mounts_is_kept("/dev"));
    assert_false(mounts_is_kept("/dev/pts"));
    assert_false(mounts_is_kept("/var"));
    assert_false(mounts_is_kept("/run/service"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_come_first),
        cmocka_unit_test(test_promises),
        cmocka_unit_test(test_absence),
        cmocka_unit_test(test_mountinfo),
        cmocka_unit_test(test_mountinfo_limit),
        cmocka_unit_test(test_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
