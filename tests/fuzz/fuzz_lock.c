/* packages.lock: what is accepted is exactly what would be written, and holds no name that leads
 * out of a folder. */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "image/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    _cleanup_text_ struct text text = TEXT_INIT;
    const struct lock_package *kernel;
    struct failure f = FAILURE_NONE;

    if (lock_parse("f", data, size, &lock, &f) < 0) {
        CHECK(f.cause < 0 && strncmp(f.text, "f:", 2) == 0 && !lock.packages);
        return 0;
    }
    lock_format(&lock, &text);
    CHECK(text_status(&text) == 0);
    CHECK(text.length == size && memcmp(text_string(&text), data, size) == 0);
    kernel = lock_kernel(&lock);
    CHECK(!kernel || strlen(lock_kernel_release(kernel)) > 0);
    for (size_t i = 0; i < lock.package_count; i++) {
        CHECK(!strchr(lock.packages[i].name, '/') && lock.packages[i].name[0] != '.');
        CHECK(!strstr(lock.packages[i].path, "..") && lock.packages[i].path[0] != '/');
    }
    return 0;
}
