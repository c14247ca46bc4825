#include "image/erofs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cursor.h"

enum {
    SUPER_AT = 1024,
    BLOCK_BITS_MIN = 9,
    BLOCK_BITS_MAX = 16,
    INODE_UNIT = 32, /* number of an inode times this is its place */
    COMPACT_SIZE = 32,
    EXTENDED_SIZE = 64,
    LAYOUT_PLAIN = 0,
    LAYOUT_INLINE = 2,
    XATTR_HEADER_SIZE = 12,
    XATTR_UNIT = 4,
    NAME_ENTRY_SIZE = 12,
};
#define MAGIC 0xe0f5e1e2u

struct erofs {
    struct span image;
    uint64_t block;     /* bytes */
    uint64_t inodes_at; /* bytes */
    erofs_each each;
    void *context;
    size_t entries;
    char path[EROFS_PATH_MAX];
    size_t path_length;
};

struct inode {
    uint16_t mode;
    uint32_t user, group;
    uint64_t number;
    struct span parts[2];
};

uint64_t erofs_size(const struct erofs_entry *entry)
{
    return (uint64_t)entry->parts[0].size + entry->parts[1].size;
}

struct digest erofs_digest(const struct erofs_entry *entry)
{
    return digest_two(entry->parts[0].bytes, entry->parts[0].size, entry->parts[1].bytes,
                      entry->parts[1].size);
}

bool erofs_is(struct span image)
{
    struct cursor c = cursor_make(image.bytes, image.size);

    cursor_seek(&c, SUPER_AT);
    return cursor_le32(&c) == MAGIC;
}

static int view(const struct erofs *e, uint64_t offset, uint64_t size, struct span *ret)
{
    if (offset > e->image.size || size > e->image.size - offset)
        return -EBADMSG;
    *ret = (struct span){ e->image.bytes + offset, (size_t)size };
    return 0;
}

/* What belongs to an inode's content: whole blocks somewhere, and for LAYOUT_INLINE the rest right
 * behind the inode. */
static int find_content(const struct erofs *e, unsigned layout, uint64_t size, uint64_t block,
                        uint64_t behind, struct inode *ret)
{
    uint64_t tail = layout == LAYOUT_INLINE ? size % e->block : 0;
    int r;

    if (layout != LAYOUT_PLAIN && layout != LAYOUT_INLINE)
        return -ENOTSUP;
    if (layout == LAYOUT_INLINE && tail == 0 && size > 0)
        tail = e->block; /* the last block, though it is a whole one */
    r = size == tail ? 0 : view(e, block * e->block, size - tail, &ret->parts[0]);
    if (size == tail)
        ret->parts[0] = (struct span){ e->image.bytes, 0 };
    return r < 0 ? r : view(e, behind, tail, &ret->parts[1]);
}

static bool has_content(uint16_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
}

static int read_inode(const struct erofs *e, uint64_t number, struct inode *ret)
{
    struct cursor c = cursor_make(e->image.bytes, e->image.size);
    uint64_t at, size, behind;
    uint32_t block;
    uint16_t format, attributes;
    bool extended;

    if (number > e->image.size / INODE_UNIT)
        return -EBADMSG;
    at = e->inodes_at + number * INODE_UNIT;
    cursor_seek(&c, (size_t)at);
    format = cursor_le16(&c);
    extended = format & 1;
    attributes = cursor_le16(&c);
    ret->mode = cursor_le16(&c);
    cursor_skip(&c, 2); /* links, or nothing */
    size = extended ? cursor_le64(&c) : cursor_le32(&c);
    if (!extended)
        cursor_skip(&c, 4);
    block = cursor_le32(&c);
    cursor_skip(&c, 4); /* number for stat(2) */
    ret->user = extended ? cursor_le32(&c) : cursor_le16(&c);
    ret->group = extended ? cursor_le32(&c) : cursor_le16(&c);
    ret->number = number;
    behind = at + (extended ? EXTENDED_SIZE : COMPACT_SIZE);
    if (attributes > 0)
        behind += XATTR_HEADER_SIZE + (uint64_t)(attributes - 1u) * XATTR_UNIT;
    if (c.failed)
        return -EBADMSG;
    if (!has_content(ret->mode)) {
        ret->parts[0] = ret->parts[1] = (struct span){ e->image.bytes, 0 };
        return 0;
    }
    return find_content(e, (format >> 1) & 7u, size, block, behind, ret);
}

