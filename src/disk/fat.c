#include "disk/fat.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"

enum {
    SECTOR = 512,
    SIGNATURE_AT = 510,
    ENTRY = 32,
    CLUSTER_FIRST = 2,
    CHAIN_END = 0x0ffffff8,
    CHAIN_MASK = 0x0fffffff,
    ATTRIBUTES_AT = 11,
    ATTRIBUTE_VOLUME = 8,
    ATTRIBUTE_FOLDER = 16,
    ATTRIBUTES_LONG = 15, /* read-only, hidden, system, volume: a part of a long name */
    DELETED = 0xe5,
    LONG_LAST = 0x40,
    LONG_LETTERS = 13, /* in each part */
    LONG_PARTS_MAX = 20,
    LONG_SUM_AT = 13,
    SHORT_NAME = 11,
    NAME_MAX_LETTERS = LONG_LETTERS * LONG_PARTS_MAX,
};

int fat_open(const void *bytes, uint64_t size, struct fat *ret)
{
    struct cursor c = cursor_make(bytes, SECTOR);
    struct fat fat = { .bytes = bytes, .size = size };
    uint64_t reserved, tables, table_size, sectors;
    uint16_t sector, old_table_size;

    if (size < SECTOR)
        return -EBADMSG;
    cursor_skip(&c, 11);
    sector = cursor_le16(&c);
    fat.cluster_size = cursor_u8(&c) * (uint32_t)SECTOR;
    reserved = cursor_le16(&c);
    tables = cursor_u8(&c);
    cursor_seek(&c, 22);
    old_table_size = cursor_le16(&c); /* FAT12 and FAT16 have it here */
    cursor_seek(&c, 32);
    sectors = cursor_le32(&c);
    table_size = cursor_le32(&c);
    cursor_seek(&c, 44);
    fat.root = cursor_le32(&c);
    cursor_seek(&c, SIGNATURE_AT);
    if (cursor_le16(&c) != 0xaa55 || sector != SECTOR || old_table_size != 0 ||
        fat.cluster_size == 0 || reserved == 0 || tables == 0 || sectors > size / SECTOR ||
        sectors < reserved || tables * table_size > sectors - reserved)
        return -EBADMSG;
    fat.table = reserved * SECTOR;
    fat.data = (reserved + tables * table_size) * SECTOR;
    fat.cluster_end = CLUSTER_FIRST + (uint32_t)((sectors * SECTOR - fat.data) / fat.cluster_size);
    if (table_size * SECTOR / 4 < fat.cluster_end)
        return -EBADMSG;
    *ret = fat;
    return 0;
}

static bool is_cluster(const struct fat *fat, uint32_t number)
{
    return number >= CLUSTER_FIRST && number < fat->cluster_end;
}

static const uint8_t *cluster(const struct fat *fat, uint32_t number)
{
    CHECK(is_cluster(fat, number));
    return fat->bytes + fat->data + (uint64_t)(number - CLUSTER_FIRST) * fat->cluster_size;
}

static uint32_t next_cluster(const struct fat *fat, uint32_t number)
{
    struct cursor c = cursor_make(fat->bytes + fat->table + 4 * (uint64_t)number, 4);

    return cursor_le32(&c) & CHAIN_MASK;
}

/* --- Names --- */

struct long_name {
    uint8_t sum;   /* of the short name that it belongs to */
    unsigned left; /* parts that are still to come; they come last one first */
    size_t length; /* letters; 0: there is no long name */
    char letters[NAME_MAX_LETTERS + 1];
};

static void take_part(struct long_name *name, const uint8_t entry[static ENTRY])
{
    static const uint8_t places[LONG_LETTERS] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    unsigned number = entry[0] & (LONG_LAST - 1);
    size_t at = (number - 1) * (size_t)LONG_LETTERS;

    if (entry[0] & LONG_LAST && number >= 1 && number <= LONG_PARTS_MAX) {
        *name = (struct long_name){ .sum = entry[LONG_SUM_AT], .left = number };
        name->length = number * (size_t)LONG_LETTERS;
    }
    if (name->length == 0 || number == 0 || number != name->left ||
        entry[LONG_SUM_AT] != name->sum) {
        name->length = 0; /* not one whole name */
        return;
    }
    name->left--;
    for (size_t i = 0; i < LONG_LETTERS; i++) {
        uint16_t letter = (uint16_t)(entry[places[i]] | entry[places[i] + 1] << 8);

        name->letters[at + i] = letter < 0x80 ? (char)letter : letter == 0xffff ? '\0' : '?';
    }
}

static uint8_t short_sum(const uint8_t name[static SHORT_NAME])
{
    uint8_t sum = 0;

    for (size_t i = 0; i < SHORT_NAME; i++)
        sum = (uint8_t)((sum << 7 | sum >> 1) + name[i]);
    return sum;
}

static bool is_short_name(const uint8_t entry[static ENTRY], const char *name, size_t length)
{
    char text[SHORT_NAME + 2];
    size_t at = 0, end = 8;

    while (end > 0 && entry[end - 1] == ' ')
        end--;
    for (size_t i = 0; i < end; i++)
        text[at++] = (char)entry[i];
    end = SHORT_NAME;
    while (end > 8 && entry[end - 1] == ' ')
        end--;
    if (end > 8)
        text[at++] = '.';
    for (size_t i = 8; i < end; i++)
        text[at++] = (char)entry[i];
    return at == length && strncasecmp(text, name, length) == 0;
}

