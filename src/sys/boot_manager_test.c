/* On an ordinary folder, as a copy of a variable store. */
#include "sys/boot_manager.h"

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

#include "sys/efivars.h"
#include "sys/file.h"

static char folder[] = "/tmp/boot_manager_test.XXXXXX";
static int folder_fd;
static struct boot_manager manager;

static const struct boot_partition slot_a = { .guid = { 0xaa }, .number = 1 };
static const struct boot_partition slot_b = { .guid = { 0xbb }, .number = 2 };

static void test_empty(void **unused)
{
    (void)unused;
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(manager.count, 0);
    assert_int_equal(manager.order_count, 0);
    assert_null(boot_manager_find(&manager, slot_a.guid));
    assert_int_equal(boot_manager_read(-1, &manager), -EBADF);
}

static void test_entries(void **unused)
{
    static const uint16_t order[] = { 0x0009, 0x0003 };

    (void)unused;
    assert_int_equal(boot_manager_write_entry(folder_fd, 3, "Broch A", &slot_a), 0);
    assert_int_equal(boot_manager_write_entry(folder_fd, 0x00ab, "Broch B", &slot_b), 0);
    assert_int_equal(boot_manager_write_entry(folder_fd, 1, "Broch A", &slot_a), 0);
    assert_int_equal(efivars_write_global(folder_fd, "Boot0009", "junk", 4), 0);
    assert_int_equal(efivars_write_global(folder_fd, "BootCurrent", "\1", 2), 0);
    assert_int_equal(boot_manager_write_order(folder_fd, order, ARRAY_SIZE(order)), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(manager.count, 4);
    assert_int_equal(manager.entries[0].number, 1);
    assert_int_equal(manager.entries[2].number, 9);
    assert_false(manager.entries[2].is_slot);
    assert_int_equal(manager.entries[3].number, 0x00ab);
    assert_true(manager.entries[3].is_slot && manager.entries[3].active);
    assert_string_equal(manager.entries[3].description, "Broch B");
    assert_int_equal(manager.entries[3].partition.number, 2);
    assert_int_equal(manager.order_count, 2);
    assert_int_equal(manager.order[0], 9);
    /* The place in the order counts first, then the number. */
    assert_int_equal(boot_manager_find(&manager, slot_a.guid)->number, 3);
    assert_int_equal(boot_manager_find(&manager, slot_b.guid)->number, 0x00ab);
    assert_int_equal(boot_manager_write_order(folder_fd, order, 1), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(boot_manager_find(&manager, slot_a.guid)->number, 1);
}

static void test_next(void **unused)
{
    uint8_t value[4];

    (void)unused;
    assert_int_equal(boot_manager_write_next(folder_fd, 0x01ab), 0);
    assert_int_equal(efivars_read(folder_fd, "BootNext", EFIVARS_GUID_GLOBAL, value, sizeof(value)),
                     2);
    assert_memory_equal(value, "\xab\x01", 2);
    assert_int_equal(boot_manager_write_next(-1, 1), -EBADF);
}

static void test_malformed(void **unused)
{
    (void)unused;
    assert_int_equal(efivars_write_global(folder_fd, "BootOrder", "\1\2\3", 3), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), -EBADMSG);
    assert_int_equal(efivars_remove_global(folder_fd, "BootOrder"), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    for (unsigned i = 0; i <= BOOT_MANAGER_ENTRIES_MAX; i++)
        assert_int_equal(boot_manager_write_entry(folder_fd, (uint16_t)(0x1000 + i), "x", &slot_b),
                         0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), -ERANGE);
}

static int set_up(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0;
}

static int tear_down(void **unused)
{
    struct failure f = FAILURE_NONE;

    (void)unused;
    return close(folder_fd) < 0 || file_remove_tree(folder, &f) < 0;
}

/* After the others, so there are entries: what is in no order is started by nobody. */
/* As the menu of a firmware switches an entry off: LOAD_OPTION_ACTIVE is bit 0 of the value,
 * which begins with the entry's attributes (UEFI 2.10, 3.1.3). */
static void switch_off(const char *name)
{
    uint8_t bytes[1024];
    int size = efivars_read(folder_fd, name, EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));

    assert_true(size > 4);
    assert_int_equal(bytes[0] & 1, 1);
    bytes[0] &= 0xfe;
    assert_int_equal(efivars_write_global(folder_fd, name, bytes, (size_t)size), 0);
}

static void test_first(void **unused)
{
    static const uint16_t b_first[] = { 9, 0x00ab, 3 }, a_first[] = { 3, 0x00ab },
                          neither[] = { 9 };

    (void)unused;
    assert_int_equal(boot_manager_write_entry(folder_fd, 3, "Broch A", &slot_a), 0);
    assert_int_equal(boot_manager_write_entry(folder_fd, 0x00ab, "Broch B", &slot_b), 0);
    assert_int_equal(boot_manager_write_order(folder_fd, b_first, ARRAY_SIZE(b_first)), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(boot_manager_first(&manager, slot_a.guid, slot_b.guid), 1);
    assert_int_equal(boot_manager_write_order(folder_fd, a_first, ARRAY_SIZE(a_first)), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(boot_manager_first(&manager, slot_a.guid, slot_b.guid), 0);
    switch_off("Boot0003");
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_false(boot_manager_find(&manager, slot_a.guid)->active);
    assert_int_equal(boot_manager_first(&manager, slot_a.guid, slot_b.guid), 1);
    assert_int_equal(boot_manager_write_order(folder_fd, neither, ARRAY_SIZE(neither)), 0);
    assert_int_equal(boot_manager_read(folder_fd, &manager), 0);
    assert_int_equal(boot_manager_first(&manager, slot_a.guid, slot_b.guid), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_entries),
        cmocka_unit_test(test_first),     cmocka_unit_test(test_next),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
