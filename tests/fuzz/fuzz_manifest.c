/* generation.json: what is accepted is exactly what would be written. */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "trust/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct manifest manifest;

    if (manifest_parse("f", data, size, &manifest, &f) < 0) {
        CHECK(f.code == CODE_MANIFEST && strncmp(f.text, "f:", 2) == 0);
        return 0;
    }
    manifest_format(&manifest, &text);
    CHECK(text_status(&text) == 0);
    CHECK(text.length == size && memcmp(text_string(&text), data, size) == 0);
    for (size_t i = 0; i < manifest.file_count; i++)
        CHECK(!strchr(manifest.files[i].name, '/') && manifest.files[i].name[0] != '.');
    return 0;
}
