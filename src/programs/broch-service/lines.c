#include "programs/broch-service/lines.h"

#include <stdlib.h>
#include <string.h>

enum { STAMP_WHOLE = 29, FIRST_CAPACITY = 256 }; /* with its nanoseconds */

void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->list[i].text);
    free(lines->list);
    lines->list = NULL;
    lines->count = lines->capacity = 0;
}

static bool is_wanted(const struct lines *lines, const char *line, size_t length)
{
    if (lines->from[0] == '\0')
        return true;
    return length >= LINES_STAMP_LENGTH && memcmp(line, lines->from, LINES_STAMP_LENGTH) >= 0 &&
           (lines->to[0] == '\0' || memcmp(line, lines->to, LINES_STAMP_LENGTH) < 0);
}

static bool grow(struct lines *lines)
{
    size_t capacity = lines->capacity > 0 ? 2 * lines->capacity : FIRST_CAPACITY;
    struct line_said *list = reallocarray(lines->list, capacity, sizeof(*list));

    if (!list)
        return false;
    lines->list = list;
    lines->capacity = capacity;
    return true;
}

void lines_keep(const char *line, size_t length, void *context)
{
    struct lines *lines = context;
    char *text;

    if (lines->failed || !is_wanted(lines, line, length))
        return;
    text = lines->count < lines->capacity || grow(lines) ? malloc(length + 1) : NULL;
    lines->failed = !text;
    if (!text)
        return;
    memcpy(text, line, length);
    text[length] = '\0';
    lines->list[lines->count] = (struct line_said){ lines->service, lines->count, text, length };
    lines->count++;
}

static int compare(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static size_t key_length(const struct line_said *line)
{
    return line->length < STAMP_WHOLE ? line->length : STAMP_WHOLE;
}

/* No two lines are equal: qsort() need not be stable, and glibc's is not always. */
static int by_time(const void *a, const void *b)
{
    const struct line_said *first = a, *second = b;
    size_t length = key_length(first), other = key_length(second);
    int order = memcmp(first->text, second->text, length < other ? length : other);

    if (order == 0)
        order = compare(length, other);
    if (order == 0)
        order = compare(first->service, second->service);
    return order != 0 ? order : compare(first->number, second->number);
}

void lines_sort(struct lines *lines)
{
    if (lines->count > 0)
        qsort(lines->list, lines->count, sizeof(lines->list[0]), by_time);
}
