#include "image/development.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

/* SHA-512 crypt of "broch" with the salt "broch". It is public and exists in development images
 * only: reading it must not be mistaken for learning a secret. */
#define DEVELOPMENT_HASH                                                                           \
    "$6$broch$S0N3X.O6m7P"                                                                         \
    "kdc2oe10ITcgudNrgdk9B1IG72lnWZeMHzuQB20WWpz7HS/UB/VfOVs4rDnD0uedsooplawvtx."

/* The fields of shadow(5) in front of and behind the two that are rewritten. */
static void add_shadow_line(const char *line, size_t length, bool development, struct text *ret)
{
    const char *end = line + length;
    const char *password = memchr(line, ':', length);
    const char *changed = password ? memchr(password + 1, ':', (size_t)(end - password - 1)) : NULL;
    const char *rest = changed ? memchr(changed + 1, ':', (size_t)(end - changed - 1)) : NULL;
    bool is_admin = password && password - line == 5 && memcmp(line, "admin", 5) == 0;

    if (!rest) {
        text_add_bytes(ret, line, length + 1); /* not of our making: leave it */
        return;
    }
    text_add_bytes(ret, line, (size_t)(password + 1 - line));
    if (is_admin && development)
        text_add(ret, DEVELOPMENT_HASH);
    else
        text_add(ret, password[1] == '*' ? "*" : "!");
    text_add(ret, ":");
    text_add_bytes(ret, rest, (size_t)(end - rest) + 1);
}

void development_shadow(const uint8_t *bytes, size_t size, bool development, struct text *ret)
{
    struct cursor cursor = cursor_make(bytes, size);
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length))
        add_shadow_line(line, length, development, ret);
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
