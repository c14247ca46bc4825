/* On an ordinary folder, as a copy of a variable store: entries, order and attempts. The files of
 * slots are seen by the VM tests. */
#include "update/confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot/attempts.h"
#include "sys/boot_manager.h"
#include "sys/efivars.h"
#include "sys/file.h"

static const struct slot_devices slots = {
    .running = { .letter = 'A',
                 .uuid = "11111111-1111-4111-8111-111111111111",
                 .number = 1,
                 .first_block = 50,
                 .block_count = 50 },
    .other = { .letter = 'B',
               .uuid = "22222222-2222-4222-8222-222222222222",
               .number = 2,
               .first_block = 100,
               .block_count = 50 },
};
static const struct boot_partition foreign = { .guid = { 0xff }, .number = 9 };
static char folder[] = "/tmp/broch-confirm-XXXXXX";
static struct confirm confirm = { .slots = &slots };
static struct boot_manager manager;
static struct failure f;

static int setup(void **state)
{
    (void)state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    confirm.efivars_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return confirm.efivars_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)close(confirm.efivars_fd);
    return file_remove_tree(folder, &f);
}

static void read_guid(const struct slot_device *slot, uint8_t *ret)
{
    assert_int_equal(boot_entry_guid_parse(slot->uuid, ret), 0);
}

static const struct boot_manager_entry *entry_of(const struct slot_device *slot)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];

    read_guid(slot, guid);
    assert_int_equal(boot_manager_read(confirm.efivars_fd, &manager), 0);
    return boot_manager_find(&manager, guid);
}

static void put_entry(uint16_t number, const struct slot_device *slot)
{
    struct boot_partition partition = { .number = slot->number,
                                        .first_block = slot->first_block,
                                        .block_count = slot->block_count };

    read_guid(slot, partition.guid);
    assert_int_equal(boot_manager_write_entry(confirm.efivars_fd, number, "x", &partition), 0);
}

static void put_attempts(unsigned own_count, unsigned other_count, bool other_failed)
{
    struct attempts a = { .slots = { { .count = (uint8_t)own_count },
                                     { .count = (uint8_t)other_count, .failed = other_failed } } };
    uint8_t bytes[ATTEMPTS_SIZE];

    read_guid(&slots.running, a.slots[0].guid);
    read_guid(&slots.other, a.slots[1].guid);
    attempts_encode(&a, bytes);
    assert_int_equal(efivars_write(confirm.efivars_fd, EFIVARS_ATTEMPTS, bytes, sizeof(bytes)), 0);
}

static struct attempts get_attempts(void)
{
    uint8_t bytes[ATTEMPTS_SIZE];
    struct attempts a;
    int size = efivars_read(confirm.efivars_fd, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, bytes,
                            sizeof(bytes));

    attempts_decode(bytes, size < 0 ? 0 : (size_t)size, &a);
    return a;
}

static int next_number(void)
{
    uint8_t bytes[2];
    int size =
        efivars_read(confirm.efivars_fd, "BootNext", EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));

    return size == 2 ? bytes[0] | bytes[1] << 8 : -1;
}

static void test_start_other(void **state)
{
    static const uint16_t order[] = { 0, 1 };
    const struct boot_manager_entry *entry;

    (void)state;
    put_entry(0, &slots.running);
    assert_int_equal(boot_manager_write_entry(confirm.efivars_fd, 1, "Other", &foreign), 0);
    assert_int_equal(boot_manager_write_order(confirm.efivars_fd, order, 2), 0);
    assert_int_equal(confirm_start_other(&confirm, &f), 0);
    entry = entry_of(&slots.other);
    assert_non_null(entry);
    assert_int_equal(entry->number, 2);
    assert_string_equal(entry->description, "Broch B");
    assert_int_equal(entry->partition.first_block, 100);
    assert_int_equal(next_number(), 2);
    assert_int_equal(manager.order_count, 2); /* as it was: on trial nothing is kept */
    /* Once more: the same number. */
    assert_int_equal(confirm_start_other(&confirm, &f), 0);
    assert_int_equal(entry_of(&slots.other)->number, 2);
    assert_int_equal(manager.count, 3);
}

/* What failed there before says nothing about what is there now: with the mark of an earlier update
 * a second failure would halt the machine instead of leading back. */
static void test_forgiven(void **state)
{
    struct attempts a;

    (void)state;
    put_entry(0, &slots.running);
    put_attempts(1, ATTEMPTS_MAX, true);
    assert_int_equal(confirm_attempts(&confirm, false, &f), 0);
    a = get_attempts();
    assert_int_equal(a.slots[0].count, 0);
    assert_true(a.slots[1].failed); /* until another generation is written there */
    assert_int_equal(confirm_start_other(&confirm, &f), 0);
    a = get_attempts();
    assert_false(a.slots[1].failed);
    assert_int_equal(a.slots[1].count, 0);
}

