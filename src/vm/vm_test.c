/* Real machines: QEMU, OVMF and swtpm from the tools tree that BROCH_TREE names. */
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "sys/boot_entry.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "vm/block_journal.h"
#include "vm/block_server.h"
#include "vm/command.h"
#include "vm/fixture_test.h"
#include "vm/variable_store.h"
#include "vm/variables.h"

#define SECONDS(n) ((n)*NS_PER_S)

static void wait_for(struct vm *vm, const char *text, uint64_t seconds)
{
    struct vm_match match;

    OK(vm_wait_marker(vm, &text, 1, SECONDS(seconds), &match, &f));
    assert_non_null(strstr(match.line, text));
}

/* --- Network --- */

/* QEMU itself answers on the host's port, whatever the guest does with the connection. */
static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void test_forwards(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    struct vm *vm = NULL;
    uint16_t port = 0, other = 0;

    config.network = VM_NETWORK_RESTRICTED;
    config.forwards[0].guest_port = 22;
    config.forwards[1] = (struct vm_forward){ .udp = true, .guest_port = 22 };
    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    OK(vm_forwarded_port(vm, 0, &port, &f));
    OK(vm_forwarded_port(vm, 1, &other, &f));
    assert_true(port != 0 && other != 0);
    assert_int_equal(connect_to(port), 0);
    OK(vm_set_link(vm, false, &f));
    OK(vm_set_link(vm, true, &f));
    OK(vm_power_cut(vm, &f));
    assert_int_equal(connect_to(port), -ECONNREFUSED);
    /* Without a card there is no cable. */
    config.forwards[0].guest_port = 0;
    config.network = VM_NETWORK_NONE;
    OK(vm_configure(vm, &config, &f));
    OK(vm_start(vm, &f));
    assert_int_equal(vm_set_link(vm, false, &f), -EPROTO);
    vm_close(vm);
}

/* --- Direct boot --- */

static void test_start_type_end(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    static const char *const texts[] = { "never", "Linux version" };
    enum vm_end_reason reason;
    struct vm_match match;
    struct vm *vm = NULL;

    OK(vm_open(&config, &vm, &f));
    assert_false(vm_running(vm));
    OK(vm_start(vm, &f));
    OK(vm_wait_marker(vm, texts, 2, SECONDS(30), &match, &f));
    assert_int_equal(match.index, 1);
    assert_string_equal(match.line, "Linux version 0, not really");
    OK(vm_wait_prompt(vm, "login: ", SECONDS(10), &f));
    OK(vm_type(vm, "hello\n", &f));
    wait_for(vm, "hello", 10);
    OK(vm_type(vm, "p", &f));
    OK(vm_wait_end(vm, SECONDS(10), &reason, &f));
    assert_int_equal(reason, VM_END_POWEROFF);
    assert_false(vm_running(vm));
    assert_non_null(strstr(vm_console(vm), "login: hello\n"));
    vm_close(vm);
}

/* The end must be told from a deadline, and both from a match. */
static void test_deadline_and_end(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    const char *never = "this never comes";
    struct vm_match match;
    struct vm *vm = NULL;
    uint64_t before;

    OK(vm_open(&config, &vm, &f));
    assert_int_equal(vm_wait_marker(vm, &never, 1, SECONDS(9), &match, &f), -ESHUTDOWN);
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 30);
    assert_int_equal(vm_wait_marker(vm, &never, 1, SECONDS(1) / 10, &match, &f), -ETIMEDOUT);
    assert_int_equal(f.code, CODE_VM_DEADLINE);
    assert_true(vm_running(vm));
    OK(vm_type(vm, "p", &f));
    before = event_now_ns();
    assert_int_equal(vm_wait_marker(vm, &never, 1, SECONDS(60), &match, &f), -ESHUTDOWN);
    assert_int_equal(f.code, CODE_VM_ENDED);
    assert_non_null(strstr(f.text, "powered off"));
    assert_true(event_now_ns() - before < SECONDS(20));
    vm_close(vm);
}

