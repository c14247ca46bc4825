#include "image/el_torito.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum {
    RECORD_SECTOR = 17,
    CATALOG_AT = 0x47, /* in the record: the catalog's sector */
    ENTRY_SIZE = 32,
    PLATFORM_UEFI = 0xef,
    BOOTABLE = 0x88,
    LOAD_BLOCK = 512, /* what the size counts, whatever the medium */
};

static const uint8_t record_start[] = "\0CD001\1EL TORITO SPECIFICATION";

static int find_catalog(const uint8_t *bytes, size_t size, const uint8_t **ret)
{
    const uint8_t *record = bytes + RECORD_SECTOR * EL_TORITO_SECTOR;
    struct cursor c;
    uint64_t at;

    if (size < (RECORD_SECTOR + 1) * EL_TORITO_SECTOR ||
        memcmp(record, record_start, sizeof(record_start) - 1) != 0)
        return -ENOENT;
    c = cursor_make(record + CATALOG_AT, sizeof(uint32_t));
    at = (uint64_t)cursor_le32(&c) * EL_TORITO_SECTOR;
    if (at > size || size - at < EL_TORITO_SECTOR)
        return -EBADMSG;
    *ret = bytes + at;
    return 0;
}

/* Words of 16 bits whose sum is zero, and a key at the end. */
static int check_validation(const uint8_t *entry)
{
    struct cursor c = cursor_make(entry, ENTRY_SIZE);
    uint16_t sum = 0;

    while (!cursor_finished(&c))
        sum = (uint16_t)(sum + cursor_le16(&c));
    return sum == 0 && entry[0] == 1 && entry[1] == PLATFORM_UEFI && entry[30] == 0x55 &&
                   entry[31] == 0xaa
               ? 0
               : -EBADMSG;
}

int el_torito_find(const void *bytes, size_t size, struct el_torito *ret)
{
    const uint8_t *catalog;
    struct cursor c;
    uint16_t blocks;
    int r = find_catalog(bytes, size, &catalog);

    if (r == 0)
        r = check_validation(catalog);
    if (r < 0)
        return r;
    c = cursor_make(catalog + ENTRY_SIZE, ENTRY_SIZE);
    if (cursor_u8(&c) != BOOTABLE || cursor_u8(&c) != 0) /* no emulation */
        return -EBADMSG;
    (void)cursor_take(&c, 4); /* load segment, system type: nothing to UEFI */
    blocks = cursor_le16(&c);
    ret->offset = (uint64_t)cursor_le32(&c) * EL_TORITO_SECTOR;
    ret->size = blocks > 1 ? (uint64_t)blocks * LOAD_BLOCK : 0;
    return ret->offset < size && ret->size <= size - ret->offset ? 0 : -EBADMSG;
}
