#include "base/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct line line_make(char *buffer, size_t capacity)
{
    CHECK(capacity > 0);
    buffer[0] = '\0';
    return (struct line){ .buffer = buffer, .capacity = capacity };
}

void line_add_bytes(struct line *l, const void *bytes, size_t size)
{
    size_t room = l->capacity - 1 - l->length;

    if (size > room) {
        size = room;
        l->cut = true;
    }
    if (size > 0)
        memcpy(l->buffer + l->length, bytes, size);
    l->length += size;
    l->buffer[l->length] = '\0';
}

void line_add(struct line *l, const char *string)
{
    line_add_bytes(l, string, strlen(string));
}

void line_addf(struct line *l, const char *format, ...)
{
    size_t room = l->capacity - l->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(l->buffer + l->length, room, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    if ((size_t)length >= room) {
        l->cut = true;
        l->length = l->capacity - 1;
    } else {
        l->length += (size_t)length;
    }
}

static bool is_plain(const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._:/@+,";

    return value[0] != '\0' && value[strspn(value, plain)] == '\0';
}

static void add_quoted_character(struct line *l, char character)
{
    if (character == '"' || character == '\\')
        line_addf(l, "\\%c", character);
    else if (character == '\n')
        line_add(l, "\\n");
    else if (character < ' ' || character > '~')
        line_add(l, "?");
    else
        line_add_bytes(l, &character, 1);
}

void line_add_pair(struct line *l, const char *key, const char *value)
{
    line_addf(l, "%s%s=", l->length > 0 ? " " : "", key);
    if (is_plain(value)) {
        line_add(l, value);
        return;
    }
    line_add(l, "\"");
    for (const char *p = value; *p; p++)
        add_quoted_character(l, *p);
    line_add(l, "\"");
}

void line_add_number(struct line *l, const char *key, uint64_t value)
{
    line_addf(l, "%s%s=%llu", l->length > 0 ? " " : "", key, (unsigned long long)value);
}

void line_add_json_string(struct line *l, const char *value)
{
    line_add(l, "\"");
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            line_addf(l, "\\%c", *p);
        else if (*p < ' ' || *p > '~')
            line_addf(l, "\\u%04x", (unsigned)(unsigned char)*p);
        else
            line_add_bytes(l, p, 1);
    }
    line_add(l, "\"");
}
