/* What the encrypted disk has to be, read from a header's text. */
#include "disk/binding.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure f = FAILURE_NONE;
    struct binding b;
    uint8_t hash[BINDING_HASH_SIZE];

    if (binding_parse((const char *)data, size, "01234567-89ab-cdef-0123-456789abcdef", &b, &f) ==
        0)
        binding_hash(&b, hash);
    else
        CHECK(f.code == CODE_PERSIST_BINDING);
    return 0;
}
