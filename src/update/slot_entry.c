#include "update/slot_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/boot_manager.h"
#include "sys/efivars.h"

static int refuse(struct failure *f, int r, const struct slot_device *slot, const char *verb)
{
    return failure_set(f, CODE_UPDATE_ENTRY, r, "cannot %s the boot entry of slot %c", verb,
                       slot->letter);
}

/* The firmware's list, which is large. */
static int read_list(int efivars_fd, struct boot_manager **ret)
{
    struct boot_manager *manager = malloc(sizeof(*manager));
    int r = manager ? boot_manager_read(efivars_fd, manager) : -ENOMEM;

    if (r < 0)
        free(manager);
    else
        *ret = manager;
    return r;
}

static int read_next(int efivars_fd, uint16_t *ret)
{
    uint8_t bytes[2];
    int size = efivars_read(efivars_fd, "BootNext", EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));

    if (size < 0)
        return size;
    if (size != (int)sizeof(bytes))
        return -EBADMSG;
    *ret = (uint16_t)(bytes[0] | bytes[1] << 8);
    return 0;
}

static int withdraw(int efivars_fd, uint16_t number)
{
    char name[BOOT_ENTRY_NAME_SIZE];
    uint16_t next;
    int r = read_next(efivars_fd, &next);

    if (r == 0 && next == number)
        r = efivars_remove_global(efivars_fd, "BootNext");
    boot_entry_name(number, name);
    return r < 0 && r != -ENOENT ? r : efivars_remove_global(efivars_fd, name);
}

int slot_entry_withdraw(int efivars_fd, const struct slot_device *slot, struct failure *f)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    struct boot_manager *manager = NULL;
    int r = boot_entry_guid_parse(slot->uuid, guid);

    if (r == 0)
        r = read_list(efivars_fd, &manager);
    for (size_t i = 0; r == 0 && i < manager->count; i++) {
        const struct boot_manager_entry *entry = &manager->entries[i];

        if (entry->is_slot && memcmp(entry->partition.guid, guid, sizeof(guid)) == 0)
            r = withdraw(efivars_fd, entry->number);
    }
    free(manager);
    return r < 0 ? refuse(f, r, slot, "remove") : 0;
}

static bool is_in_order(const struct boot_manager *manager, uint16_t number)
{
    for (size_t i = 0; i < manager->order_count; i++) {
        if (manager->order[i] == number)
            return true;
    }
    return false;
}

/* The slot's entry, if there is one, and whether BootOrder has it. */
static int look(int efivars_fd, const struct slot_device *slot, bool *ret_exists,
                bool *ret_in_order)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    const struct boot_manager_entry *entry;
    struct boot_manager *manager = NULL;
    int r = boot_entry_guid_parse(slot->uuid, guid);

    if (r == 0)
        r = read_list(efivars_fd, &manager);
    if (r == 0) {
        /* Entries in the order come first. */
        entry = boot_manager_find(manager, guid);
        *ret_exists = entry != NULL;
        *ret_in_order = entry && is_in_order(manager, entry->number);
    }
    free(manager);
    return r;
}

int slot_entry_is_trial(int efivars_fd, const struct slot_device *slot, bool *ret,
                        struct failure *f)
{
    bool exists = false, in_order = false;
    int r = look(efivars_fd, slot, &exists, &in_order);

    if (r == 0)
        *ret = exists && !in_order;
    return r < 0 ? refuse(f, r, slot, "read") : 0;
}

int slot_entry_exists(int efivars_fd, const struct slot_device *slot, bool *ret, struct failure *f)
{
    bool in_order = false;
    int r = look(efivars_fd, slot, ret, &in_order);

    return r < 0 ? refuse(f, r, slot, "read") : 0;
}
