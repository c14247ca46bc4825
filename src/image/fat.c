#include "image/fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"

enum {
    SECTOR = 512,
    ENTRY_SIZE = 32,
    FIRST_CLUSTER = 2,
    CLUSTER_MASK = 0x0fffffff,
    CLUSTER_LAST = 0x0ffffff8, /* this and above: the end of a chain */
    CLUSTERS_MIN = 65525,      /* with fewer it would be FAT16 */
    ATTRIBUTE_LONG_NAME = 0x0f,
    ATTRIBUTE_LABEL = 0x08,
    ATTRIBUTE_FOLDER = 0x10,
    LONG_LAST = 0x40, /* in the number of the entry that comes first */
    LONG_PART = 13,   /* characters in one entry */
    LONG_PARTS_MAX = 20,
    NAME_MAX_ = LONG_PART * LONG_PARTS_MAX + 1,
    DELETED = 0xe5,
};

/* One file or folder. */
struct found {
    uint32_t cluster;
    uint32_t size;
    bool folder;
};

int fat_open(struct span volume, struct fat *ret)
{
    struct cursor c = cursor_make(volume.bytes, volume.size);
    uint32_t sectors, table_sectors, reserved, tables, per_cluster;

    cursor_seek(&c, 11);
    if (cursor_le16(&c) != SECTOR)
        return -EBADMSG;
    per_cluster = cursor_u8(&c);
    reserved = cursor_le16(&c);
    tables = cursor_u8(&c);
    cursor_seek(&c, 22);
    if (cursor_le16(&c) != 0) /* FAT12 and FAT16 have the size of their tables here */
        return -EBADMSG;
    cursor_seek(&c, 32);
    sectors = cursor_le32(&c);
    table_sectors = cursor_le32(&c);
    cursor_seek(&c, 44);
    ret->root = cursor_le32(&c);
    cursor_seek(&c, 510);
    if (cursor_le16(&c) != 0xaa55 || c.failed || per_cluster == 0 || reserved == 0 || tables == 0)
        return -EBADMSG;
    ret->volume = volume;
    ret->cluster_size = (size_t)per_cluster * SECTOR;
    ret->table = (size_t)reserved * SECTOR;
    ret->data = ret->table + (size_t)tables * table_sectors * SECTOR;
    if ((size_t)sectors * SECTOR > volume.size || ret->data > (size_t)sectors * SECTOR)
        return -EBADMSG;
    ret->cluster_count = (uint32_t)(((size_t)sectors * SECTOR - ret->data) / ret->cluster_size);
    if (ret->cluster_count < CLUSTERS_MIN ||
        ret->cluster_count > (size_t)table_sectors * SECTOR / 4 - FIRST_CLUSTER)
        return -EBADMSG;
    return 0;
}

/* The bytes of a cluster; NULL for one that is not there. */
static const uint8_t *cluster_bytes(const struct fat *fat, uint32_t cluster)
{
    if (cluster < FIRST_CLUSTER || cluster - FIRST_CLUSTER >= fat->cluster_count)
        return NULL;
    return fat->volume.bytes + fat->data + (size_t)(cluster - FIRST_CLUSTER) * fat->cluster_size;
}

static uint32_t next_cluster(const struct fat *fat, uint32_t cluster)
{
    struct cursor c = cursor_make(fat->volume.bytes, fat->volume.size);

    cursor_seek(&c, fat->table + (size_t)cluster * 4);
    return cursor_le32(&c) & CLUSTER_MASK; /* 0, which is no cluster, behind the end */
}

/* A long name comes in front of its entry, its last part first. */
struct long_name {
    char text[NAME_MAX_];
    uint8_t next; /* part that has to come, counting down; 0 when it is whole */
    uint8_t checksum;
    bool valid;
};

static void add_part(struct long_name *name, const uint8_t *entry)
{
    static const uint8_t places[LONG_PART] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    uint8_t part = entry[0] & (LONG_LAST - 1);

    if (entry[0] & LONG_LAST) {
        *name = (struct long_name){ .next = part, .checksum = entry[13], .valid = true };
        name->valid = part > 0 && part <= LONG_PARTS_MAX;
    }
    if (!name->valid || part != name->next || entry[13] != name->checksum) {
        name->valid = false;
        return;
    }
    name->next--;
    for (size_t i = 0; i < LONG_PART; i++) {
        const uint8_t low = entry[places[i]], high = entry[places[i] + 1];

        /* Padding is 0xffff behind a zero. What is not ASCII equals no name that anybody asks for.
         */
        name->text[(size_t)name->next * LONG_PART + i] = high == 0                       ? (char)low
                                                         : (high == 0xff && low == 0xff) ? '\0'
                                                                                         : '?';
    }
}

static uint8_t short_checksum(const uint8_t *entry)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1) + (sum << 7) + entry[i]);
    return sum;
}

