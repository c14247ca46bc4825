/* /proc/PID/status, in which a process chose its own name. */
#include <string.h>

#include "fuzz.h"
#include "work/in_force.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[4096];
    struct in_force in;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (in_force_parse_status(text, &in) == 0) {
        _cleanup_text_ struct text t = TEXT_INIT;

        in_force_add_capabilities(in.capabilities, &t);
        CHECK(text_status(&t) == 0 && t.length > 0);
    }
    return 0;
}
