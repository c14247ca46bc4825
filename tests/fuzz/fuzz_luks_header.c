/* The header of an encrypted disk, as an attacker may have written it. */
#include <string.h>

#include "disk/luks_header.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct luks_header header;

    if (luks_header_scan(data, size, &header) == 0) {
        CHECK(strlen(header.uuid) == LUKS_HEADER_UUID_SIZE - 1);
        CHECK(header.token_count <= LUKS_HEADER_TOKENS_MAX);
    }
    return 0;
}
