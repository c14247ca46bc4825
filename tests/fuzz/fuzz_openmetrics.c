/* Files of others for the metrics page: what is accepted once is accepted again as it was written,
 * and gives the same. */
#include <string.h>

#include "fuzz.h"
#include "node/openmetrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct openmetrics_names names;
    _cleanup_text_ struct text first = TEXT_INIT, second = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    names.count = 0;
    if (openmetrics_take((const char *)data, size, &names, &first, &f) < 0) {
        CHECK(f.code == CODE_METRICS && strncmp(f.text, "line ", 5) == 0);
        CHECK(first.length == 0 && names.count == 0);
        return 0;
    }
    names.count = 0;
    CHECK(openmetrics_take(text_string(&first), first.length, &names, &second, &f) == 0);
    CHECK(strcmp(text_string(&first), text_string(&second)) == 0);
    return 0;
}
