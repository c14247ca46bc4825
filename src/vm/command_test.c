#include "vm/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct vm_command_fds fds = { 10, 11, 12 };

static struct vm_config machine(void)
{
    struct vm_config config = vm_config_defaults();

    config.tree = "/tree";
    config.folder = "/state/node";
    config.keys = "/keys";
    return config;
}

/* The value behind the `which`-th occurrence of an option, or NULL. */
static const char *value_of(const struct vm_command *c, const char *option, size_t which)
{
    for (size_t i = 0; i + 1 < c->arguments.count; i++) {
        if (strcmp(c->arguments.list[i], option) == 0 && which-- == 0)
            return c->arguments.list[i + 1];
    }
    return NULL;
}

static bool has_value(const struct vm_command *c, const char *option, const char *part)
{
    const char *value;

    for (size_t i = 0; (value = value_of(c, option, i)); i++) {
        if (strstr(value, part))
            return true;
    }
    return false;
}

static const char *bind_source(const struct vm_command *c, const char *target, bool *ret_read_only)
{
    for (size_t i = 0; i < SANDBOX_BINDS_MAX && c->sandbox.binds[i].source; i++) {
        if (strcmp(c->sandbox.binds[i].target, target) == 0) {
            *ret_read_only = c->sandbox.binds[i].read_only;
            return c->sandbox.binds[i].source;
        }
    }
    return "";
}

static void test_firmware(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };
    bool read_only;

    (void)state;
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    assert_string_equal(c.arguments.list[0], "qemu-system-x86_64");
    assert_string_equal(value_of(&c, "-accel", 0), "tcg,thread=multi");
    assert_string_equal(value_of(&c, "-m", 0), "1024M");
    assert_string_equal(value_of(&c, "-smp", 0), "1");
    assert_true(has_value(&c, "-machine", "smm=on"));
    assert_true(has_value(&c, "-global", "property=secure,value=on"));
    assert_true(has_value(&c, "-drive", "file=/vm/variables.fd"));
    assert_true(has_value(&c, "-chardev", "id=console,fd=10"));
    assert_true(has_value(&c, "-chardev", "id=monitor,fd=11"));
    assert_true(has_value(&c, "-chardev", "id=tpm,fd=12"));
    assert_true(has_value(&c, "-device", "i6300esb"));
    assert_true(has_value(&c, "-action", "watchdog=reset"));
    assert_false(has_value(&c, "-action", "reboot"));
    assert_null(value_of(&c, "-kernel", 0));
    assert_null(value_of(&c, "-netdev", 0));
    assert_string_equal(value_of(&c, "-display", 0), "none");
    assert_false(c.sandbox.network);
    assert_string_equal(bind_source(&c, "/vm", &read_only), "/state/node");
    assert_false(read_only);
}

static void test_direct(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };
    bool read_only;

    (void)state;
    config.boot = VM_BOOT_DIRECT;
    config.kernel = "/a,b/vmlinuz";
    config.initrd = "/a,b/initrd";
    config.cmdline = "one,two  three=\"4 5\"";
    config.tpm = false;
    config.watchdog = false;
    config.reboot_ends = true;
    assert_int_equal(vm_command_qemu(&config, true, &fds, &c), 0);
    assert_string_equal(value_of(&c, "-accel", 0), "kvm");
    assert_string_equal(value_of(&c, "-smp", 0), "2");
    assert_string_equal(value_of(&c, "-kernel", 0), "/in/kernel");
    assert_string_equal(value_of(&c, "-append", 0), config.cmdline); /* byte for byte */
    assert_string_equal(bind_source(&c, "/in/kernel", &read_only), "/a,b/vmlinuz");
    assert_true(read_only);
    assert_string_equal(bind_source(&c, "/in/initrd", &read_only), "/a,b/initrd");
    assert_null(value_of(&c, "-drive", 0)); /* no firmware */
    assert_null(value_of(&c, "-tpmdev", 0));
    assert_true(has_value(&c, "-action", "reboot=shutdown"));
    assert_false(has_value(&c, "-device", "i6300esb"));
}

