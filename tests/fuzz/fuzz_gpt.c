/* The partition table: a header that is accepted gives offsets that make sense. */
#include <string.h>

#include "disk/gpt.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[GPT_ENTRY_SIZE_MIN] = { 0 };
    struct gpt_header h;
    struct gpt_entry e;
    uint64_t offset;

    if (gpt_header_parse(data, size, GPT_FIRST_BLOCK, &h) == 0) {
        CHECK(h.entry_count > 0 && h.entry_count <= GPT_ENTRY_COUNT_MAX);
        CHECK(gpt_entry_offset(&h, h.entry_count + 1, 512, &offset) < 0);
        if (gpt_entry_offset(&h, h.entry_count, 512, &offset) == 0)
            CHECK(offset >= 1024);
    }
    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (gpt_entry_parse(bytes, &e) == 0)
        CHECK(strlen(e.uuid.text) == PARTITION_UUID_LENGTH && e.first_block <= e.last_block);
    return 0;
}
