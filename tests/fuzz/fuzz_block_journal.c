/* The journal of a block server, as a sequence of entries. */
#include "fuzz.h"
#include "vm/block_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t at = 0, next = 0;

    while (at < size && size - at >= BLOCK_JOURNAL_HEAD) {
        struct block_journal_entry entry;

        if (block_journal_parse(data + at, at, size, &entry, &next) != 1)
            return 0;
        CHECK(next > at && next <= size && entry.data == at + BLOCK_JOURNAL_HEAD);
        at = next;
    }
    return 0;
}
