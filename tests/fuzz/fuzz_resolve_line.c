/* A line of `apt-get --print-uris`: the fields that come out were in the line, and the path is
 * below one of the archives. */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "image/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const bases[2] = { "http://m/debian", "http://m/debian-security" };
    struct lock_package package = { .size = 77 };
    const char *line = (const char *)data;

    if (resolve_parse_line(line, size, bases, &package) < 0) {
        CHECK(package.size == 77 && package.name[0] == '\0');
        return 0;
    }
    CHECK(package.name[0] != '\0' && package.version[0] != '\0' && package.arch[0] != '\0');
    CHECK(package.path[0] != '\0' && package.size <= LOCK_PACKAGE_SIZE_MAX);
    CHECK(memmem(line, size, package.path, strlen(package.path)) != NULL);
    CHECK(memmem(line, size, package.name, strlen(package.name)) != NULL);
    return 0;
}
