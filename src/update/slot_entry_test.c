/* On an ordinary folder, as a copy of a variable store. */
#include "update/slot_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/boot_manager.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "sys/test_folder.h"

static const struct slot_device slot_b = { .letter = 'B',
                                           .uuid = "22222222-2222-4222-8222-222222222222",
                                           .number = 2,
                                           .first_block = 100,
                                           .block_count = 50 };
static const struct boot_partition slot_a = { .guid = { 0xaa }, .number = 1 };
static const struct slot_devices slots = {
    .running = { .letter = 'B', .uuid = "22222222-2222-4222-8222-222222222222" },
    .other = { .letter = 'A', .uuid = "000000aa-0000-0000-0000-000000000000" },
};
static int folder_fd = -1;
static struct boot_manager manager;

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    if (folder_fd >= 0)
        (void)close(folder_fd); /* of the test before */
    if (file_remove_tree("vars", &f) < 0 || file_make_folders("vars", &f) < 0)
        return -1;
    folder_fd = open("vars", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0 ? -1 : 0;
}

static int next_number(void)
{
    uint8_t bytes[2];
    int size = efivars_read(folder_fd, "BootNext", EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));

    return size == 2 ? bytes[0] | bytes[1] << 8 : -1;
}

static const struct boot_manager_entry *find_b(void)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];

    assert_int_equal(boot_entry_guid_parse(slot_b.uuid, guid), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    return boot_manager_find(&manager, guid);
}

/* An entry for slot B under number 2, started next. */
static void try_b(void)
{
    struct boot_partition partition = { .number = slot_b.number,
                                        .first_block = slot_b.first_block,
                                        .block_count = slot_b.block_count };

    assert_int_equal(boot_entry_guid_parse(slot_b.uuid, partition.guid), 0);
    assert_int_equal(boot_manager_write_entry(folder_fd, 2, "Broch B", &partition), 0);
    assert_int_equal(boot_manager_write_next(folder_fd, 2), 0);
}

static void test_withdraw(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(slot_entry_withdraw(folder_fd, &slot_b, &f), 0); /* nothing there */
    assert_int_equal(boot_manager_write_entry(folder_fd, 0, "Broch A", &slot_a), 0);
    try_b();
    assert_int_equal(slot_entry_withdraw(folder_fd, &slot_b, &f), 0);
    assert_null(find_b());
    assert_int_equal(manager.count, 1);
    assert_int_equal(next_number(), -1);
    assert_int_equal(manager.order_count, 0);
    /* BootNext of another stays. */
    try_b();
    assert_int_equal(boot_manager_write_next(folder_fd, 0), 0);
    assert_int_equal(slot_entry_withdraw(folder_fd, &slot_b, &f), 0);
    assert_int_equal(next_number(), 0);
}

/* A confirmed slot that is to be overwritten: whatever gets its number is not in the order. */
static void test_withdraw_from_order(void **state)
{
    static const uint16_t order[] = { 7, 2, 0, 2 }, alone[] = { 2 };
    struct failure f = FAILURE_NONE;
    bool trial = false;

    (void)state;
    assert_int_equal(boot_manager_write_entry(folder_fd, 0, "Broch A", &slot_a), 0);
    try_b();
    assert_int_equal(boot_manager_write_order(folder_fd, order, 4), 0);
    assert_int_equal(slot_entry_withdraw(folder_fd, &slot_b, &f), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(manager.order_count, 2);
    assert_int_equal(manager.order[0], 7);
    assert_int_equal(manager.order[1], 0);
    try_b();
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_true(trial);
    assert_int_equal(boot_manager_write_order(folder_fd, alone, 1), 0);
    assert_int_equal(slot_entry_withdraw(folder_fd, &slot_b, &f), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(manager.order_count, 0);
}

static void test_trial(void **state)
{
    static const uint16_t order[] = { 7, 2 }, other_first[] = { 0, 2 }, own_first[] = { 2, 0 };
    struct failure f = FAILURE_NONE;
    bool trial = true;

    (void)state;
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_false(trial); /* a new disk */
    assert_int_equal(slot_entry_exists(folder_fd, &slot_b, &trial, &f), 0);
    assert_false(trial);
    try_b();
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_true(trial);
    assert_int_equal(slot_entry_exists(folder_fd, &slot_b, &trial, &f), 0);
    assert_true(trial);
    assert_int_equal(boot_manager_write_order(folder_fd, order, 2), 0);
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_false(trial);
    /* Both are in the order, as after a second update or a rollback. */
    assert_int_equal(boot_manager_write_entry(folder_fd, 0, "Broch A", &slot_a), 0);
    assert_int_equal(boot_manager_write_order(folder_fd, other_first, 2), 0);
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_true(trial);
    assert_int_equal(boot_manager_write_order(folder_fd, own_first, 2), 0);
    assert_int_equal(slot_entry_is_trial(folder_fd, &slots, &trial, &f), 0);
    assert_false(trial);
    assert_true(slot_entry_is_trial(-1, &slots, &trial, &f) < 0);
}

static void test_refused(void **state)
{
    struct slot_device bad = slot_b;
    struct failure f = FAILURE_NONE;

    (void)state;
    bad.uuid[0] = 'x';
    assert_true(slot_entry_withdraw(folder_fd, &bad, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_ENTRY);
    assert_true(slot_entry_withdraw(-1, &slot_b, &f) < 0);
    assert_string_equal(f.text, "cannot remove the boot entry of slot B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_withdraw, reset),
        cmocka_unit_test_setup(test_withdraw_from_order, reset),
        cmocka_unit_test_setup(test_trial, reset),
        cmocka_unit_test_setup(test_refused, reset),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