static bool is_name(const struct long_name *found, const uint8_t entry[static ENTRY],
                    const char *name, size_t length)
{
    if (found->length > 0 && found->left == 0 && found->sum == short_sum(entry) &&
        strlen(found->letters) == length && strncasecmp(found->letters, name, length) == 0)
        return true;
    return is_short_name(entry, name, length);
}

/* --- Folders --- */

static void read_entry(const uint8_t entry[static ENTRY], struct fat_file *ret)
{
    struct cursor c = cursor_make(entry, ENTRY);
    uint32_t high;

    cursor_seek(&c, 20);
    high = cursor_le16(&c);
    cursor_seek(&c, 26);
    ret->first_cluster = high << 16 | cursor_le16(&c);
    ret->size = cursor_le32(&c);
    ret->is_folder = (entry[ATTRIBUTES_AT] & ATTRIBUTE_FOLDER) != 0;
}

/* One cluster of a folder: 1 when the name was found, 0 to go on, -ENOENT at the folder's end. */
static int look_in_cluster(const struct fat *fat, const uint8_t *bytes, struct long_name *found,
                           const char *name, size_t length, struct fat_file *ret)
{
    for (uint32_t at = 0; at < fat->cluster_size; at += ENTRY) {
        const uint8_t *entry = bytes + at;

        if (entry[0] == 0)
            return -ENOENT;
        if (entry[0] == DELETED) {
            found->length = 0;
        } else if ((entry[ATTRIBUTES_AT] & ATTRIBUTES_LONG) == ATTRIBUTES_LONG) {
            take_part(found, entry);
        } else {
            if (!(entry[ATTRIBUTES_AT] & ATTRIBUTE_VOLUME) && is_name(found, entry, name, length)) {
                read_entry(entry, ret);
                return 1;
            }
            found->length = 0;
        }
    }
    return 0;
}

static int look_in_folder(const struct fat *fat, uint32_t first, const char *name, size_t length,
                          struct fat_file *ret)
{
    struct long_name found = { .length = 0 };
    uint32_t number = first;

    for (uint32_t steps = 0; steps < fat->cluster_end; steps++) {
        int r;

        if (number >= CHAIN_END)
            return -ENOENT;
        if (!is_cluster(fat, number))
            return -EBADMSG;
        r = look_in_cluster(fat, cluster(fat, number), &found, name, length, ret);
        if (r != 0)
            return r == 1 ? 0 : r;
        number = next_cluster(fat, number);
    }
    return -EBADMSG; /* a circle */
}

int fat_find(const struct fat *fat, const char *path, struct fat_file *ret)
{
    struct fat_file file = { .first_cluster = fat->root, .is_folder = true };

    for (;;) {
        size_t length = strcspn(path, "/");
        int r;

        if (!file.is_folder)
            return -ENOENT;
        r = look_in_folder(fat, file.first_cluster, path, length, &file);
        if (r < 0)
            return r;
        if (path[length] == '\0') {
            *ret = file;
            return 0;
        }
        path += length + 1;
    }
}

bool fat_equals(const struct fat *fat, const struct fat_file *file, const void *bytes, size_t size)
{
    const uint8_t *left = bytes;
    uint32_t number = file->first_cluster;

    if (file->is_folder || file->size != size)
        return false;
    while (size > 0) {
        size_t part = size < fat->cluster_size ? size : fat->cluster_size;

        if (!is_cluster(fat, number) || memcmp(cluster(fat, number), left, part) != 0)
            return false;
        left += part;
        size -= part;
        number = next_cluster(fat, number);
    }
    return true;
}

void fat_copy(const struct fat *fat, const struct fat_file *file, void *ret)
{
    uint32_t number = file->first_cluster;
    uint8_t *at = ret;

    for (size_t left = file->size; left > 0; number = next_cluster(fat, number)) {
        size_t part = left < fat->cluster_size ? left : fat->cluster_size;

        memcpy(at, cluster(fat, number), part);
        at += part;
        left -= part;
    }
}

static uint32_t clusters_of(const struct fat *fat, const struct fat_file *file)
{
    return file->size / fat->cluster_size + (file->size % fat->cluster_size > 0);
}

bool fat_is_readable(const struct fat *fat, const struct fat_file *file)
{
    uint32_t number = file->first_cluster, left = clusters_of(fat, file);

    if (left == 0 || left > fat->cluster_end || file->is_folder)
        return false;
    for (; left > 0 && is_cluster(fat, number); left--)
        number = next_cluster(fat, number);
    return left == 0;
}

bool fat_span(const struct fat *fat, const struct fat_file *file, uint64_t *ret_first,
              uint64_t *ret_end)
{
    uint32_t count = clusters_of(fat, file);

    if (count == 0 || !is_cluster(fat, file->first_cluster) ||
        count > fat->cluster_end - file->first_cluster)
        return false;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (next_cluster(fat, file->first_cluster + i) != file->first_cluster + i + 1)
            return false;
    }
    *ret_first = fat->data + (uint64_t)(file->first_cluster - CLUSTER_FIRST) * fat->cluster_size;
    *ret_end = *ret_first + (uint64_t)count * fat->cluster_size;
    return true;
}
