#include "node/os_release.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Characters that a shell would not take literally, so os-release(5) wants them quoted. */
static bool is_special(char c)
{
    return strchr(" \t'\"\\`$;&|<>()*?[]#~!{}", c) != NULL;
}

static int unquote(const char *text, size_t length, char *ret, size_t ret_size)
{
    char quote = length > 0 && (text[0] == '"' || text[0] == '\'') ? text[0] : '\0';
    size_t end = length, out = 0;

    if (quote && (length < 2 || text[length - 1] != quote))
        return -EBADMSG;
    if (quote)
        end--;
    for (size_t i = quote ? 1 : 0; i < end; i++) {
        char c = text[i];

        if (quote == '"' && c == '\\') {
            if (++i == end)
                return -EBADMSG;
            c = text[i];
        } else if ((quote && c == quote) || (!quote && is_special(c))) {
            return -EBADMSG;
        }
        if (c < ' ' && c != '\t')
            return -EBADMSG;
        if (out + 1 >= ret_size)
            return -ERANGE;
        ret[out++] = c;
    }
    ret[out] = '\0';
    return 0;
}

int os_release_get(const char *text, size_t size, const char *key, char *ret_value,
                   size_t value_size)
{
    size_t key_length = strlen(key), start = 0;
    int result = -ENOENT;

    CHECK(value_size > 0);
    while (start < size) {
        const char *newline = memchr(text + start, '\n', size - start);
        size_t end = newline ? (size_t)(newline - text) : size;

        if (end - start > key_length && memcmp(text + start, key, key_length) == 0 &&
            text[start + key_length] == '=')
            result = unquote(text + start + key_length + 1, end - start - key_length - 1, ret_value,
                             value_size);
        start = end + 1;
    }
    return result;
}
