#include "vm/folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "vm/command.h"
#include "vm/fixture_test.h"
#include "vm/variables.h"

static void test_lock(void **state)
{
    struct place *place = *state;
    struct stat status;
    int first = -1, second = -1;

    OK(vm_folder_lock(place->machine, &first, &f));
    assert_int_equal(stat(place->machine, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700); /* the TPM's secrets lie here */
    assert_int_equal(vm_folder_lock(place->machine, &second, &f), -EWOULDBLOCK);
    assert_int_equal(f.code, CODE_VM_BUSY);
    assert_int_equal(second, -1);
    (void)close(first);
    OK(vm_folder_lock(place->machine, &second, &f));
    (void)close(second);
}

static void test_last_line(void **state)
{
    static const struct {
        const char *content;
        const char *line;
    } cases[] = {
        { "", "" },
        { "\n\n", "" },
        { "one", "one" },
        { "one\ntwo\n", "two" },
        { "one\r\n\r\n", "one" },
    };
    struct place *place = *state;
    char line[VM_LOG_LINE_MAX], longest[2 * VM_LOG_LINE_MAX];
    _cleanup_free_ char *path = text_make("%s/log", place->folder);

    vm_folder_last_line(place->folder, "log", line);
    assert_string_equal(line, ""); /* no such file */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OK(file_write(path, cases[i].content, strlen(cases[i].content), 0600, &f));
        vm_folder_last_line(place->folder, "log", line);
        assert_string_equal(line, cases[i].line);
    }
    memset(longest, 'x', sizeof(longest));
    OK(file_write(path, longest, sizeof(longest), 0600, &f));
    vm_folder_last_line(place->folder, "log", line);
    assert_int_equal(strlen(line), VM_LOG_LINE_MAX - 1);
}

/* The store is kept while the keys are the same, and made anew for others. */
static void test_other_keys(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    _cleanup_free_ char *path = NULL, *kept = NULL, *gone = NULL;
    struct vm_variable mine = { "Mine", VM_GUID_GLOBAL, VM_VARIABLE_NON_VOLATILE | VM_VARIABLE_BOOT,
                                "abcd" };
    int lock;

    make_keys(place);
    config.secure_boot = true;
    config.keys = place->keys;
    OK(vm_folder_lock(place->machine, &lock, &f));
    OK(vm_folder_prepare(&config, &f));
    path = text_make("%s/%s", place->machine, vm_variables_name(&config));
    OK(vm_variables_set(tree, path, &mine, &f));
    OK(vm_folder_prepare(&config, &f));
    OK(vm_variables_get(tree, path, "Mine", VM_GUID_GLOBAL, &kept, &f));
    assert_string_equal(kept, "abcd");
    make_keys(place); /* others */
    OK(vm_folder_prepare(&config, &f));
    assert_int_equal(vm_variables_get(tree, path, "Mine", VM_GUID_GLOBAL, &gone, &f), -ENOENT);
    (void)close(lock);
}

/* Both stores, their notes and the TPM go; the disk stays. */
static void test_forget(void **state)
{
    static const char *const names[] = { "variables.fd", "variables.fd.keys", "variables-setup.fd",
                                         "variables-setup.fd.keys", "tpm/tpm2-00.permall" };
    struct place *place = *state;
    _cleanup_free_ char *tpm = text_make("%s/tpm", place->machine);
    _cleanup_free_ char *disk = text_make("%s/disk.qcow2", place->machine);

    OK(file_make_folders(tpm, &f));
    OK(file_write(disk, "x", 1, 0600, &f));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", place->machine, names[i]);

        OK(file_write(path, "x", 1, 0600, &f));
    }
    OK(vm_folder_forget(place->machine, &f));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", place->machine, names[i]);

        assert_false(file_exists(path));
    }
    assert_true(file_exists(disk));
    OK(vm_folder_forget(place->machine, &f)); /* nothing there: fine */
}

static void test_bad_keys(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    _cleanup_free_ char *path = NULL, *certificate = text_make("%s/db.crt", place->keys);
    int lock;

    config.secure_boot = true;
    config.keys = place->keys;
    OK(vm_folder_lock(place->machine, &lock, &f));
    assert_true(vm_folder_prepare(&config, &f) < 0); /* no folder of keys */
    assert_int_equal(f.code, CODE_KEYS_BAD);
    make_keys(place);
    OK(file_write(certificate, "no certificate", 14, 0600, &f));
    assert_true(vm_folder_prepare(&config, &f) < 0);
    assert_int_equal(f.code, CODE_KEYS_BAD);
    path = text_make("%s/%s", place->machine, vm_variables_name(&config));
    assert_false(file_exists(path)); /* no half store */
    (void)close(lock);
}

static void test_snapshots(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    _cleanup_free_ char *path = text_make("%s/disk1.snapshot.qcow2", place->machine);
    char name[VM_SNAPSHOT_NAME_MAX];

    vm_snapshot_name(1, name);
    assert_non_null(strstr(path, name));
    config.disks[0] =
        (struct vm_disk){ .path = place->kernel, .read_only = true, .snapshot = true };
    config.disks[1] = (struct vm_disk){ .path = place->kernel, .snapshot = true };
    OK(file_make_folders(place->machine, &f));
    OK(vm_folder_make_snapshots(&config, &f));
    assert_true(file_exists(path));
    vm_folder_drop_snapshots(&config);
    assert_false(file_exists(path));
    vm_folder_drop_snapshots(&config); /* nothing there: fine */
    config.disks[1].path = "/no/such/disk";
    assert_true(vm_folder_make_snapshots(&config, &f) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lock),   TEST(test_last_line), TEST(test_other_keys),
        TEST(test_forget), TEST(test_bad_keys),  TEST(test_snapshots),
    };

    return fixture_tree() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