/* "BOOTX64 EFI" as "BOOTX64.EFI". */
static void short_name(const uint8_t *entry, char ret[static 13])
{
    size_t at = 0;

    for (size_t i = 0; i < 8 && entry[i] != ' '; i++)
        ret[at++] = (char)entry[i];
    if (entry[8] != ' ')
        ret[at++] = '.';
    for (size_t i = 8; i < 11 && entry[i] != ' '; i++)
        ret[at++] = (char)entry[i];
    ret[at] = '\0';
}

static bool is_named(const struct long_name *name, const uint8_t *entry, const char *wanted)
{
    char text[13];

    if (name->valid && name->next == 0 && name->checksum == short_checksum(entry))
        return strcasecmp(name->text, wanted) == 0;
    short_name(entry, text);
    return strcasecmp(text, wanted) == 0;
}

/* Looks for a name in one cluster of a folder. 1 when found, 0 to go on, -ENOENT at its end. */
static int search(const struct fat *fat, const uint8_t *bytes, struct long_name *name,
                  const char *wanted, struct found *ret)
{
    for (size_t at = 0; at < fat->cluster_size; at += ENTRY_SIZE) {
        const uint8_t *entry = bytes + at;
        struct cursor c = cursor_make(entry, ENTRY_SIZE);
        uint32_t high;

        if (entry[0] == 0)
            return -ENOENT;
        if (entry[0] != DELETED && entry[11] == ATTRIBUTE_LONG_NAME) {
            add_part(name, entry);
            continue;
        }
        if (entry[0] != DELETED && !(entry[11] & ATTRIBUTE_LABEL) &&
            is_named(name, entry, wanted)) {
            cursor_seek(&c, 20);
            high = cursor_le16(&c);
            cursor_seek(&c, 26);
            ret->cluster = high << 16 | cursor_le16(&c);
            ret->size = cursor_le32(&c);
            ret->folder = entry[11] & ATTRIBUTE_FOLDER;
            return 1;
        }
        name->valid = false;
    }
    return 0;
}

static int find_in(const struct fat *fat, uint32_t folder, const char *wanted, struct found *ret)
{
    struct long_name name = { .valid = false };

    /* A chain that goes round ends with the count of clusters. */
    for (uint32_t i = 0; i < fat->cluster_count && folder < CLUSTER_LAST; i++) {
        const uint8_t *bytes = cluster_bytes(fat, folder);
        int r = bytes ? search(fat, bytes, &name, wanted, ret) : -EBADMSG;

        if (r != 0)
            return r < 0 ? r : 0;
        folder = next_cluster(fat, folder);
    }
    return folder < CLUSTER_LAST ? -EBADMSG : -ENOENT;
}

/* True when the clusters of a file follow each other; *ret_whole: none of them is missing. */
static bool in_one_piece(const struct fat *fat, const struct found *file, bool *ret_whole)
{
    uint32_t cluster = file->cluster;
    bool straight = true;

    for (size_t left = file->size;; left -= fat->cluster_size) {
        uint32_t next;

        *ret_whole = cluster_bytes(fat, cluster) != NULL;
        if (!*ret_whole || left <= fat->cluster_size)
            return straight;
        next = next_cluster(fat, cluster);
        straight = straight && next == cluster + 1;
        cluster = next;
    }
}

static int copy(const struct fat *fat, const struct found *file, struct span *ret,
                uint8_t **ret_copy)
{
    uint8_t *bytes = malloc(file->size);
    uint32_t cluster = file->cluster;

    if (!bytes)
        return -ENOMEM;
    for (size_t done = 0; done < file->size; cluster = next_cluster(fat, cluster)) {
        size_t part = file->size - done < fat->cluster_size ? file->size - done : fat->cluster_size;

        memcpy(bytes + done, cluster_bytes(fat, cluster), part); /* in_one_piece() saw all */
        done += part;
    }
    *ret = (struct span){ bytes, file->size };
    *ret_copy = bytes;
    return 0;
}

static int read_file(const struct fat *fat, const struct found *file, struct span *ret,
                     uint8_t **ret_copy)
{
    bool whole, straight;

    *ret_copy = NULL;
    if (file->size == 0) {
        *ret = (struct span){ fat->volume.bytes, 0 };
        return 0;
    }
    if (file->size > (size_t)fat->cluster_count * fat->cluster_size)
        return -EBADMSG;
    straight = in_one_piece(fat, file, &whole);
    if (!whole)
        return -EBADMSG;
    if (!straight)
        return copy(fat, file, ret, ret_copy);
    *ret = (struct span){ cluster_bytes(fat, file->cluster), file->size };
    return 0;
}

int fat_find(const struct fat *fat, const char *path, struct span *ret, uint8_t **ret_copy)
{
    struct found at = { .cluster = fat->root, .folder = true };
    char name[NAME_MAX_];

    for (const char *rest = path; *rest != '\0';) {
        size_t length = strcspn(rest, "/");
        int r;

        if (length == 0 || length >= sizeof(name) || !at.folder)
            return -ENOENT;
        memcpy(name, rest, length);
        name[length] = '\0';
        r = find_in(fat, at.cluster, name, &at);
        if (r < 0)
            return r;
        rest += length + (rest[length] == '/');
    }
    return at.folder ? -ENOENT : read_file(fat, &at, ret, ret_copy);
}
