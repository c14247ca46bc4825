#include "sys/boot_entry.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "base/line.h"

enum {
    PATH_MEDIA = 4,
    PATH_MEDIA_DISK = 1,
    PATH_MEDIA_FILE = 4,
    PATH_END = 0x7f,
    PATH_HEAD_SIZE = 4,
    PATH_DISK_SIZE = 42,
    DISK_FORMAT_GPT = 2,
    DISK_SIGNATURE_GUID = 2,
};

/* --- Encoding --- */

/* A bounded writer of little-endian fields. */
struct writer {
    uint8_t *bytes;
    size_t size;
    bool failed;
};

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    if (w->failed || size > BOOT_ENTRY_SIZE_MAX - w->size) {
        w->failed = true;
        return;
    }
    if (size > 0)
        memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_number(struct writer *w, uint64_t value, size_t size)
{
    uint8_t bytes[sizeof(value)];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put_bytes(w, bytes, size);
}

/* ASCII as UTF-16 with a terminating zero. */
static void put_text(struct writer *w, const char *text)
{
    for (const char *p = text; *p; p++)
        put_number(w, (uint8_t)*p, 2);
    put_number(w, 0, 2);
}

static void put_head(struct writer *w, unsigned type, unsigned subtype, size_t size)
{
    put_number(w, type, 1);
    put_number(w, subtype, 1);
    put_number(w, size, 2);
}

static void put_path(struct writer *w, const struct boot_entry *entry)
{
    if (entry->on_partition) {
        put_head(w, PATH_MEDIA, PATH_MEDIA_DISK, PATH_DISK_SIZE);
        put_number(w, entry->partition.number, 4);
        put_number(w, entry->partition.first_block, 8);
        put_number(w, entry->partition.block_count, 8);
        put_bytes(w, entry->partition.guid, BOOT_ENTRY_GUID_SIZE);
        put_number(w, DISK_FORMAT_GPT, 1);
        put_number(w, DISK_SIGNATURE_GUID, 1);
    }
    put_head(w, PATH_MEDIA, PATH_MEDIA_FILE, PATH_HEAD_SIZE + 2 * (strlen(entry->file) + 1));
    put_text(w, entry->file);
    put_head(w, PATH_END, 0xff, PATH_HEAD_SIZE);
}

static bool is_ascii(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p < ' ' || *p > '~')
            return false;
    }
    return true;
}

int boot_entry_encode(const struct boot_entry *entry, uint8_t ret_bytes[static BOOT_ENTRY_SIZE_MAX],
                      size_t *ret_size)
{
    uint8_t path_bytes[BOOT_ENTRY_SIZE_MAX];
    struct writer path = { .bytes = path_bytes }, whole = { .bytes = ret_bytes };

    if (!is_ascii(entry->description) || !is_ascii(entry->file) || !entry->file[0])
        return -EINVAL;
    put_path(&path, entry);
    put_number(&whole, entry->attributes, 4);
    put_number(&whole, path.size, 2);
    put_text(&whole, entry->description);
    put_bytes(&whole, path.bytes, path.size);
    put_bytes(&whole, entry->options, entry->options_size);
    if (path.failed || whole.failed)
        return -ERANGE;
    *ret_size = whole.size;
    return 0;
}

/* --- Decoding --- */

static int add_character(struct line *l, uint16_t c)
{
    char byte = c < ' ' || c > '~' ? '?' : (char)c;

    line_add_bytes(l, &byte, 1);
    return l->cut ? -ERANGE : 0;
}

static int take_description(struct cursor *c, char ret[static BOOT_ENTRY_TEXT_SIZE])
{
    struct line l = line_make(ret, BOOT_ENTRY_TEXT_SIZE);

    for (;;) {
        uint16_t character = cursor_le16(c);
        int r;

        if (c->failed)
            return -EBADMSG;
        if (character == 0)
            return 0;
        r = add_character(&l, character);
        if (r < 0)
            return r;
    }
}

static int take_disk(struct cursor *node, struct boot_entry *entry)
{
    struct boot_partition p;

    p.number = cursor_le32(node);
    p.first_block = cursor_le64(node);
    p.block_count = cursor_le64(node);
    cursor_copy(node, p.guid, sizeof(p.guid));
    if (cursor_u8(node) == DISK_FORMAT_GPT && cursor_u8(node) == DISK_SIGNATURE_GUID) {
        entry->partition = p;
        entry->on_partition = true;
    } else {
        cursor_skip(node, cursor_left(node));
    }
    return cursor_finished(node) ? 0 : -EBADMSG;
}

