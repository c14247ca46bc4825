/* Text of any kind: it is never refused, nothing is invented but the mark, and a second pass finds
 * no private key any more. */
#include <string.h>

#include "fuzz.h"
#include "node/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char key[] = "-----BEGIN PRIVATE KEY-----";
    _cleanup_text_ struct text t = TEXT_INIT;

    redact_add(&t, (const char *)data, size);
    CHECK(text_status(&t) == 0);
    CHECK(t.length <= size + size * strlen(REDACT_MARK));
    CHECK(t.length == 0 || !memmem(t.data, t.length, key, strlen(key)));
    return 0;
}