static void test_virtual_time(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };

    (void)state;
    config.icount = true;
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    assert_string_equal(value_of(&c, "-accel", 0), "tcg,thread=single");
    assert_string_equal(value_of(&c, "-icount", 0), "shift=0,sleep=off");
    assert_true(has_value(&c, "-rtc", "clock=vm"));
}

static void test_disks(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };
    bool read_only;

    (void)state;
    config.disks[0] = (struct vm_disk){ .path = "/x/top.qcow2",
                                        .format = VM_DISK_QCOW2,
                                        .backing = "/x/base.raw",
                                        .snapshot = true,
                                        .boot_index = 1 };
    config.disks[1] =
        (struct vm_disk){ .path = "/x/data", .interface = VM_DISK_AHCI, .serial = "abc" };
    config.disks[2] = (struct vm_disk){ .path = "/x/cd.iso", .interface = VM_DISK_CDROM };
    config.disks[3] = (struct vm_disk){ .path = "/x/u1", .interface = VM_DISK_USB };
    config.disks[4] = (struct vm_disk){
        .path = "/x/u2", .interface = VM_DISK_USB, .read_only = true, .snapshot = true
    };
    config.disks[5] = (struct vm_disk){ .path = "/x/n", .interface = VM_DISK_NVME };
    assert_int_equal(vm_config_disk_count(&config), 6);
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    /* Bottom first, each standing on the one before. */
    assert_non_null(strstr(value_of(&c, "-blockdev", 0), "node-name=disk0-2,read-only=on"));
    assert_non_null(strstr(value_of(&c, "-blockdev", 0), "file.filename=/in/base0"));
    assert_non_null(strstr(value_of(&c, "-blockdev", 1), "node-name=disk0-1,read-only=on"));
    assert_non_null(strstr(value_of(&c, "-blockdev", 1), ",backing=disk0-2,"));
    assert_non_null(strstr(value_of(&c, "-blockdev", 2), "node-name=disk0-0,read-only=off"));
    assert_non_null(strstr(value_of(&c, "-blockdev", 2), "filename=/vm/disk0.snapshot.qcow2"));
    assert_true(has_value(&c, "-device",
                          "virtio-blk-pci,id=device0,drive=disk0-0,serial=disk0,bootindex=1"));
    assert_true(has_value(&c, "-device", "ide-hd,id=device1,drive=disk1-0,bus=ide.1,serial=abc"));
    assert_true(has_value(&c, "-device", "ide-cd,id=device2,drive=disk2-0,bus=ide.2"));
    assert_true(has_value(&c, "-device", "usb-storage,id=device4"));
    assert_true(has_value(&c, "-device", "nvme,id=device5,drive=disk5-0,serial=disk5"));
    (void)bind_source(&c, "/in/disk0", &read_only);
    assert_true(read_only); /* under a snapshot */
    (void)bind_source(&c, "/in/disk1", &read_only);
    assert_false(read_only);
    (void)bind_source(&c, "/in/disk2", &read_only);
    assert_true(read_only);
    /* One controller serves all USB disks. */
    {
        size_t controllers = 0;
        const char *value;

        for (size_t i = 0; (value = value_of(&c, "-device", i)); i++)
            controllers += strncmp(value, "qemu-xhci", 9) == 0;
        assert_int_equal(controllers, 1);
    }
}

static void test_served(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };

    (void)state;
    config.served = true;
    config.disks[0] = (struct vm_disk){ .path = "/x/a" };
    config.disks[1] = (struct vm_disk){ .path = "/x/b" };
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    assert_true(has_value(&c, "-blockdev",
                          "driver=nbd,node-name=disk0-0,server.type=unix,"
                          "server.path=/vm/blocks.sock,export=0"));
    assert_true(has_value(&c, "-drive",
                          "if=pflash,unit=1,format=raw,file=nbd+unix:///1?socket=/vm/blocks.sock"));
    assert_true(has_value(&c, "-device", "drive=disk0-0,"));
    assert_true(has_value(&c, "-device", "drive=disk1-0,"));
    assert_false(has_value(&c, "-blockdev", "filename=/in/disk0"));
    assert_true(has_value(&c, "-blockdev", "filename=/in/disk1"));
}