/* The terminating zero is in the node, and some firmware leaves it out. */
static int take_file(struct cursor *node, struct line *file)
{
    while (cursor_left(node) > 0) {
        uint16_t character = cursor_le16(node);
        int r;

        if (node->failed)
            return -EBADMSG;
        if (character == 0)
            return cursor_left(node) == 0 ? 0 : -EBADMSG;
        r = add_character(file, character);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_path(struct cursor *path, struct boot_entry *entry)
{
    struct line file = line_make(entry->file, sizeof(entry->file));

    for (;;) {
        uint8_t type = cursor_u8(path), subtype = cursor_u8(path);
        uint16_t size = cursor_le16(path);
        struct cursor node;
        const uint8_t *bytes;
        int r = 0;

        if (path->failed || size < PATH_HEAD_SIZE)
            return -EBADMSG;
        bytes = cursor_take(path, size - PATH_HEAD_SIZE);
        if (!bytes)
            return -EBADMSG;
        if (type == PATH_END) /* of the path, or of its first instance */
            return 0;
        node = cursor_make(bytes, size - PATH_HEAD_SIZE);
        if (type == PATH_MEDIA && subtype == PATH_MEDIA_DISK)
            r = take_disk(&node, entry);
        else if (type == PATH_MEDIA && subtype == PATH_MEDIA_FILE)
            r = take_file(&node, &file);
        if (r < 0)
            return r;
    }
}

int boot_entry_decode(const void *bytes, size_t size, struct boot_entry *ret)
{
    struct cursor c = cursor_make(bytes, size), path;
    struct boot_entry entry = { .on_partition = false };
    const uint8_t *path_bytes;
    uint16_t path_size;
    int r;

    entry.attributes = cursor_le32(&c);
    path_size = cursor_le16(&c);
    r = take_description(&c, entry.description);
    if (r < 0)
        return r;
    path_bytes = cursor_take(&c, path_size);
    if (!path_bytes)
        return -EBADMSG;
    path = cursor_make(path_bytes, path_size);
    r = take_path(&path, &entry);
    if (r < 0)
        return r;
    entry.options_size = cursor_left(&c);
    entry.options = cursor_take(&c, entry.options_size);
    *ret = entry;
    return 0;
}

bool boot_entry_starts(const struct boot_entry *entry,
                       const uint8_t guid[static BOOT_ENTRY_GUID_SIZE], const char *file)
{
    return entry->on_partition && memcmp(entry->partition.guid, guid, BOOT_ENTRY_GUID_SIZE) == 0 &&
           strcasecmp(entry->file, file) == 0;
}

/* --- GUIDs and names --- */

/* Which byte of a GUID stands where in its text; a dash stands before the bytes at 4, 6, 8, 10. */
static const uint8_t guid_order[BOOT_ENTRY_GUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
                                                          8, 9, 10, 11, 12, 13, 14, 15 };

static bool has_dash(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int boot_entry_guid_parse(const char *text, uint8_t ret_guid[static BOOT_ENTRY_GUID_SIZE])
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    const char *p = text;

    if (strlen(text) != BOOT_ENTRY_GUID_TEXT_SIZE - 1)
        return -EBADMSG;
    for (size_t i = 0; i < BOOT_ENTRY_GUID_SIZE; i++) {
        if (has_dash(i) && *p++ != '-')
            return -EBADMSG;
        if (hex_decode(p, 2, &guid[guid_order[i]], 1) < 0)
            return -EBADMSG;
        p += 2;
    }
    memcpy(ret_guid, guid, sizeof(guid));
    return 0;
}

int boot_entry_name_parse(const char *name, uint16_t *ret_number)
{
    uint8_t bytes[2];

    if (strlen(name) != BOOT_ENTRY_NAME_SIZE - 1 || memcmp(name, "Boot", 4) != 0)
        return -EBADMSG;
    for (const char *p = name + 4; *p; p++) {
        if (*p >= 'a' && *p <= 'f')
            return -EBADMSG;
    }
    if (hex_decode(name + 4, 4, bytes, sizeof(bytes)) < 0)
        return -EBADMSG;
    *ret_number = (uint16_t)(bytes[0] << 8 | bytes[1]);
    return 0;
}

void boot_entry_name(uint16_t number, char ret_name[static BOOT_ENTRY_NAME_SIZE])
{
    struct line l = line_make(ret_name, BOOT_ENTRY_NAME_SIZE);

    line_addf(&l, "Boot%04X", number);
    CHECK(!l.cut);
}
