#include "trust/pe_section.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum { HEADER_POINTER = 0x3c /* in the MZ header: where "PE\0\0" stands */ };

static int read_section(struct cursor *c, size_t size, struct pe_section *ret)
{
    uint32_t virtual_size, raw_size, raw_offset;

    cursor_copy(c, ret->name, PE_SECTION_NAME_SIZE);
    ret->name[PE_SECTION_NAME_SIZE] = '\0';
    virtual_size = cursor_le32(c);
    cursor_skip(c, 4); /* address when loaded */
    raw_size = cursor_le32(c);
    raw_offset = cursor_le32(c);
    cursor_skip(c, 16); /* relocations, line numbers, flags */
    ret->offset = raw_offset;
    ret->room = raw_size;
    ret->size = virtual_size < raw_size ? virtual_size : raw_size;
    return !c->failed && ret->offset <= size && ret->room <= size - ret->offset ? 0 : -EBADMSG;
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
    return c.failed || count > PE_SECTIONS_MAX ? 0 : count;
}

int pe_sections_read(const void *bytes, size_t size, struct pe_sections *ret)
{
    struct cursor c;
    unsigned count = open_table(bytes, size, &c);

    if (count == 0)
        return -EBADMSG;
    for (unsigned i = 0; i < count; i++) {
        int r = read_section(&c, size, &ret->list[i]);

        if (r < 0)
            return r;
    }
    ret->count = count;
    return 0;
}

int pe_section_find(const void *bytes, size_t size, const char *name, size_t *ret_offset,
                    size_t *ret_size)
{
    struct pe_sections sections;
    int r = pe_sections_read(bytes, size, &sections);

    CHECK(strlen(name) <= PE_SECTION_NAME_SIZE);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sections.count; i++) {
        if (strcmp(sections.list[i].name, name) != 0)
            continue;
        *ret_offset = sections.list[i].offset;
        *ret_size = sections.list[i].size;
        return 0;
    }
    return -ENOENT;
}
