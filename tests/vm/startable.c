#include "startable.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cursor.h"
#include "disk/gpt.h"
#include "sys/boot_entry.h"
#include "sys/boot_manager.h"
#include "disk/fat.h"
#include "vm/variable_store.h"
#include "vm/variables.h"

static const char *const paths[STARTABLE_NAMES] = {
    [STARTABLE_UKI] = "EFI/broch/linux.efi",
    [STARTABLE_SYSTEM] = "EFI/broch/system.erofs",
    [STARTABLE_DEFAULT] = "EFI/BOOT/BOOTX64.EFI",
};

enum { BLOCK = 512 };

void startable_open(struct startable_disk *disk, const uint8_t *bytes, uint64_t size)
{
    struct gpt_header header;

    *disk = (struct startable_disk){ .bytes = bytes, .size = size };
    assert_int_equal(gpt_header_parse(bytes + BLOCK, BLOCK, GPT_FIRST_BLOCK, &header), 0);
    for (uint32_t i = 0; i < STARTABLE_SLOTS; i++) {
        struct startable_slot *slot = &disk->slots[i];
        struct gpt_entry entry;
        uint64_t at;

        assert_int_equal(gpt_entry_offset(&header, i + 1, BLOCK, &at), 0);
        assert_int_equal(gpt_entry_parse(bytes + at, &entry), 0);
        assert_int_equal(boot_entry_guid_parse(entry.uuid.text, slot->guid), 0);
        slot->first = entry.first_block * BLOCK;
        slot->end = (entry.last_block + 1) * BLOCK;
        slot->changed = true;
        assert_true(slot->end <= size);
    }
}

static bool overlaps(uint64_t offset, uint64_t length, uint64_t first, uint64_t end)
{
    return offset < end && offset + length > first;
}

void startable_touch(struct startable_disk *disk, uint64_t offset, uint64_t length)
{
    for (size_t i = 0; i < STARTABLE_SLOTS; i++) {
        struct startable_slot *slot = &disk->slots[i];

        if (!overlaps(offset, length, slot->first, slot->end))
            continue;
        slot->changed = true;
        for (size_t k = 0; k < STARTABLE_NAMES; k++) {
            if (overlaps(offset, length, slot->files[k].first, slot->files[k].end))
                slot->files[k].compared = false;
        }
    }
}

/* --- Slots --- */

static bool is_file_of(const struct fat *fat, const struct fat_file *file, enum startable_name name,
                       const struct startable_generation *g)
{
    return name == STARTABLE_SYSTEM ? fat_equals(fat, file, g->system, g->system_size)
                                    : fat_equals(fat, file, g->uki, g->uki_size);
}

/* Compares unless it is where it was, and untouched. One in pieces is compared each time. */
static void look_at_file(const struct fat *fat, const struct startable_slot *slot,
                         enum startable_name name, const struct startable_generation *generations,
                         struct startable_file *f)
{
    struct fat_file found;
    uint64_t first = 0, end = 0;
    bool whole;

    f->there = fat_find(fat, paths[name], &found) == 0 &&
               (name != STARTABLE_DEFAULT || fat_is_readable(fat, &found));
    if (!f->there) {
        f->compared = false;
        f->same = 0;
        return;
    }
    whole = fat_span(fat, &found, &first, &end);
    first += slot->first;
    end += slot->first;
    if (whole && f->compared && f->first == first && f->end == end && f->file.size == found.size)
        return;
    f->file = found;
    f->first = first;
    f->end = end;
    f->compared = whole;
    f->same = 0;
    for (unsigned i = 0; i < STARTABLE_GENERATIONS; i++)
        f->same |= is_file_of(fat, &found, name, &generations[i]) ? 1u << i : 0;
}

static void look_at_slot(const struct startable_disk *disk, struct startable_slot *slot,
                         const struct startable_generation *generations)
{
    struct startable_file *files = slot->files;
    unsigned whole;
    struct fat fat;

    slot->changed = slot->default_good = false;
    slot->generation = STARTABLE_NONE;
    for (size_t i = 0; i < STARTABLE_NAMES; i++)
        files[i].there = false;
    if (fat_open(disk->bytes + slot->first, slot->end - slot->first, &fat) < 0)
        return;
    look_at_file(&fat, slot, STARTABLE_DEFAULT, generations, &files[STARTABLE_DEFAULT]);
    look_at_file(&fat, slot, STARTABLE_UKI, generations, &files[STARTABLE_UKI]);
    if (files[STARTABLE_UKI].same == 0)
        return; /* then the image is of no use, and it is large */
    look_at_file(&fat, slot, STARTABLE_SYSTEM, generations, &files[STARTABLE_SYSTEM]);
    whole = files[STARTABLE_UKI].same & files[STARTABLE_SYSTEM].same;
    for (int i = 0; i < STARTABLE_GENERATIONS; i++) {
        if (whole & 1u << i)
            slot->generation = i;
    }
    slot->default_good = slot->generation != STARTABLE_NONE &&
                         (files[STARTABLE_DEFAULT].same & 1u << slot->generation);
}