static void test_escaping_and_extras(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };

    (void)state;
    config.smbios[0] = "io.systemd.stub.kernel-cmdline-extra=a,b";
    config.smbios[1] = ",";
    config.extra[0] = "-name";
    config.extra[1] = "x";
    config.network = VM_NETWORK_RESTRICTED;
    config.display = true;
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    assert_string_equal(value_of(&c, "-smbios", 0),
                        "type=11,value=io.systemd.stub.kernel-cmdline-extra=a,,b");
    assert_string_equal(value_of(&c, "-smbios", 1), "type=11,value=,,");
    assert_string_equal(c.arguments.list[c.arguments.count - 2], "-name");
    assert_true(has_value(&c, "-netdev", "restrict=on"));
    assert_false(c.sandbox.network);
    assert_true(has_value(&c, "-display", "vnc=unix:/vm/display.sock"));
}

static void test_network(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };
    _cleanup_vm_command_ struct vm_command other = { .string_count = 0 };

    (void)state;
    config.network = VM_NETWORK_RESTRICTED;
    config.forwards[0] = (struct vm_forward){ .guest_port = 22 };
    config.forwards[1] = (struct vm_forward){ .udp = true, .guest_port = 53, .host_port = 5353 };
    config.clock = "2001-02-03T04:05:06";
    assert_int_equal(vm_config_check(&config, &(struct failure)FAILURE_NONE), 0);
    assert_int_equal(vm_command_qemu(&config, false, &fds, &c), 0);
    assert_string_equal(value_of(&c, "-netdev", 0),
                        "user,id=network,restrict=on,hostfwd=tcp:127.0.0.1:0-:22,"
                        "hostfwd=udp:127.0.0.1:5353-:53");
    assert_true(c.sandbox.network); /* or nobody could reach the port */
    assert_string_equal(value_of(&c, "-rtc", 0), "base=2001-02-03T04:05:06");
    config.forwards[0].guest_port = 0;
    config.ipv6_only = true;
    config.clock = NULL;
    assert_int_equal(vm_command_qemu(&config, false, &fds, &other), 0);
    assert_string_equal(value_of(&other, "-netdev", 0), "user,id=network,restrict=on,ipv4=off");
    assert_false(other.sandbox.network);
    assert_null(value_of(&other, "-rtc", 0));
}

static void test_overlay(void **state)
{
    struct vm_disk lower = { .path = "/o/disk.raw" };
    struct vm_disk upper = { .path = "/s/disk.qcow2",
                             .format = VM_DISK_QCOW2,
                             .backing = "/o/disk.raw" };
    _cleanup_vm_command_ struct vm_command first = { .string_count = 0 };
    _cleanup_vm_command_ struct vm_command second = { .string_count = 0 };
    bool read_only;

    (void)state;
    assert_int_equal(vm_command_overlay("/t", "/s", "disk.qcow2", &lower, &first), 0);
    assert_string_equal(value_of(&first, "-b", 0), "/in/base0");
    assert_string_equal(value_of(&first, "-F", 0), "raw");
    assert_int_equal(vm_command_overlay("/t", "/s", "snap.qcow2", &upper, &second), 0);
    assert_string_equal(value_of(&second, "-b", 0), "/in/base1");
    assert_string_equal(value_of(&second, "-F", 0), "qcow2");
    /* The name that the first overlay recorded leads to the same file. */
    assert_string_equal(bind_source(&second, "/in/base0", &read_only), "/o/disk.raw");
    assert_string_equal(bind_source(&second, "/in/base1", &read_only), "/s/disk.qcow2");
    assert_true(read_only);
}

static void test_swtpm(void **state)
{
    struct vm_config config = machine();
    _cleanup_vm_command_ struct vm_command c = { .string_count = 0 };

    (void)state;
    assert_int_equal(vm_command_swtpm(&config, 33, &c), 0);
    assert_string_equal(c.arguments.list[0], "swtpm");
    assert_string_equal(value_of(&c, "--ctrl", 0), "type=unixio,clientfd=33");
    assert_true(has_value(&c, "--tpmstate", "dir=/vm/tpm"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_firmware),     cmocka_unit_test(test_direct),
        cmocka_unit_test(test_virtual_time), cmocka_unit_test(test_disks),
        cmocka_unit_test(test_served),       cmocka_unit_test(test_escaping_and_extras),
        cmocka_unit_test(test_network),      cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_swtpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
