/* A boot file that somebody else wrote into a slot. */
#include "fuzz.h"
#include "trust/boot_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct boot_lists none = { .db = data, .dbx = data };
    struct failure f = FAILURE_NONE;
    struct boot_signature *s;
    struct signature by;

    if (boot_signature_read(data, size, &s, &f) < 0)
        return 0;
    CHECK(boot_signature_allowed(s, &none, &by, &f) < 0);
    boot_signature_free(s);
    return 0;
}
