#include "base/test_heap.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *former, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *former, size_t size);
char *__wrap_strdup(const char *string);
void *__real_reallocarray(void *former, size_t count, size_t size);
char *__real_strndup(const char *string, size_t limit);
void *__wrap_reallocarray(void *former, size_t count, size_t size);
char *__wrap_strndup(const char *string, size_t limit);

static size_t countdown_left;
static bool has_failed;

void test_heap_fail_at(size_t countdown)
{
    countdown_left = countdown;
    has_failed = false;
}

bool test_heap_has_failed(void)
{
    return has_failed;
}

static bool must_fail(void)
{
    if (countdown_left == 0 || --countdown_left > 0)
        return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *former, size_t size)
{
    return must_fail() ? NULL : __real_realloc(former, size);
}

char *__wrap_strdup(const char *string)
{
    return must_fail() ? NULL : __real_strdup(string);
}

void *__wrap_reallocarray(void *former, size_t count, size_t size)
{
    return must_fail() ? NULL : __real_reallocarray(former, count, size);
}

char *__wrap_strndup(const char *string, size_t limit)
{
    return must_fail() ? NULL : __real_strndup(string, limit);
}
