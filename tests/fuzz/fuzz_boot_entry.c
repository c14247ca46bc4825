/* A boot entry: what is read and can be written in the short form is read again as the same. */
#include <string.h>

#include "fuzz.h"
#include "sys/boot_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    struct boot_entry first, second;
    size_t length;

    if (boot_entry_decode(data, size, &first) < 0)
        return 0;
    CHECK(memchr(first.description, '\0', sizeof(first.description)));
    CHECK(memchr(first.file, '\0', sizeof(first.file)));
    CHECK(first.options_size <= size);
    if (boot_entry_encode(&first, bytes, &length) < 0)
        return 0;
    CHECK(boot_entry_decode(bytes, length, &second) == 0);
    CHECK(strcmp(first.description, second.description) == 0);
    CHECK(strcmp(first.file, second.file) == 0);
    CHECK(first.on_partition == second.on_partition);
    CHECK(!first.on_partition || boot_entry_starts(&second, first.partition.guid, first.file));
    CHECK(first.options_size == second.options_size);
    CHECK(first.options_size == 0 ||
          memcmp(first.options, second.options, first.options_size) == 0);
    return 0;
}
