#include "update/pe_section.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum {
    HEADER_POINTER = 0x3c, /* in the MZ header: where "PE\0\0" stands */
    NAME_SIZE = 8,
    SECTIONS_MAX = 96, /* what loaders take */
};

struct section {
    char name[NAME_SIZE];
    uint32_t virtual_size, raw_size, raw_offset;
};

static bool read_section(struct cursor *c, struct section *ret)
{
    const uint8_t *name = cursor_take(c, NAME_SIZE);

    if (!name)
        return false;
    memcpy(ret->name, name, NAME_SIZE);
    ret->virtual_size = cursor_le32(c);
    cursor_skip(c, 4); /* address when loaded */
    ret->raw_size = cursor_le32(c);
    ret->raw_offset = cursor_le32(c);
    cursor_skip(c, 16); /* relocations, line numbers, flags */
    return !c->failed;
}

/* Behind the headers, at the first section. Returns how many there are, 0 for no PE file. */
static unsigned open_table(const void *bytes, size_t size, struct cursor *ret)
{
    struct cursor c = cursor_make(bytes, size);
    uint32_t at;
    uint16_t count, optional_size;
    const uint8_t *signature;

    if (cursor_le16(&c) != 0x5a4d) /* "MZ" */
        return 0;
    cursor_skip(&c, HEADER_POINTER - 2);
    at = cursor_le32(&c);
    if (c.failed || at > size)
        return 0;
    c = cursor_make((const uint8_t *)bytes + at, size - at);
    signature = cursor_take(&c, 4);
    if (!signature || memcmp(signature, "PE\0\0", 4) != 0)
        return 0;
    cursor_skip(&c, 2); /* machine */
    count = cursor_le16(&c);
    cursor_skip(&c, 12); /* time, symbols */
    optional_size = cursor_le16(&c);
    cursor_skip(&c, 2); /* flags */
    cursor_skip(&c, optional_size);
    *ret = c;
    return c.failed || count > SECTIONS_MAX ? 0 : count;
}

int pe_section_find(const void *bytes, size_t size, const char *name, size_t *ret_offset,
                    size_t *ret_size)
{
    struct cursor c;
    unsigned count = open_table(bytes, size, &c);
    size_t length = strlen(name);

    CHECK(length <= NAME_SIZE);
    if (count == 0)
        return -EBADMSG;
    for (unsigned i = 0; i < count; i++) {
        struct section s;

        if (!read_section(&c, &s))
            return -EBADMSG;
        if (memcmp(s.name, name, length) != 0 || (length < NAME_SIZE && s.name[length] != '\0'))
            continue;
        *ret_size = s.virtual_size < s.raw_size ? s.virtual_size : s.raw_size;
        *ret_offset = s.raw_offset;
        return s.raw_offset <= size && *ret_size <= size - s.raw_offset ? 0 : -EBADMSG;
    }
    return -ENOENT;
}
