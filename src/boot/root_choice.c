#include "boot/root_choice.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

static const char *const kinds[] = { "system" };

int root_choice_parse(const char *text, size_t size, const char **ret, struct failure *f)
{
    if (size > 0 && text[size - 1] == '\n')
        size--;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strlen(kinds[i]) == size && memcmp(kinds[i], text, size) == 0) {
            *ret = kinds[i];
            return 0;
        }
    }
    return failure_set(f, CODE_BOOT_ROOT, -EINVAL, "no kind of root: '%.*s'",
                       (int)(size < ROOT_CHOICE_MAX ? size : ROOT_CHOICE_MAX), text);
}
