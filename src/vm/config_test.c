#include "vm/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct vm_config machine(void)
{
    struct vm_config config = vm_config_defaults();

    config.tree = "/tree";
    config.folder = "/state/node";
    config.keys = "/keys";
    return config;
}

static void check_refused(struct vm_config config, const char *word)
{
    struct failure f = FAILURE_NONE;

    assert_true(vm_config_check(&config, &f) < 0);
    assert_int_equal(f.code, CODE_VM_CONFIG);
    assert_non_null(strstr(f.text, word));
}

#define REFUSED(word, ...)                                                                         \
    do {                                                                                           \
        struct vm_config config = machine();                                                       \
        __VA_ARGS__;                                                                               \
        check_refused(config, word);                                                               \
    } while (0)

static void test_refusals(void **state)
{
    struct vm_config good = machine();
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(vm_config_check(&good, &f), 0);
    REFUSED("tree", config.tree = NULL);
    REFUSED("tree", config.tree = "relative");
    REFUSED("folder", config.folder = "relative");
    REFUSED("memory", config.memory_bytes = 0);
    REFUSED("memory", config.memory_bytes = 100 * MIB + 1);
    REFUSED("processors", config.cpus = VM_CPUS_MAX + 1);
    REFUSED("kernel", config.boot = VM_BOOT_DIRECT);
    REFUSED("direct boot", config.cmdline = "x");
    REFUSED("certificates", config.keys = NULL);
    REFUSED("virtual time", config.icount = true; config.accel = VM_ACCEL_KVM);
    REFUSED("SHA-256", config.forbidden_hashes[0] = "abc");
    REFUSED("serial", config.disks[0] = ((struct vm_disk){ .path = "/d", .serial = "a,b" }));
    REFUSED("serial", config.disks[0] = ((struct vm_disk){ .path = "/d", .serial = "" }));
    REFUSED("qcow2", config.disks[0] = ((struct vm_disk){ .path = "/d", .backing = "/b" }));
    REFUSED("network", config.forwards[0].guest_port = 22);
    REFUSED("network", config.ipv6_only = true);
    REFUSED("IPv4", config.network = VM_NETWORK_USER; config.ipv6_only = true;
            config.forwards[0].guest_port = 22);
    REFUSED("time", config.clock = "yesterday");
    REFUSED("time", config.clock = "2001-02-03T04:05:0,");
    REFUSED("block server", config.served = true);
    REFUSED("block server", config.served = true;
            config.disks[0] = ((struct vm_disk){ .path = "/d", .format = VM_DISK_QCOW2 }));
    REFUSED("block server", config.served = true;
            config.disks[0] = ((struct vm_disk){ .path = "/d", .read_only = true }));
    REFUSED("block server", config.served = true; config.boot = VM_BOOT_DIRECT;
            config.kernel = "/k"; config.disks[0] = ((struct vm_disk){ .path = "/d" }));
    REFUSED("boot index", config.disks[0] = ((struct vm_disk){ .path = "/d", .boot_index = -1 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
