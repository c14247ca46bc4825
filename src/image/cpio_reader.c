#include "image/cpio_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"

enum { FIELD_SIZE = 8, FIELDS = 13, ALIGNMENT = 4, NAME_SIZE_MAX = 4096 };
enum { FIELD_MODE = 1, FIELD_SIZE_OF_FILE = 6, FIELD_SIZE_OF_NAME = 11 };

#define MAGIC   "070701"
#define TRAILER "TRAILER!!!"

static bool read_field(struct cursor *c, uint32_t *ret)
{
    const uint8_t *digits = cursor_take(c, FIELD_SIZE);
    uint32_t value = 0;

    for (size_t i = 0; digits && i < FIELD_SIZE; i++) {
        const uint8_t d = digits[i];

        value <<= 4;
        if (d >= '0' && d <= '9')
            value |= d - (uint32_t)'0';
        else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
            value |= (d | 0x20u) - 'a' + 10u;
        else
            return false;
    }
    *ret = value;
    return digits != NULL;
}

static void align(struct cursor *c)
{
    size_t over = c->offset % ALIGNMENT;

    if (over != 0)
        cursor_skip(c, ALIGNMENT - over);
}

static int read_member(struct cursor *c, struct cpio_member *ret)
{
    const uint8_t *magic = cursor_take(c, strlen(MAGIC));
    uint32_t fields[FIELDS];

    if (!magic || memcmp(magic, MAGIC, strlen(MAGIC)) != 0)
        return -EBADMSG;
    for (size_t i = 0; i < FIELDS; i++) {
        if (!read_field(c, &fields[i]))
            return -EBADMSG;
    }
    if (fields[FIELD_SIZE_OF_NAME] == 0 || fields[FIELD_SIZE_OF_NAME] > NAME_SIZE_MAX)
        return -EBADMSG;
    ret->path = (const char *)cursor_take(c, fields[FIELD_SIZE_OF_NAME]);
    if (!ret->path ||
        strnlen(ret->path, fields[FIELD_SIZE_OF_NAME]) + 1 != fields[FIELD_SIZE_OF_NAME])
        return -EBADMSG;
    align(c);
    ret->mode = fields[FIELD_MODE];
    ret->content.size = fields[FIELD_SIZE_OF_FILE];
    ret->content.bytes = cursor_take(c, ret->content.size);
    if (!ret->content.bytes)
        return -EBADMSG;
    if (cursor_left(c) > 0)
        align(c);
    return c->failed ? -EBADMSG : 0;
}

static void skip_zeros(struct cursor *c)
{
    while (cursor_left(c) > 0 && c->bytes[c->offset] == 0)
        cursor_skip(c, 1);
}

int cpio_walk(struct span archives, cpio_each each, void *context)
{
    struct cursor c = cursor_make(archives.bytes, archives.size);
    bool inside = false;

    for (size_t i = 0;; i++) {
        struct cpio_member member;
        int r;

        if (!inside)
            skip_zeros(&c);
        if (!inside && cursor_left(&c) == 0)
            return i > 0 ? 0 : -EBADMSG;
        if (i >= CPIO_READER_ENTRIES_MAX)
            return -ERANGE;
        r = read_member(&c, &member);
        if (r < 0)
            return r;
        inside = strcmp(member.path, TRAILER) != 0;
        if (inside && (r = each(&member, context)) != 0)
            return r;
    }
}