/* --- Firmware --- */

struct firmware {
    struct variable_store store;
    uint8_t global[VARIABLE_GUID_SIZE];
};

static bool read_entry(const struct firmware *firmware, uint16_t number, struct boot_entry *ret)
{
    char name[BOOT_ENTRY_NAME_SIZE];
    struct variable variable;

    boot_entry_name(number, name);
    return variable_store_find(&firmware->store, name, firmware->global, &variable) &&
           boot_entry_decode(variable.data, variable.size, ret) == 0 &&
           (ret->attributes & BOOT_ENTRY_ACTIVE);
}

/* Which slot an entry leads to; STARTABLE_NONE: to none of ours. */
static int slot_of(const struct startable_disk *disk, const struct boot_entry *entry)
{
    for (int i = 0; i < STARTABLE_SLOTS; i++) {
        if (boot_entry_starts(entry, disk->slots[i].guid, BOOT_MANAGER_FILE))
            return i;
    }
    return STARTABLE_NONE;
}

static int default_slot(const struct startable_disk *disk)
{
    for (int i = 0; i < STARTABLE_SLOTS; i++) {
        if (disk->slots[i].files[STARTABLE_DEFAULT].there)
            return i;
    }
    return STARTABLE_NONE;
}

/* One candidate: true when it is what starts. */
static bool try_entry(const struct startable_disk *disk, const struct boot_entry *entry,
                      struct startable *s)
{
    int slot = slot_of(disk, entry);

    if (slot == STARTABLE_NONE) {
        slot = default_slot(disk);
        s->by = STARTABLE_BY_DEFAULT;
    } else if (!disk->slots[slot].files[STARTABLE_UKI].there) {
        s->wrong = "an entry leads to a slot without a boot file";
        return false;
    } else if (disk->slots[slot].generation == STARTABLE_NONE) {
        s->wrong = "an entry leads to a slot that is not whole";
    }
    s->slot = slot;
    return slot != STARTABLE_NONE;
}

static void choose(const struct startable_disk *disk, const struct firmware *firmware,
                   struct startable *s)
{
    struct variable variable;
    struct boot_entry entry;

    if (variable_store_find(&firmware->store, "BootNext", firmware->global, &variable) &&
        variable.size == 2) {
        s->next = true;
        s->by = STARTABLE_BY_NEXT;
        if (read_entry(firmware, (uint16_t)(variable.data[0] | variable.data[1] << 8), &entry) &&
            try_entry(disk, &entry, s))
            return;
    }
    s->by = STARTABLE_BY_ORDER;
    if (variable_store_find(&firmware->store, "BootOrder", firmware->global, &variable)) {
        for (size_t i = 0; i + 1 < variable.size; i += 2) {
            if (read_entry(firmware, (uint16_t)(variable.data[i] | variable.data[i + 1] << 8),
                           &entry) &&
                try_entry(disk, &entry, s))
                return;
        }
    }
    s->by = STARTABLE_BY_DEFAULT;
    s->slot = default_slot(disk);
}

static void find_entries(const struct startable_disk *disk, const struct firmware *firmware,
                         struct startable *s)
{
    struct variable_store all = firmware->store;
    struct variable variable;

    while (variable_store_next(&all, &variable)) {
        struct boot_entry entry;
        uint16_t number;
        int slot;

        if (boot_entry_name_parse(variable.name, &number) < 0 ||
            !read_entry(firmware, number, &entry))
            continue;
        slot = slot_of(disk, &entry);
        if (slot != STARTABLE_NONE)
            s->entry[slot] = true;
    }
}

static void judge(const struct startable_disk *disk, struct startable *s)
{
    s->without_variables = default_slot(disk);
    if (s->without_variables == STARTABLE_NONE)
        s->wrong = "without variables nothing would start";
    else if (!disk->slots[s->without_variables].default_good)
        s->wrong = "without variables a boot file of another generation would start";
    if (s->slot == STARTABLE_NONE) {
        s->wrong = "nothing starts";
        return;
    }
    s->generation = disk->slots[s->slot].generation;
    if (s->generation == STARTABLE_NONE)
        s->wrong = "what starts is no whole generation";
}

struct startable startable_look(struct startable_disk *disk,
                                const struct startable_generation *generations,
                                const uint8_t *flash, size_t flash_size)
{
    struct startable s = { .slot = STARTABLE_NONE, .generation = STARTABLE_NONE };
    struct firmware firmware;

    for (size_t i = 0; i < STARTABLE_SLOTS; i++) {
        if (disk->slots[i].changed)
            look_at_slot(disk, &disk->slots[i], generations);
    }
    assert_int_equal(boot_entry_guid_parse(VM_GUID_GLOBAL, firmware.global), 0);
    if (variable_store_open(flash, flash_size, &firmware.store) < 0) {
        s.wrong = "firmware has no variable store";
        return s;
    }
    choose(disk, &firmware, &s);
    find_entries(disk, &firmware, &s);
    judge(disk, &s);
    return s;
}
