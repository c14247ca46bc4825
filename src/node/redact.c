#include "node/redact.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"

static const char *const words[] = {
    "password", "passwd",  "passphrase", "secret",        "token",       "psk",         "apikey",
    "api_key",  "api-key", "credential", "authorization", "private_key", "private-key",
};

static const char pem_begin[] = "-----BEGIN ", pem_end[] = "-----END ";

bool redact_is_secret(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t word = strlen(words[i]);

        for (size_t k = 0; word <= length && k <= length - word; k++) {
            if (strncasecmp(name + k, words[i], word) == 0)
                return true;
        }
    }
    return false;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool begins_with(const char *bytes, size_t size, size_t i, const char *text)
{
    return size - i >= strlen(text) && memcmp(bytes + i, text, strlen(text)) == 0;
}

/* The end of a private key that begins at `i`, or `i`. One without an end reaches to the last byte.
 */
static size_t skip_key(const char *bytes, size_t size, size_t i)
{
    const char *line, *end;
    size_t length;

    if (!begins_with(bytes, size, i, pem_begin))
        return i;
    line = bytes + i;
    end = memchr(line, '\n', size - i);
    length = end ? (size_t)(end - line) : size - i;
    if (!memmem(line, length, "PRIVATE KEY", strlen("PRIVATE KEY")))
        return i;
    end = memmem(line, size - i, pem_end, strlen(pem_end));
    if (!end)
        return size;
    for (i = (size_t)(end - bytes); i < size && bytes[i] != '\n';)
        i++;
    return i;
}

/* The end of the value that begins at `i`; the quote that ends it stays. */
static size_t value_end(const char *bytes, size_t size, size_t i, bool whole_line)
{
    char quote = i < size && (bytes[i] == '"' || bytes[i] == '\'') ? bytes[i] : '\0';
    size_t key = i + (quote != '\0');

    if (key < size && skip_key(bytes, size, key) > key)
        return skip_key(bytes, size, key);
    /* Three quotes of TOML: over lines, to the next three. */
    if (quote && size - i > 2 && bytes[i + 1] == quote && bytes[i + 2] == quote) {
        const char three[] = { quote, quote, quote };
        const char *end = memmem(bytes + i + 3, size - i - 3, three, sizeof(three));

        return end ? (size_t)(end - bytes) : size;
    }
    for (i += quote != '\0'; i < size && bytes[i] != '\n'; i++) {
        if (quote && bytes[i] == '\\' && i + 1 < size && bytes[i + 1] != '\n')
            i++;
        else if (quote ? bytes[i] == quote
                       : !whole_line && (bytes[i] == ' ' || bytes[i] == ',' || bytes[i] == '\t'))
            break;
    }
    return i;
}

/* `i` stands behind a secret's name. Adds what separates it from its value, and the mark in the
 * value's place; returns where the text goes on. */
static size_t hide_value(struct text *t, const char *bytes, size_t size, size_t i)
{
    size_t start = i, end;
    bool is_colon;

    /* JSON: the name ends in its quote. */
    if (i < size && (bytes[i] == '"' || bytes[i] == '\''))
        i++;
    while (i < size && (bytes[i] == ' ' || bytes[i] == '\t'))
        i++;
    if (i == size || (bytes[i] != '=' && bytes[i] != ':'))
        return start;
    is_colon = bytes[i] == ':';
    for (i++; i < size && (bytes[i] == ' ' || bytes[i] == '\t');)
        i++;
    end = value_end(bytes, size, i, is_colon);
    if (end == i)
        return start;
    text_add_bytes(t, bytes + start, i - start);
    if (bytes[i] == '"' || bytes[i] == '\'')
        text_add_bytes(t, bytes + i, 1);
    text_add(t, REDACT_MARK);
    return end;
}

void redact_add(struct text *t, const char *bytes, size_t size)
{
    size_t i = 0;

    while (i < size) {
        size_t start = i, next = skip_key(bytes, size, i);

        if (next > i) {
            text_add(t, REDACT_MARK);
            i = next;
            continue;
        }
        /* The dashes of a key's first line could be part of a name. */
        while (i < size && is_name_byte(bytes[i]) && skip_key(bytes, size, i) == i)
            i++;
        if (i == start) {
            text_add_bytes(t, bytes + i++, 1);
            continue;
        }
        text_add_bytes(t, bytes + start, i - start);
        if (redact_is_secret(bytes + start, i - start))
            i = hide_value(t, bytes, size, i);
    }
}
