/* The signed command line: what is accepted is whole, and is the same as itself only. */
#include <string.h>

#include "boot/cmdline.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    if (cmdline_parse(text, size, &c, &f) == 0) {
        CHECK(strlen(c.generation) > 0 && strlen(c.generation) <= CMDLINE_GENERATION_MAX);
        CHECK(strlen(c.profile) > 0 && strlen(c.profile) <= CMDLINE_PROFILE_MAX);
        CHECK(c.epoch <= CMDLINE_EPOCH_MAX);
        CHECK(!memchr(data, '\n', size) && !memchr(data, '"', size));
    } else {
        CHECK(f.code == CODE_BOOT_CMDLINE_SYNTAX);
    }
    CHECK(cmdline_same(text, size, text, size));
    CHECK(size == 0 || !cmdline_same(text, size - 1, text, size) || data[size - 1] == '\n');
    return 0;
}
