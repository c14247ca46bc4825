/* packages.txt: every name that comes out is one, so it can stand in an argument vector; every
 * refusal can be printed. */
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "image/package_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT, again = PACKAGE_LIST_INIT;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    if (package_list_parse("f", data, size, &list, &f) < 0) {
        CHECK(list.count == 0);
        for (const char *p = f.text; *p; p++)
            CHECK(*p >= ' ' && *p <= '~');
        return 0;
    }
    CHECK(list.count <= PACKAGE_LIST_MAX);
    for (size_t i = 0; i < list.count; i++) {
        CHECK(strlen(list.names[i]) >= 2 && list.names[i][0] != '-');
        text_addf(&text, "%s\n", list.names[i]);
    }
    CHECK(package_list_parse("f", (const uint8_t *)text_string(&text), text.length, &again, &f) ==
          0);
    CHECK(again.count == list.count);
    return 0;
}
