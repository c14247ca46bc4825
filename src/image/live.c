#include "image/live.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "boot/live.h"
#include "disk/fat.h"
#include "disk/gpt.h"
#include "image/el_torito.h"

enum { BLOCK_SIZE = 512, ENTRIES_MAX = 8 };

#define TYPE_FILES "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" /* EFI system partition */

static int bad(struct failure *f, const char *what)
{
    return failure_set(f, CODE_LIVE, -EBADMSG, "%s", what);
}

static bool read_header(struct span image, uint64_t block, struct gpt_header *ret)
{
    return (block + 1) * BLOCK_SIZE <= image.size &&
           gpt_header_parse(image.bytes + block * BLOCK_SIZE, BLOCK_SIZE, block, ret) == 0;
}

/* The partition of this type in one copy of the table. */
static bool find_part(struct span image, const struct gpt_header *header, const char *type,
                      struct span *ret)
{
    for (uint32_t number = 1; number <= ENTRIES_MAX; number++) {
        struct gpt_entry e;
        uint64_t offset;

        if (gpt_entry_offset(header, number, BLOCK_SIZE, &offset) < 0 ||
            image.size < GPT_ENTRY_SIZE_MIN || offset > image.size - GPT_ENTRY_SIZE_MIN ||
            gpt_entry_parse(image.bytes + offset, &e) < 0 || strcmp(e.type.text, type) != 0)
            continue;
        if (!live_is_partition(&e.uuid) || e.last_block >= image.size / BLOCK_SIZE)
            return false;
        *ret = (struct span){ image.bytes + e.first_block * BLOCK_SIZE,
                              (size_t)(e.last_block - e.first_block + 1) * BLOCK_SIZE };
        return true;
    }
    return false;
}

static int open_by(struct span image, uint64_t block, struct live_parts *ret, struct failure *f)
{
    struct gpt_header header;

    if (!read_header(image, block, &header))
        return bad(f, "no partition table, or none at its end");
    return find_part(image, &header, TYPE_FILES, &ret->files) &&
                   find_part(image, &header, LIVE_TYPE, &ret->system)
               ? 0
               : bad(f, "a partition of a live medium is missing in the table");
}

int live_open(struct span image, struct live_parts *ret, struct failure *f)
{
    return open_by(image, GPT_FIRST_BLOCK, ret, f);
}

/* The kernel and firmware may use either table. */
static int check_backup(struct span image, const struct live_parts *parts, struct failure *f)
{
    struct live_parts backup;
    int r = open_by(image, image.size / BLOCK_SIZE - 1, &backup, f);

    return r < 0 || (backup.files.bytes == parts->files.bytes &&
                     backup.system.bytes == parts->system.bytes)
               ? r
               : bad(f, "the partition table and its backup differ");
}

/* On a CD firmware finds the same files by another way. */
static int check_catalog(struct span image, const struct live_parts *parts, struct failure *f)
{
    struct el_torito boot;

    if (el_torito_find(image.bytes, image.size, &boot) < 0)
        return bad(f, "no boot catalog for UEFI");
    if (image.bytes + boot.offset != parts->files.bytes ||
        (boot.size > 0 && boot.size != parts->files.size))
        return bad(f, "the boot catalog leads somewhere else than the partition table");
    return 0;
}

static int check_boot_file(const struct live_parts *parts, struct span uki, struct failure *f)
{
    struct fat_file file;
    struct fat fat;

    if (fat_open(parts->files.bytes, parts->files.size, &fat) < 0)
        return bad(f, "the files for firmware are in no FAT32");
    if (fat_find(&fat, "EFI/BOOT/BOOTX64.EFI", &file) < 0 ||
        !fat_equals(&fat, &file, uki.bytes, uki.size))
        return bad(f, "BOOTX64.EFI is not the generation's boot file");
    return 0;
}

int live_check(struct span image, const struct live_content *content, struct failure *f)
{
    struct live_parts parts;
    int r = live_open(image, &parts, f);

    if (r == 0)
        r = check_backup(image, &parts, f);
    if (r == 0)
        r = check_catalog(image, &parts, f);
    if (r == 0)
        r = check_boot_file(&parts, content->uki, f);
    if (r < 0)
        return r;
    if (parts.system.size < content->system.size ||
        memcmp(parts.system.bytes, content->system.bytes, content->system.size) != 0)
        return bad(f, "the system image is not the generation's");
    return 0;
}