static void test_resets_are_counted(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    enum vm_end_reason reason;
    struct vm *vm = NULL;

    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 30);
    OK(vm_type(vm, "r", &f));
    wait_for(vm, "Linux version", 30);
    OK(vm_reset(vm, &f));
    wait_for(vm, "Linux version", 30);
    assert_int_equal(vm_counts(vm).boots, 3);
    assert_int_equal(vm_counts(vm).guest_resets, 1);
    assert_int_equal(vm_counts(vm).host_resets, 1);
    OK(vm_power_cut(vm, &f));
    assert_int_equal(vm_end(vm), VM_END_CUT);
    config.reboot_ends = true;
    OK(vm_configure(vm, &config, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 30);
    OK(vm_type(vm, "r", &f));
    OK(vm_wait_end(vm, SECONDS(30), &reason, &f));
    assert_int_equal(reason, VM_END_REBOOT);
    assert_int_equal(vm_counts(vm).starts, 2);
    assert_int_equal(vm_counts(vm).boots, 4);
    vm_close(vm);
}

static void test_monitor(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    json_object *reply = NULL, *status;
    struct vm *vm = NULL;

    OK(vm_open(&config, &vm, &f));
    assert_int_equal(vm_qmp(vm, "query-status", NULL, &reply, &f), -ESHUTDOWN);
    OK(vm_start(vm, &f));
    OK(vm_qmp(vm, "query-status", NULL, &reply, &f));
    assert_true(json_object_object_get_ex(reply, "status", &status));
    assert_string_equal(json_object_get_string(status), "running");
    json_object_put(reply);
    assert_int_equal(vm_qmp(vm, "no-such-command", NULL, NULL, &f), -EPROTO);
    assert_non_null(strstr(f.text, "no-such-command"));
    OK(vm_stop(vm, 0, &f));
    assert_int_equal(vm_end(vm), VM_END_STOPPED);
    OK(vm_stop(vm, 0, &f)); /* again: fine */
    vm_close(vm);
}

