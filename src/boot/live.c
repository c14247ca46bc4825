#include "boot/live.h"

#include <errno.h>
#include <string.h>

#include "sys/attribute.h"

enum {
    BLOCK_SIZE = 512,
    ENTRIES_MAX = 8, /* of the table that are looked at; the factory makes three */
};

bool live_is_partition(const struct partition_uuid *uuid)
{
    return strncmp(uuid->text, LIVE_GUID_START, strlen(LIVE_GUID_START)) == 0;
}

static int read_entry(int fd, const struct gpt_header *header, uint32_t number,
                      struct gpt_entry *ret)
{
    uint8_t bytes[GPT_ENTRY_SIZE_MIN];
    uint64_t offset;
    int r = gpt_entry_offset(header, number, BLOCK_SIZE, &offset);

    if (r == 0)
        r = attribute_read_at(fd, offset, bytes, sizeof(bytes));
    return r < 0 ? r : gpt_entry_parse(bytes, ret);
}

static bool carries(int fd, const struct gpt_entry *e, const struct live_wanted *wanted)
{
    const uint64_t blocks = e->last_block - e->first_block + 1;
    uint8_t bytes[SUPERBLOCK_SIZE];

    if (strcmp(e->type.text, LIVE_TYPE) != 0 || e->last_block > INT64_MAX / BLOCK_SIZE ||
        blocks < superblock_image_size(wanted->superblock) / BLOCK_SIZE)
        return false;
    return attribute_read_at(fd,
                             e->first_block * BLOCK_SIZE + superblock_offset(wanted->superblock),
                             bytes, sizeof(bytes)) == 0 &&
           memcmp(bytes, wanted->bytes, sizeof(bytes)) == 0;
}

int live_find(int fd, const struct live_wanted *wanted, uint64_t *ret)
{
    uint8_t bytes[BLOCK_SIZE];
    struct gpt_header header;
    int r = attribute_read_at(fd, GPT_FIRST_BLOCK * BLOCK_SIZE, bytes, sizeof(bytes));

    if (r == 0)
        r = gpt_header_parse(bytes, sizeof(bytes), GPT_FIRST_BLOCK, &header);
    if (r < 0)
        return r;
    for (uint32_t number = 1; number <= ENTRIES_MAX; number++) {
        struct gpt_entry entry;

        if (read_entry(fd, &header, number, &entry) == 0 && carries(fd, &entry, wanted)) {
            *ret = entry.first_block * BLOCK_SIZE;
            return 0;
        }
    }
    return -ENOENT;
}
