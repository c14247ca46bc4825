/* The index of releases: what is accepted is written the same way again. */
#include <string.h>

#include "fuzz.h"
#include "trust/latest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct latest latest;

    if (latest_parse("f", data, size, &latest, &f) < 0) {
        CHECK(f.code == CODE_SYNTAX);
        return 0;
    }
    latest_format(&latest, &text);
    CHECK(text_status(&text) == 0);
    CHECK(text.length == size && memcmp(text_string(&text), data, size) == 0);
    return 0;
}
