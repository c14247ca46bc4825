#include "image/development.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

/* SHA-512 crypt of "broch" with the salt "broch". It is public and exists in development images
 * only: reading it must not be mistaken for learning a secret. */
#define DEVELOPMENT_HASH                                                                           \
    "$6$broch$S0N3X.O6m7P"                                                                         \
    "kdc2oe10ITcgudNrgdk9B1IG72lnWZeMHzuQB20WWpz7HS/UB/VfOVs4rDnD0uedsooplawvtx."

/* The part of [at, end) up to the next colon, or all of it. */
static const char *field_end(const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));

    return colon ? colon : end;
}

/* Fields of shadow(5): name, password, day of the last change, and the rest, which stays. */
static void add_shadow_line(const char *line, const char *end, bool development, struct text *ret)
{
    const char *name = field_end(line, end), *password, *changed;
    bool is_admin = name - line == 5 && memcmp(line, "admin", 5) == 0;

    text_add_bytes(ret, line, (size_t)(name - line));
    if (name < end) {
        password = field_end(name + 1, end);
        text_add(ret, ":");
        if (is_admin && development)
            text_add(ret, DEVELOPMENT_HASH);
        else
            text_add(ret, name + 1 < end && name[1] == '*' ? "*" : "!");
        if (password < end) {
            changed = field_end(password + 1, end);
            text_add(ret, ":");
            text_add_bytes(ret, changed, (size_t)(end - changed));
        }
    }
    text_add(ret, "\n");
}

void development_shadow(const uint8_t *bytes, size_t size, bool development, struct text *ret)
{
    const char *line = (const char *)bytes, *end = line + size;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));

        add_shadow_line(line, newline ? newline : end, development, ret);
        line = newline ? newline + 1 : end;
    }
}

static bool is_name_character(char c)
{
    return (c >= 'A' && c <= 'Z') || c == '_';
}

/* Adds the value of NAME from lines NAME=value or NAME="value". */
static int add_field(const char *os_release, const char *name, size_t name_length, struct text *ret)
{
    struct cursor cursor = cursor_make(os_release, strlen(os_release));
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        const char *value = line + name_length + 1;
        size_t left;

        if (length <= name_length || memcmp(line, name, name_length) != 0 ||
            line[name_length] != '=')
            continue;
        left = length - name_length - 1;
        if (left >= 2 && value[0] == '"' && value[left - 1] == '"') {
            value++;
            left -= 2;
        }
        text_add_bytes(ret, value, left);
        return 0;
    }
    return -EINVAL;
}

int template_fill(const uint8_t *bytes, size_t size, const char *os_release, struct text *ret)
{
    const char *text = (const char *)bytes;
    size_t i = 0;

    while (i < size) {
        size_t end = i + 1;

        while (text[i] == '@' && end < size && is_name_character(text[end]))
            end++;
        if (text[i] == '@' && end > i + 1 && end < size && text[end] == '@') {
            int r = add_field(os_release, text + i + 1, end - i - 1, ret);

            if (r < 0)
                return r;
            i = end + 1;
        } else {
            text_add_bytes(ret, text + i, 1);
            i++;
        }
    }
    return text_status(ret);
}
