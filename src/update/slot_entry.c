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

static int leave_order(int efivars_fd, struct boot_manager *manager, uint16_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < manager->order_count; i++) {
        if (manager->order[i] != number)
            manager->order[kept++] = manager->order[i];
    }
    if (kept == manager->order_count)
        return 0;
    manager->order_count = kept;
    return kept > 0 ? boot_manager_write_order(efivars_fd, manager->order, kept)
                    : efivars_remove_global(efivars_fd, "BootOrder");
}

static int withdraw(int efivars_fd, struct boot_manager *manager, uint16_t number)
{
    char name[BOOT_ENTRY_NAME_SIZE];
    uint16_t next;
    int r = read_next(efivars_fd, &next);

    if (r == 0 && next == number)
        r = efivars_remove_global(efivars_fd, "BootNext");
    if (r == 0 || r == -ENOENT)
        r = leave_order(efivars_fd, manager, number);
    boot_entry_name(number, name);
    return r < 0 ? r : efivars_remove_global(efivars_fd, name);
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
            r = withdraw(efivars_fd, manager, entry->number);
    }
    free(manager);
    return r < 0 ? refuse(f, r, slot, "remove") : 0;
}

int slot_entry_is_trial(int efivars_fd, const struct slot_devices *slots, bool *ret,
                        struct failure *f)
{
    uint8_t own[BOOT_ENTRY_GUID_SIZE], other[BOOT_ENTRY_GUID_SIZE];
    struct boot_manager *manager = NULL;
    int r = boot_entry_guid_parse(slots->running.uuid, own);

    if (r == 0)
        r = boot_entry_guid_parse(slots->other.uuid, other);
    if (r == 0)
        r = read_list(efivars_fd, &manager);
    if (r == 0)
        *ret = boot_manager_find(manager, own) && boot_manager_first(manager, own, other) != 0;
    free(manager);
    return r < 0 ? refuse(f, r, &slots->running, "read") : 0;
}

int slot_entry_exists(int efivars_fd, const struct slot_device *slot, bool *ret, struct failure *f)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    struct boot_manager *manager = NULL;
    int r = boot_entry_guid_parse(slot->uuid, guid);

    if (r == 0)
        r = read_list(efivars_fd, &manager);
    if (r == 0)
        *ret = boot_manager_find(manager, guid) != NULL;
    free(manager);
    return r < 0 ? refuse(f, r, slot, "read") : 0;
}
