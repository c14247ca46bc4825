#include "sys/boot_manager.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/line.h"
#include "sys/efivars.h"

/* --- Reading --- */

struct reading {
    int efivars_fd;
    struct boot_manager *manager;
};

static void read_entry(int efivars_fd, uint16_t number, struct boot_manager_entry *ret)
{
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    char name[BOOT_ENTRY_NAME_SIZE];
    struct boot_entry entry;
    int size;

    *ret = (struct boot_manager_entry){ .number = number };
    boot_entry_name(number, name);
    size = efivars_read(efivars_fd, name, EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));
    if (size < 0 || boot_entry_decode(bytes, (size_t)size, &entry) < 0)
        return;
    if (!boot_entry_starts(&entry, entry.partition.guid, BOOT_MANAGER_FILE))
        return;
    ret->is_slot = true;
    ret->active = entry.attributes & BOOT_ENTRY_ACTIVE;
    ret->partition = entry.partition;
    memcpy(ret->description, entry.description, sizeof(ret->description));
}

/* Keeps the entries sorted: efivarfs shows them in no order. */
static int take_entry(const char *name, void *context)
{
    const struct reading *reading = context;
    struct boot_manager *m = reading->manager;
    uint16_t number;
    size_t at;

    if (boot_entry_name_parse(name, &number) < 0)
        return 0;
    if (m->count == BOOT_MANAGER_ENTRIES_MAX)
        return -ERANGE;
    at = m->count;
    while (at > 0 && m->entries[at - 1].number > number)
        at--;
    memmove(&m->entries[at + 1], &m->entries[at], (m->count - at) * sizeof(m->entries[0]));
    read_entry(reading->efivars_fd, number, &m->entries[at]);
    m->count++;
    return 0;
}

static int read_order(int efivars_fd, struct boot_manager *m)
{
    uint8_t bytes[2 * BOOT_MANAGER_ORDER_MAX];
    int size = efivars_read(efivars_fd, "BootOrder", EFIVARS_GUID_GLOBAL, bytes, sizeof(bytes));
    struct cursor c;

    if (size == -ENOENT)
        return 0;
    if (size < 0)
        return size;
    if (size % 2 != 0)
        return -EBADMSG;
    c = cursor_make(bytes, (size_t)size);
    while (cursor_left(&c) > 0)
        m->order[m->order_count++] = cursor_le16(&c);
    return 0;
}

int boot_manager_read(int efivars_fd, struct boot_manager *ret)
{
    struct reading reading = { efivars_fd, ret };
    int r;

    ret->count = ret->order_count = 0;
    r = efivars_list(efivars_fd, EFIVARS_GUID_GLOBAL, take_entry, &reading);
    return r < 0 ? r : read_order(efivars_fd, ret);
}

static bool is_of(const struct boot_manager_entry *entry, const uint8_t *guid)
{
    return entry->is_slot && memcmp(entry->partition.guid, guid, BOOT_ENTRY_GUID_SIZE) == 0;
}

int boot_manager_first(const struct boot_manager *manager,
                       const uint8_t a[static BOOT_ENTRY_GUID_SIZE],
                       const uint8_t b[static BOOT_ENTRY_GUID_SIZE])
{
    for (size_t i = 0; i < manager->order_count; i++) {
        for (size_t j = 0; j < manager->count; j++) {
            const struct boot_manager_entry *entry = &manager->entries[j];

            if (entry->number != manager->order[i] || !entry->active)
                continue;
            if (is_of(entry, a))
                return 0;
            if (is_of(entry, b))
                return 1;
        }
    }
    return -1;
}

const struct boot_manager_entry *boot_manager_find(const struct boot_manager *manager,
                                                   const uint8_t guid[static BOOT_ENTRY_GUID_SIZE])
{
    const struct boot_manager_entry *found = NULL;
    size_t found_place = SIZE_MAX;

    for (size_t i = 0; i < manager->count; i++) {
        const struct boot_manager_entry *entry = &manager->entries[i];
        size_t place = 0;

        if (!is_of(entry, guid))
            continue;
        while (place < manager->order_count && manager->order[place] != entry->number)
            place++;
        if (!found || place < found_place) {
            found = entry;
            found_place = place;
        }
    }
    return found;
}

/* --- Writing --- */

int boot_manager_write_entry(int efivars_fd, uint16_t number, const char *description,
                             const struct boot_partition *partition)
{
    struct boot_entry entry = { .attributes = BOOT_ENTRY_ACTIVE,
                                .on_partition = true,
                                .partition = *partition,
                                .file = BOOT_MANAGER_FILE };
    struct line text = line_make(entry.description, sizeof(entry.description));
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    char name[BOOT_ENTRY_NAME_SIZE];
    size_t size;
    int r;

    line_add(&text, description);
    r = boot_entry_encode(&entry, bytes, &size);
    if (r < 0)
        return r;
    boot_entry_name(number, name);
    return efivars_write_global(efivars_fd, name, bytes, size);
}

int boot_manager_write_order(int efivars_fd, const uint16_t *numbers, size_t count)
{
    uint8_t bytes[2 * BOOT_MANAGER_ORDER_MAX];

    CHECK(count > 0 && count <= BOOT_MANAGER_ORDER_MAX);
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)numbers[i];
        bytes[2 * i + 1] = (uint8_t)(numbers[i] >> 8);
    }
    return efivars_write_global(efivars_fd, "BootOrder", bytes, 2 * count);
}

int boot_manager_write_next(int efivars_fd, uint16_t number)
{
    const uint8_t bytes[] = { (uint8_t)number, (uint8_t)(number >> 8) };

    return efivars_write_global(efivars_fd, "BootNext", bytes, sizeof(bytes));
}
