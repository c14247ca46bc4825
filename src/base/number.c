#include "base/number.h"

#include <errno.h>
#include <string.h>

int number_parse(const char *text, size_t length, uint64_t limit, uint64_t *ret)
{
    uint64_t value = 0;

    if (length == 0 || (length > 1 && text[0] == '0'))
        return -EBADMSG;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EBADMSG;
        if (!mul_ok(value, 10, &value) || !add_ok(value, (uint64_t)(text[i] - '0'), &value))
            return -ERANGE;
    }
    if (value > limit)
        return -ERANGE;
    *ret = value;
    return 0;
}

int number_parse_text(const char *text, uint64_t limit, uint64_t *ret)
{
    return number_parse(text, strlen(text), limit, ret);
}

int number_parse_size(const char *text, uint64_t *ret)
{
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = { { "", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB } };
    size_t digits = strspn(text, "0123456789");
    uint64_t value;
    int r = number_parse(text, digits, UINT64_MAX, &value);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(text + digits, units[i].suffix) == 0)
            return mul_ok(value, units[i].factor, ret) ? 0 : -ERANGE;
    }
    return -EBADMSG;
}
