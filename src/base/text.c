#include "base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_CAPACITY_MIN = 64 };

static bool reserve(struct text *t, size_t more)
{
    size_t needed, capacity;
    char *grown;

    if (t->failed)
        return false;
    if (more > SIZE_MAX / 4 - t->length) {
        t->failed = true;
        return false;
    }
    needed = t->length + more + 1;
    if (needed <= t->capacity)
        return true;
    capacity = t->capacity ? t->capacity : TEXT_CAPACITY_MIN;
    while (capacity < needed)
        capacity *= 2;
    grown = realloc(t->data, capacity);
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->data = grown;
    t->capacity = capacity;
    return true;
}

void text_done(struct text *t)
{
    free(t->data);
    *t = (struct text)TEXT_INIT;
}

void text_clear(struct text *t)
{
    t->length = 0;
    t->failed = false;
    if (t->data)
        t->data[0] = '\0';
}

void text_add_bytes(struct text *t, const void *bytes, size_t size)
{
    if (!reserve(t, size))
        return;
    if (size > 0)
        memcpy(t->data + t->length, bytes, size);
    t->length += size;
    t->data[t->length] = '\0';
}

void text_add(struct text *t, const char *string)
{
    text_add_bytes(t, string, strlen(string));
}

void text_addv(struct text *t, const char *format, va_list arguments)
{
    va_list again;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(length >= 0);
    if (!reserve(t, (size_t)length))
        return;
    (void)vsnprintf(t->data + t->length, (size_t)length + 1, format, arguments); /* length known */
    t->length += (size_t)length;
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_addv(t, format, arguments);
    va_end(arguments);
}

const char *text_string(const struct text *t)
{
    return t->data ? t->data : "";
}

int text_status(const struct text *t)
{
    return t->failed ? -ENOMEM : 0;
}

char *text_take(struct text *t)
{
    char *taken;

    text_add(t, ""); /* an empty text still becomes a string */
    if (t->failed) {
        text_done(t);
        return NULL;
    }
    taken = t->data;
    *t = (struct text)TEXT_INIT;
    return taken;
}

char *text_make(const char *format, ...)
{
    struct text t = TEXT_INIT;
    va_list arguments;

    va_start(arguments, format);
    text_addv(&t, format, arguments);
    va_end(arguments);
    return text_take(&t);
}
