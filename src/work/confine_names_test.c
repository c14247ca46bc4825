#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "work/confine_names.h"

static void test_capabilities(void **state)
{
    (void)state;
    assert_int_equal(confine_capability_by_name("chown"), CAP_CHOWN);
    assert_int_equal(confine_capability_by_name("net_bind_service"), CAP_NET_BIND_SERVICE);
    assert_int_equal(confine_capability_by_name("sys_time"), CAP_SYS_TIME);
    assert_int_equal(confine_capability_by_name("syslog"), CAP_SYSLOG);
    assert_int_equal(confine_capability_by_name("checkpoint_restore"), CAP_CHECKPOINT_RESTORE);
    assert_int_equal(confine_capability_by_name("cap_chown"), -ENOENT);
    assert_int_equal(confine_capability_by_name("CHOWN"), -ENOENT);
    assert_int_equal(confine_capability_by_name(""), -ENOENT);
    for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
        assert_non_null(confine_capability_name(i));
        assert_int_equal(confine_capability_by_name(confine_capability_name(i)), i);
    }
    assert_null(confine_capability_name(CAP_LAST_CAP + 1));
}

static void test_syscalls(void **state)
{
    (void)state;
    assert_true(confine_syscall_is_known("@clock"));
    assert_true(confine_syscall_is_known("clock_settime"));
    assert_true(confine_syscall_is_known("read"));
    assert_false(confine_syscall_is_known("@clocks"));
    assert_false(confine_syscall_is_known("clock"));
    assert_false(confine_syscall_is_known("lookup_dcookie"));
    assert_false(confine_syscall_is_known(""));
    assert_null(confine_syscall_group_by_name("clock"));
}

/* What nobody gets without asking. */
static void test_dangerous_calls_are_asked_for(void **state)
{
    static const char *const dangerous[] = {
        "mount",
        "umount2",
        "pivot_root",
        "init_module",
        "finit_module",
        "kexec_load",
        "bpf",
        "ptrace",
        "keyctl",
        "add_key",
        "perf_event_open",
        "userfaultfd",
        "reboot",
        "swapon",
        "clock_settime",
        "settimeofday",
        "adjtimex",
        "process_vm_writev",
        "unshare",
        "setns",
        "open_by_handle_at",
        "io_uring_setup",
        "syslog",
        "iopl",
        "sethostname",
        "chroot",
        "fsopen",
        "move_mount",
        "setuid",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(dangerous); i++) {
        assert_true(confine_syscall_is_known(dangerous[i]));
        for (size_t g = 0; g < confine_syscall_group_count; g++) {
            for (const char *const *call = confine_syscall_groups[g].calls; *call; call++) {
                if (strcmp(*call, dangerous[i]) == 0)
                    assert_false(confine_syscall_groups[g].always);
            }
        }
    }
}

/* A call in two groups would be asked for in two ways. */
static void test_calls_have_one_group(void **state)
{
    (void)state;
    for (size_t g = 0; g < confine_syscall_group_count; g++) {
        const struct confine_syscall_group *group = &confine_syscall_groups[g];

        assert_int_equal(group->name[0], '@');
        assert_ptr_equal(confine_syscall_group_by_name(group->name), group);
        for (const char *const *call = group->calls; *call; call++) {
            size_t seen = 0;

            for (size_t h = 0; h < confine_syscall_group_count; h++) {
                for (const char *const *other = confine_syscall_groups[h].calls; *other; other++)
                    seen += strcmp(*call, *other) == 0;
            }
            assert_int_equal(seen, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_syscalls),
        cmocka_unit_test(test_dangerous_calls_are_asked_for),
        cmocka_unit_test(test_calls_have_one_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