/* Also with nothing there before, the pair is named: stage 1 knows the other slot from it alone. */
static void test_pair(void **state)
{
    uint8_t guid[ATTEMPTS_GUID_SIZE];
    struct attempts a;

    (void)state;
    assert_int_equal(efivars_write(confirm.efivars_fd, EFIVARS_REASON, "slot=A old", 10), 0);
    assert_int_equal(confirm_attempts(&confirm, false, &f), 0);
    a = get_attempts();
    assert_true(attempts_is_pair(&a));
    read_guid(&slots.other, guid);
    assert_int_equal(attempts_find(&a, guid), 1);
    assert_int_equal(
        efivars_read(confirm.efivars_fd, EFIVARS_REASON, EFIVARS_GUID_BROCH, guid, sizeof(guid)),
        -ENOENT);
}

/* Only the BootNext that stage 1 set at the last start without a verdict is taken back. */
static void test_next_taken_back(void **state)
{
    (void)state;
    assert_int_equal(boot_manager_write_next(confirm.efivars_fd, 5), 0);
    put_attempts(1, 0, false);
    assert_int_equal(confirm_attempts(&confirm, false, &f), 0);
    assert_int_equal(next_number(), 5);
    put_attempts(ATTEMPTS_MAX, 0, false);
    assert_int_equal(confirm_attempts(&confirm, false, &f), 0);
    assert_int_equal(next_number(), -1);
}

/* As the menu of a firmware does it: the value begins with the attributes (UEFI 2.10, 3.1.3). */
static void switch_off(const char *name)
{
    uint8_t bytes[1024];
    int size = efivars_read(confirm.efivars_fd, name, EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));

    assert_true(size > 4);
    bytes[0] &= 0xfe;
    assert_int_equal(efivars_write_global(confirm.efivars_fd, name, bytes, (size_t)size), 0);
}

static void test_first_and_listed(void **state)
{
    static const uint16_t own_first[] = { 4, 7, 3 }, other_first[] = { 7, 3, 4 };

    (void)state;
    assert_true(confirm_is_first(&confirm)); /* a new disk: whatever runs */
    assert_false(confirm_is_listed(&confirm));
    put_entry(3, &slots.other);
    put_entry(4, &slots.running);
    assert_int_equal(boot_manager_write_entry(confirm.efivars_fd, 7, "Other", &foreign), 0);
    assert_int_equal(boot_manager_write_order(confirm.efivars_fd, other_first, 3), 0);
    assert_false(confirm_is_first(&confirm));
    assert_int_equal(boot_manager_write_order(confirm.efivars_fd, own_first, 3), 0);
    assert_true(confirm_is_first(&confirm));
    assert_false(confirm_is_listed(&confirm)); /* the pair is not named yet */
    assert_int_equal(confirm_attempts(&confirm, false, &f), 0);
    assert_true(confirm_is_listed(&confirm));
    /* A slot that holds something and was never tried has no entry: nothing is missing. */
    assert_int_equal(efivars_remove_global(confirm.efivars_fd, "Boot0003"), 0);
    assert_null(entry_of(&slots.other));
    assert_true(confirm_is_listed(&confirm));
    switch_off("Boot0004");
    assert_false(confirm_is_listed(&confirm));
    assert_true(confirm_is_first(&confirm)); /* no entry of the other slot is left to be first */
    put_entry(4, &slots.running);
    assert_true(confirm_is_listed(&confirm));
    put_entry(9, &slots.running); /* a second one of ours */
    assert_false(confirm_is_listed(&confirm));
}

/* A new variable store with a trial pending: this slot is the one that firmware starts by itself,
 * and the other one, which has to prove itself, is not in the order. */
static void test_own_entry(void **state)
{
    static const uint16_t foreign_order[] = { 7 };
    const struct boot_manager_entry *entry;

    (void)state;
    assert_int_equal(boot_manager_write_entry(confirm.efivars_fd, 7, "Other", &foreign), 0);
    assert_int_equal(boot_manager_write_order(confirm.efivars_fd, foreign_order, 1), 0);
    put_entry(5, &slots.other);
    assert_int_equal(confirm_own_entry(&confirm, &f), 0);
    entry = entry_of(&slots.running);
    assert_non_null(entry);
    assert_int_equal(entry->number, 0);
    assert_int_equal(manager.count, 3);
    assert_int_equal(manager.order_count, 2);
    assert_int_equal(manager.order[0], 0);
    assert_int_equal(manager.order[1], 7);
    assert_true(confirm_is_first(&confirm));
    /* Where there is one, nothing is touched. */
    assert_int_equal(boot_manager_write_order(confirm.efivars_fd, foreign_order, 1), 0);
    assert_int_equal(confirm_own_entry(&confirm, &f), 0);
    assert_int_equal(entry_of(&slots.running)->number, 0);
    assert_int_equal(manager.order_count, 1);
}

static void test_no_variables(void **state)
{
    struct confirm none = { .slots = &slots, .efivars_fd = -1 };

    (void)state;
    assert_true(confirm_start_other(&none, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_CONFIRM);
    assert_true(confirm_own_entry(&none, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_CONFIRM);
    assert_true(confirm_attempts(&none, false, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_CONFIRM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_start_other),     TEST(test_forgiven),         TEST(test_pair),
        TEST(test_next_taken_back), TEST(test_first_and_listed), TEST(test_no_variables),
        TEST(test_own_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