static int walk(struct erofs *e, const struct inode *folder, unsigned depth);

static int visit(struct erofs *e, uint64_t number, const char *name, size_t length, unsigned depth)
{
    const size_t before = e->path_length;
    struct erofs_entry entry;
    struct inode inode;
    int r;

    if (length == 0 || memchr(name, '/', length))
        return -EBADMSG;
    if ((length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.'))
        return 0;
    if (e->entries++ >= EROFS_ENTRIES_MAX || length + 2 > sizeof(e->path) - before)
        return -ERANGE;
    r = read_inode(e, number, &inode);
    if (r < 0)
        return r;
    if (before > 0)
        e->path[e->path_length++] = '/';
    memcpy(e->path + e->path_length, name, length);
    e->path_length += length;
    e->path[e->path_length] = '\0';
    entry = (struct erofs_entry){ e->path,     inode.mode,   inode.user,
                                  inode.group, inode.number, { inode.parts[0], inode.parts[1] } };
    r = e->each(&entry, e->context);
    if (r == 0 && S_ISDIR(inode.mode))
        r = walk(e, &inode, depth + 1);
    e->path_length = before;
    e->path[before] = '\0';
    return r;
}

/* One block of a folder: entries (inode 8, where the name begins 2, type 1, nothing 1), then names.
 * How many there are follows from where the first name begins; the last name ends with the block,
 * or with a zero. */
static int walk_block(struct erofs *e, const uint8_t *bytes, size_t size, unsigned depth)
{
    struct cursor c = cursor_make(bytes, size);
    size_t count, begin;

    cursor_seek(&c, 8);
    begin = cursor_le16(&c);
    count = begin / NAME_ENTRY_SIZE;
    if (c.failed || begin == 0 || begin % NAME_ENTRY_SIZE != 0 || begin > size)
        return -EBADMSG;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        size_t end = size;
        int r;

        cursor_seek(&c, i * NAME_ENTRY_SIZE);
        number = cursor_le64(&c);
        begin = cursor_le16(&c);
        if (i + 1 < count) {
            cursor_seek(&c, (i + 1) * NAME_ENTRY_SIZE + 8);
            end = cursor_le16(&c);
        }
        if (c.failed || begin > end || end > size)
            return -EBADMSG;
        r = visit(e, number, (const char *)bytes + begin,
                  strnlen((const char *)bytes + begin, end - begin), depth);
        if (r != 0)
            return r;
    }
    return 0;
}

static int walk(struct erofs *e, const struct inode *folder, unsigned depth)
{
    if (depth > EROFS_DEPTH_MAX)
        return -ERANGE;
    for (size_t i = 0; i < ARRAY_SIZE(folder->parts); i++) {
        const struct span *part = &folder->parts[i];

        for (size_t at = 0; at < part->size; at += e->block) {
            size_t left = part->size - at;
            int r =
                walk_block(e, part->bytes + at, left < e->block ? left : (size_t)e->block, depth);

            if (r != 0)
                return r;
        }
    }
    return 0;
}

int erofs_walk(struct span image, erofs_each each, void *context)
{
    struct erofs e = { .image = image, .each = each, .context = context };
    struct cursor c = cursor_make(image.bytes, image.size);
    struct inode root;
    uint16_t root_number;
    uint8_t bits;
    int r;

    cursor_seek(&c, SUPER_AT);
    if (cursor_le32(&c) != MAGIC)
        return -EBADMSG;
    cursor_skip(&c, 8); /* checksum, compatible features */
    bits = cursor_u8(&c);
    cursor_skip(&c, 1);
    root_number = cursor_le16(&c);
    cursor_seek(&c, SUPER_AT + 40);
    e.inodes_at = cursor_le32(&c);
    if (c.failed || bits < BLOCK_BITS_MIN || bits > BLOCK_BITS_MAX)
        return -EBADMSG;
    e.block = 1ull << bits;
    e.inodes_at *= e.block;
    r = read_inode(&e, root_number, &root);
    if (r == 0 && !S_ISDIR(root.mode))
        r = -EBADMSG;
    return r < 0 ? r : walk(&e, &root, 0);
}
