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

struct unit {
    const char *suffix;
    uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, size_t unit_count,
                           uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t value;
    int r = number_parse(text, digits, UINT64_MAX, &value);

    if (r < 0)
        return r;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(text + digits, units[i].suffix) == 0)
            return mul_ok(value, units[i].factor, ret) ? 0 : -ERANGE;
    }
    return -EBADMSG;
}

int number_parse_size(const char *text, uint64_t *ret)
{
    static const struct unit units[] = {
        { "", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB }
    };

    return parse_with_unit(text, units, ARRAY_SIZE(units), ret);
}

int number_parse_duration(const char *text, uint64_t *ret_ns)
{
    static const struct unit units[] = {
        { "ms", NS_PER_MS },
        { "s", NS_PER_S },
        { "min", 60 * NS_PER_S },
        { "h", 3600 * NS_PER_S },
    };

    return parse_with_unit(text, units, ARRAY_SIZE(units), ret_ns);
}
