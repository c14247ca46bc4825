/* The verity superblock: sizes that follow from it never overflow, its table line always fits. */
#include <string.h>

#include "boot/superblock.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t hash[CMDLINE_HASH_SIZE];
    uint8_t bytes[SUPERBLOCK_SIZE] = { 0 };
    char text[SUPERBLOCK_TABLE_MAX];
    struct line l = line_make(text, sizeof(text));
    struct superblock s;

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (superblock_parse(bytes, &s) < 0)
        return 0;
    CHECK(s.data_blocks > 0 && s.data_blocks <= SUPERBLOCK_DATA_BLOCKS_MAX);
    CHECK(s.salt_size <= SUPERBLOCK_SALT_MAX);
    CHECK(superblock_image_size(&s) > superblock_offset(&s));
    CHECK(superblock_image_size(&s) % SUPERBLOCK_BLOCK_SIZE == 0);
    superblock_table(&s, hash, "4294967295:4294967295", &l);
    CHECK(!l.cut);
    return 0;
}