/* A disk that is written through a snapshot stays as it was, over an overlay too. */
static void test_snapshot_leaves_the_disk(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    struct vm_disk base = { .path = place->kernel, .format = VM_DISK_RAW };
    _cleanup_free_ char *overlay = text_make("%s/disk.qcow2", place->machine);
    struct stat before, after;
    struct vm *vm = NULL;
    uint8_t padding[1024] = { 0 };
    FILE *file = fopen(place->kernel, "ae"); /* disks have whole sectors */

    assert_int_equal(fwrite(padding, 1, sizeof(padding), file), sizeof(padding));
    assert_int_equal(fclose(file), 0);
    OK(vm_open(&config, &vm, &f));
    OK(vm_disk_overlay(tree, place->machine, "disk.qcow2", &base, &f));
    assert_int_equal(stat(overlay, &before), 0);
    config.disks[0] = (struct vm_disk){
        .path = overlay, .format = VM_DISK_QCOW2, .backing = place->kernel, .snapshot = true
    };
    config.disks[1] = (struct vm_disk){ .path = place->kernel, .interface = VM_DISK_CDROM };
    config.disks[2] =
        (struct vm_disk){ .path = place->kernel, .interface = VM_DISK_USB, .snapshot = true };
    config.disks[3] =
        (struct vm_disk){ .path = place->kernel, .interface = VM_DISK_NVME, .snapshot = true };
    config.disks[4] = (struct vm_disk){
        .path = place->kernel, .interface = VM_DISK_AHCI, .read_only = false, .snapshot = true
    };
    OK(vm_configure(vm, &config, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 30);
    OK(vm_power_cut(vm, &f));
    assert_int_equal(stat(overlay, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    OK(vm_start(vm, &f)); /* the locks of the start before are gone */
    wait_for(vm, "Linux version", 30);
    vm_close(vm);
}

static void test_bad_argument_is_told(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    struct vm *vm = NULL;

    config.extra[0] = "-no-such-option";
    OK(vm_open(&config, &vm, &f));
    assert_true(vm_start(vm, &f) < 0);
    assert_int_equal(f.code, CODE_VM_START);
    assert_non_null(strstr(f.text, "no-such-option"));
    config.extra[0] = NULL;
    OK(vm_configure(vm, &config, &f));
    OK(vm_start(vm, &f)); /* nothing of the failed start is in the way */
    vm_close(vm);
}

static void test_virtual_time(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    struct vm *vm = NULL;

    config.icount = true;
    config.accel = VM_ACCEL_AUTO;
    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 60);
    vm_close(vm);
}

/* --- One at a time, and nothing behind --- */

static void test_busy(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    struct vm *vm = NULL, *second = NULL;

    OK(vm_open(&config, &vm, &f));
    assert_int_equal(vm_open(&config, &second, &f), -EWOULDBLOCK);
    assert_int_equal(f.code, CODE_VM_BUSY);
    assert_null(second);
    vm_close(vm);
    OK(vm_open(&config, &second, &f));
    vm_close(second);
}

/* Starts a machine with a TPM and then only waits, to be killed. */
__attribute__((noreturn)) static void run_until_killed(const struct place *place, int ready_fd)
{
    struct vm_config config = firmware_machine(place);
    const char *text = "BdsDxe";
    struct vm_match match;
    struct vm *vm = NULL;

    if (vm_open(&config, &vm, &f) < 0 || vm_start(vm, &f) < 0 ||
        vm_wait_marker(vm, &text, 1, SECONDS(60), &match, &f) < 0 || write(ready_fd, "r", 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

/* Every process of the machine inherits a pipe from us; it reads as ended when all are gone. */
static void test_nothing_survives_sigkill(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    int ready[2], alive[2];
    struct pollfd ended;
    struct vm *vm = NULL;
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
    assert_true(fcntl(alive[1], F_SETFD, 0) >= 0); /* inherited by all that is started */
    pid = fork();
    if (pid == 0)
        run_until_killed(place, ready[1]);
    (void)close(ready[1]);
    (void)close(alive[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    ended = (struct pollfd){ .fd = alive[0], .events = POLLIN };
    assert_int_equal(poll(&ended, 1, 0), 0); /* they do hold it */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(spawn_wait(pid), 128 + SIGKILL);
    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_int_equal(read(alive[0], &byte, 1), 0);
    OK(vm_open(&config, &vm, &f)); /* the lock went with it */
    vm_close(vm);
    (void)close(ready[0]);
    (void)close(alive[0]);
}

static void test_lost_tpm_is_an_end(void **state)
{
    struct place *place = *state;
    struct vm_config config = direct_machine(place);
    enum vm_end_reason reason;
    struct vm *vm = NULL;
    _cleanup_free_ char *blocker = text_make("%s/tpm", place->machine);

    config.tpm = true;
    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "Linux version", 30);
    OK(vm_type(vm, "p", &f));
    OK(vm_wait_end(vm, SECONDS(10), &reason, &f));
    assert_int_equal(reason, VM_END_POWEROFF); /* not "swtpm ended" */
    OK(file_remove_tree(blocker, &f));
    OK(file_write(blocker, "x", 1, 0600, &f)); /* a TPM that cannot keep its state */
    assert_true(vm_start(vm, &f) < 0);
    assert_int_equal(f.code, CODE_VM_START);
    vm_close(vm);
}

/* --- Firmware --- */

static void test_firmware_speaks_and_listens(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    struct vm *vm = NULL;

    config.network = VM_NETWORK_RESTRICTED;
    config.display = true;
    config.smbios[0] = "a,b=c";
    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "BdsDxe: No bootable option or device was found.", 60);
    wait_for(vm, "Press any key", 10);
    OK(vm_type(vm, " ", &f));
    OK(vm_wait_prompt(vm, "Boot Manager", SECONDS(20), &f));
    OK(vm_power_cut(vm, &f));
    vm_close(vm);
}

/* The firmware listens to the keyboard as it does to the serial line. */
static void test_keyboard(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    struct vm *vm = NULL;

    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    assert_int_equal(vm_press_keys(vm, "5%", &f), -EINVAL);
    wait_for(vm, "Press any key", 90);
    OK(vm_press_keys(vm, "\n", &f));
    OK(vm_wait_prompt(vm, "Boot Manager", SECONDS(20), &f));
    OK(vm_power_cut(vm, &f));
    vm_close(vm);
}

static size_t writes_to(const struct block_journal *journal, enum block_server_export export)
{
    size_t count = 0;

    for (size_t i = 0; i < journal->count; i++)
        count += journal->entries[i].kind == BLOCK_JOURNAL_WRITE &&
                 journal->entries[i].export == (uint32_t) export;
    return count;
}

/* What the tool says is what our reader of the flash says. */
static void expect_variable(const char *path, const uint8_t *flash, size_t size, const char *name,
                            const char *guid_text)
{
    _cleanup_free_ char *expected = NULL, *found = NULL;
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    struct variable_store store;
    struct variable variable;

    OK(vm_variables_get(tree, path, name, guid_text, &expected, &f));
    assert_int_equal(boot_entry_guid_parse(guid_text, guid), 0);
    assert_int_equal(variable_store_open(flash, size, &store), 0);
    assert_true(variable_store_find(&store, name, guid, &variable));
    found = malloc(2 * variable.size + 1);
    assert_non_null(found);
    hex_encode(variable.data, variable.size, found);
    assert_string_equal(found, expected);
}

/* A journal repeated on the former flash gives the flash that the firmware left; a disk that it
 * only looks at has no writes in it. */
static void test_served(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    _cleanup_free_ char *disk = text_make("%s/disk.raw", place->folder);
    _cleanup_free_ char *flash = text_make("%s/%s", place->machine, vm_variables_name(&config));
    _cleanup_free_ char *former = text_make("%s/former.fd", place->folder);
    _cleanup_free_ char *socket = text_make("%s/" BLOCK_SERVER_SOCKET, place->machine);
    _cleanup_free_ char *path = text_make("%s/journal", place->folder);
    const struct block_server_config blocks = { .socket = socket,
                                                .journal = path,
                                                .exports = { disk, flash } };
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    _cleanup_free_ uint8_t *repeated = NULL, *left = NULL;
    _cleanup_close_ int fd = -1;
    size_t size, left_size;
    struct vm *vm = NULL;
    pid_t server;

    OK(file_write(disk, "", 0, 0600, &f));
    assert_int_equal(truncate(disk, 1 << 20), 0);
    config.served = true;
    config.disks[0] = (struct vm_disk){ .path = disk, .format = VM_DISK_RAW };
    OK(vm_open(&config, &vm, &f));
    OK(file_copy(flash, former, 0600, &f));
    OK(block_server_start(&blocks, &server, &f));
    OK(vm_start(vm, &f));
    wait_for(vm, "BdsDxe: No bootable option or device was found.", 60);
    OK(vm_power_cut(vm, &f));
    block_server_stop(server);
    OK(block_journal_open(path, &journal, &f));
    assert_int_equal(writes_to(&journal, BLOCK_SERVER_DISK), 0);
    assert_true(writes_to(&journal, BLOCK_SERVER_VARIABLES) > 0);
    fd = open(former, O_RDWR | O_CLOEXEC);
    OK(block_journal_apply(&journal, BLOCK_SERVER_VARIABLES, 0, journal.count, fd, &f));
    OK(file_read(former, SIZE_MAX / 2, &repeated, &size, &f));
    OK(file_read(flash, SIZE_MAX / 2, &left, &left_size, &f));
    assert_int_equal(size, left_size);
    assert_memory_equal(repeated, left, size);
    expect_variable(flash, left, size, "BootOrder", VM_GUID_GLOBAL);
    vm_close(vm);
}

static void test_enrolled_keys(void **state)
{
    static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    _cleanup_free_ char *path = NULL, *hex = NULL, *dbx = NULL, *kek = NULL;
    struct vm *vm = NULL;

    make_keys(place);
    config.secure_boot = true;
    config.keys = place->keys;
    config.forbidden_hashes[0] = hash;
    OK(vm_open(&config, &vm, &f));
    path = text_make("%s/%s", place->machine, vm_variables_name(&config));
    OK(vm_variables_get(tree, path, "dbx", VM_GUID_SECURITY, &dbx, &f));
    assert_non_null(strstr(dbx, hash));
    OK(vm_variables_get(tree, path, "KEK", VM_GUID_GLOBAL, &kek, &f));
    assert_int_equal(vm_variables_get(tree, path, "Nothing", VM_GUID_GLOBAL, &hex, &f), -ENOENT);
    OK(vm_start(vm, &f));
    wait_for(vm, "BdsDxe", 60);
    OK(vm_power_cut(vm, &f));
    /* The firmware found PK and left setup mode: it made what it makes only then. */
    OK(vm_variables_get(tree, path, "SecureBootEnable", "f0a30bc7-af08-4556-99c4-001009c93a44",
                        &hex, &f));
    assert_string_equal(hex, "01");
    vm_close(vm);
}

static void test_boot_entries(void **state)
{
    static const uint8_t partition[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    static const uint16_t order[] = { 0x0003 };
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    struct vm_boot_entry entry = { .number = 0x0007,
                                   .description = "Broch trial",
                                   .partition = partition,
                                   .file = "\\EFI\\broch\\linux.efi",
                                   .options = "injected=1" };
    _cleanup_free_ char *path = NULL, *hex = NULL;
    struct vm *vm = NULL;

    OK(vm_open(&config, &vm, &f));
    path = text_make("%s/%s", place->machine, vm_variables_name(&config));
    OK(vm_variables_set_boot_entry(tree, path, &entry, &f));
    entry.number = 0x0003;
    entry.partition = NULL;
    entry.description = "Broch any";
    entry.options = NULL;
    OK(vm_variables_set_boot_entry(tree, path, &entry, &f));
    OK(vm_variables_set_boot_order(tree, path, order, 1, &f));
    OK(vm_variables_set_boot_next(tree, path, 7, &f));
    OK(vm_variables_get(tree, path, "BootNext", VM_GUID_GLOBAL, &hex, &f));
    assert_string_equal(hex, "0700");
    OK(vm_start(vm, &f));
    wait_for(vm, "Boot0007 \"Broch trial\"", 60);
    wait_for(vm, "Boot0003 \"Broch any\"", 60);
    OK(vm_power_cut(vm, &f));
    free(take_ptr(hex)); /* the firmware used it up */
    assert_int_equal(vm_variables_get(tree, path, "BootNext", VM_GUID_GLOBAL, &hex, &f), -ENOENT);
    OK(vm_variables_delete(tree, path, "Boot0003", &f));
    assert_int_equal(vm_variables_get(tree, path, "Boot0003", VM_GUID_GLOBAL, &hex, &f), -ENOENT);
    vm_close(vm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_forwards),
        TEST(test_start_type_end),
        TEST(test_deadline_and_end),
        TEST(test_resets_are_counted),
        TEST(test_monitor),
        TEST(test_snapshot_leaves_the_disk),
        TEST(test_bad_argument_is_told),
        TEST(test_virtual_time),
        TEST(test_busy),
        TEST(test_nothing_survives_sigkill),
        TEST(test_lost_tpm_is_an_end),
        TEST(test_firmware_speaks_and_listens),
        TEST(test_keyboard),
        TEST(test_served),
        TEST(test_enrolled_keys),
        TEST(test_boot_entries),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* while working on one of them */
    if (!fixture_tree())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
