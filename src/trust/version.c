#include "trust/version.h"

#include <errno.h>
#include <string.h>

#include "base/number.h"

int version_parse(const char *text, size_t length, struct version *ret)
{
    struct version version;
    size_t start = 0;

    for (size_t i = 0; i < ARRAY_SIZE(version.numbers); i++) {
        const char *dot = memchr(text + start, '.', length - start);
        size_t end = dot ? (size_t)(dot - text) : length;
        uint64_t number;

        if ((dot != NULL) != (i + 1 < ARRAY_SIZE(version.numbers)) ||
            number_parse(text + start, end - start, VERSION_NUMBER_MAX, &number) < 0)
            return -EBADMSG;
        version.numbers[i] = (uint32_t)number;
        start = dot ? end + 1 : end;
    }
    *ret = version;
    return 0;
}

int version_parse_name(const char *text, struct version *ret)
{
    return text[0] == 'v' ? version_parse(text + 1, strlen(text + 1), ret) : -EBADMSG;
}

int version_compare(const struct version *a, const struct version *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(a->numbers); i++) {
        if (a->numbers[i] != b->numbers[i])
            return a->numbers[i] < b->numbers[i] ? -1 : 1;
    }
    return 0;
}
