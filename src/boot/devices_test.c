/* Coldplug and uevents, on a folder that looks like /sys/bus and a socket that speaks like the
 * kernel's. */
#include "boot/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/line.h"
#include "sys/mount.h"

static const char table[] = "load always.ko\n"
                            "alias pci:v1* scsi.ko disk.ko\n"
                            "alias usb:v2* usb.ko\n"
                            "alias cpu:* hash.ko\n"
                            "alias broch:slot fat.ko loop.ko\n";

/* What the double of the loader saw, and at which call it fails. */
static char loaded_text[512];
static struct line loaded;
static unsigned calls, fail_at;
static int fail_with;
static char reported[64];

static char folder[] = "/tmp/devices_test.XXXXXX";
static struct devices devices;
static int kernel_end;

static int load_double(int folder_fd, const char *name)
{
    (void)folder_fd;
    line_addf(&loaded, "%s ", name);
    return ++calls == fail_at ? fail_with : 0;
}

static void report_double(const char *name, int error, void *context)
{
    assert_ptr_equal(context, &devices);
    (void)snprintf(reported, sizeof(reported), "%s %d", name, error);
}

static void write_device(const char *bus, const char *name, const char *modalias)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/bus", folder);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/bus/%s", folder, bus);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/bus/%s/devices", folder, bus);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/bus/%s/devices/%s", folder, bus, name);
    assert_int_equal(mkdir(path, 0700), 0);
    if (!modalias)
        return;
    (void)snprintf(path, sizeof(path), "%s/bus/%s/devices/%s/modalias", folder, bus, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", modalias) > 0);
    assert_int_equal(fclose(file), 0);
}

/* As sysfs has it: the processors are devices without a modalias, which their folder has. */
static void write_processor(void)
{
    static const char *const folders[] = { "devices", "devices/system", "devices/system/cpu" };
    char path[128];
    FILE *file;

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/devices/system/cpu/modalias", folder);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "cpu:type:x86\n") > 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up_group(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    write_processor();
    write_device("cpu", "cpu0", NULL);
    write_device("pci", "0000:00:01.0", "pci:v1d2");
    write_device("pci", "0000:00:02.0", "pci:v9d9");
    write_device("pci", "0000:00:03.0", NULL);
    return 0;
}

static int tear_down_group(void **unused)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    if (fd < 0)
        return -1;
    mount_empty_folder(fd);
    return rmdir(folder);
}

static int set_up(void **unused)
{
    struct failure f = FAILURE_NONE;
    char bus[64];
    int ends[2];

    (void)unused;
    loaded = line_make(loaded_text, sizeof(loaded_text));
    calls = fail_at = 0;
    reported[0] = '\0';
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    kernel_end = ends[1];
    devices.load = load_double;
    devices.report = report_double;
    devices.report_context = &devices;
    (void)snprintf(bus, sizeof(bus), "%s/bus", folder);
    devices.bus_fd = open(bus, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    devices.folder_fd = -1;
    devices.uevent_fd = ends[0];
    return devices_start(&devices, table, strlen(table), &f);
}

static int tear_down(void **unused)
{
    (void)unused;
    return close(devices.bus_fd) < 0 || close(devices.uevent_fd) < 0 || close(kernel_end) < 0;
}

static void say(const void *message, size_t size)
{
    assert_int_equal(send(kernel_end, message, size, 0), size);
}

static void test_always(void **unused)
{
    struct failure f = FAILURE_NONE;

    (void)unused;
    assert_int_equal(devices_load_always(&devices, &f), 0);
    assert_int_equal(devices_request(&devices, INITRD_REQUEST_SLOT, &f), 0);
    assert_int_equal(devices_request(&devices, "broch:other", &f), 0);
    assert_int_equal(devices_load_always(&devices, &f), 0); /* not twice */
    assert_string_equal(loaded_text, "always.ko fat.ko loop.ko ");
}

/* Each call fails once, in every way that counts. */
static void test_request_fails(void **unused)
{
    static const int errors[] = { -EKEYREJECTED, -ENOENT, -ENOEXEC, -EEXIST, -ENODEV };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        for (unsigned n = 1; n <= 2; n++) {
            bool fine = errors[i] == -EEXIST || errors[i] == -ENODEV;
            struct failure f = FAILURE_NONE;

            devices.tried_count = 0;
            calls = 0;
            fail_at = n;
            fail_with = errors[i];
            assert_int_equal(devices_request(&devices, INITRD_REQUEST_SLOT, &f),
                             fine ? 0 : errors[i]);
            if (!fine) {
                assert_int_equal(f.code, CODE_BOOT_MODULE);
                assert_non_null(strstr(f.text, n == 1 ? "fat.ko" : "loop.ko"));
            }
        }
    }
}

static void test_coldplug(void **unused)
{
    (void)unused;
    assert_int_equal(devices_coldplug(&devices), 0);
    assert_non_null(strstr(loaded_text, "scsi.ko disk.ko "));
    assert_int_equal(calls, 2);
    assert_int_equal(devices_coldplug(&devices), 0); /* again, nothing new */
    assert_int_equal(calls, 2);
}

static void test_coldplug_bus(void **unused)
{
    (void)unused;
    devices_coldplug_bus(&devices, "pci");
    assert_string_equal(loaded_text, "scsi.ko disk.ko ");
    devices_coldplug_bus(&devices, "none");
    assert_string_equal(loaded_text, "scsi.ko disk.ko ");
}

static void test_processor(void **unused)
{
    (void)unused;
    devices_load_processor(&devices);
    assert_string_equal(loaded_text, "hash.ko ");
}

/* A device's driver that cannot be loaded is told, and the rest goes on. */
static void test_coldplug_fails(void **unused)
{
    (void)unused;
    fail_at = 1;
    fail_with = -EKEYREJECTED;
    devices_coldplug_bus(&devices, "pci");
    assert_string_equal(loaded_text, "scsi.ko disk.ko ");
    assert_string_equal(reported, "scsi.ko -129");
}

static void test_events(void **unused)
{
    static const char usb[] = "add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0MODALIAS=usb:v2p3";
    static const char gone[] = "remove@/devices/x\0ACTION=remove\0MODALIAS=pci:v1";
    static const char disk[] = "add@/devices/y\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda";

    (void)unused;
    assert_int_equal(devices_settle(&devices), 0);
    say(usb, sizeof(usb));
    say(gone, sizeof(gone));
    say("rubbish", 7);
    assert_int_equal(devices_wait(&devices, 0), 1);
    assert_int_equal(devices_settle(&devices), 0);
    assert_string_equal(loaded_text, "usb.ko ");
    say(disk, sizeof(disk));
    assert_int_equal(devices_settle(&devices), 1);
    assert_int_equal(devices_wait(&devices, 0), 0);
}

/* After lost events sysfs is asked again. */
static void test_overrun(void **unused)
{
    (void)unused;
    devices.overrun = true;
    assert_int_equal(devices_settle(&devices), 1);
    assert_false(devices.overrun);
    assert_int_equal(calls, 2);
}

static void test_too_many(void **unused)
{
    struct failure f = FAILURE_NONE;

    (void)unused;
    devices.tried_count = INITRD_FILE_COUNT_MAX;
    memset(devices.tried, 0, sizeof(devices.tried));
    assert_int_equal(devices_load_always(&devices, &f), -ERANGE);
    assert_int_equal(calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_always, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_coldplug, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_coldplug_bus, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_processor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_coldplug_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
