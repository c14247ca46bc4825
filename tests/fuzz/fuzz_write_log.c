/* The log of a guest's writes, as a sequence of entries. */
#include "fuzz.h"
#include "vm/write_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t at = 0, next = 0;

    while (at < size && size - at >= WRITE_LOG_SECTOR) {
        struct write_log_entry entry;

        (void)write_log_is_super(data + at);
        if (write_log_parse(data + at, at, size, &entry, &next) != 1)
            return 0;
        CHECK(next > at && next <= size && entry.data > at);
        at = next;
    }
    return 0;
}
