#include "image/kernel_config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"

#define HEAD "CONFIG_"

enum { SHOWN_MAX = 120 };

/* A view of one option in a text. */
struct option_line {
    const char *name, *value;
    size_t name_length, value_length;
};

static bool is_name(const char *name, size_t length)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

    if (length <= strlen(HEAD) || memcmp(name, HEAD, strlen(HEAD)) != 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!memchr(letters, name[i], strlen(letters)))
            return false;
    }
    return true;
}

static bool read_option(const char *line, size_t length, struct option_line *ret)
{
    const char *equals = memchr(line, '=', length);

    if (!equals || !is_name(line, (size_t)(equals - line)) || line + length == equals + 1)
        return false;
    *ret = (struct option_line){ .name = line,
                                 .name_length = (size_t)(equals - line),
                                 .value = equals + 1,
                                 .value_length = (size_t)(line + length - equals - 1) };
    return true;
}

/* The value of an option; false when the text does not set it. */
static bool find(const char *text, size_t size, const struct option_line *wanted,
                 struct option_line *ret)
{
    struct cursor cursor = cursor_make(text, size);
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        if (read_option(line, length, ret) && ret->name_length == wanted->name_length &&
            memcmp(ret->name, wanted->name, wanted->name_length) == 0)
            return true;
    }
    return false;
}

static bool is_value(const struct option_line *o, const char *value)
{
    return o->value_length == strlen(value) && memcmp(o->value, value, o->value_length) == 0;
}

static int check_option(const char *name, const struct option_line *wanted, const char *resolved,
                        struct failure *f)
{
    struct option_line found;
    bool set = find(resolved, strlen(resolved), wanted, &found);

    if (set ? found.value_length == wanted->value_length &&
                  memcmp(found.value, wanted->value, found.value_length) == 0
            : is_value(wanted, "n"))
        return 0;
    return failure_set(
        f, CODE_KERNEL_OPTION, -EINVAL, "%.*s: %s wants %.*s, the kernel has %.*s",
        (int)wanted->name_length, wanted->name, name,
        (int)(wanted->value_length < SHOWN_MAX ? wanted->value_length : SHOWN_MAX), wanted->value,
        set ? (int)(found.value_length < SHOWN_MAX ? found.value_length : SHOWN_MAX) : 1,
        set ? found.value : "n");
}

int kernel_config_check(const char *name, const char *wanted, const char *resolved,
                        struct failure *f)
{
    struct cursor cursor = cursor_make(wanted, strlen(wanted));
    const char *line;
    size_t length, number = 0;

    while (cursor_line(&cursor, &line, &length)) {
        struct option_line option, before;
        int r;

        number++;
        if (length == 0 || line[0] == '#')
            continue;
        if (!read_option(line, length, &option))
            return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s:%zu: not NAME=VALUE", name, number);
        if (find(wanted, (size_t)(line - wanted), &option, &before))
            return failure_set(f, CODE_SYNTAX, -EEXIST, "%s:%zu: %.*s is there twice", name, number,
                               (int)option.name_length, option.name);
        r = check_option(name, &option, resolved, f);
        if (r < 0)
            return r;
    }
    return cursor_finished(&cursor)
               ? 0
               : failure_set(f, CODE_SYNTAX, -EBADMSG, "%s: the last line has no end", name);
}
