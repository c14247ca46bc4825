/* The boot file's TPM policy: JSON, a zero byte, PEM. */
#include <string.h>

#include "disk/pcrsig.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
    const size_t json_size = zero ? (size_t)(zero - data) : size;
    struct failure f = FAILURE_NONE;
    struct seal_policy policy;

    if (pcrsig_parse(data, json_size, zero ? zero + 1 : data + size,
                     zero ? size - json_size - 1 : 0, &policy, &f) == 0)
        CHECK(policy.epoch <= INT64_MAX);
    else
        CHECK(f.code == CODE_UNSEAL_POLICY);
    return 0;
}
