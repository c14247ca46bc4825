#include "image/package_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sys/file.h"

enum { SHOWN_MAX = 80 };

void package_list_done(struct package_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    list->count = 0;
}

static bool is_package_name(const char *name, size_t length)
{
    /* Debian Policy 5.6.1: lower case letters, digits, plus, minus, full stop; two at least. */
    if (length < 2 || name[0] == '-' || name[0] == '.' || name[0] == '+')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789+-.", name[i]) || name[i] == '\0')
            return false;
    }
    return true;
}

/* What is wrong with a line, with the line itself unless a terminal could misunderstand it. */
static int refuse(struct failure *f, const char *where, size_t number, const char *line,
                  size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (line[i] < ' ' || line[i] > '~')
            return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s:%zu: a control or non-ASCII character",
                               where, number);
    }
    return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s:%zu: '%.*s' is not a package name", where,
                       number, (int)(length < SHOWN_MAX ? length : SHOWN_MAX), line);
}

static int add_line(struct package_list *list, const char *line, size_t length)
{
    const char *comment = memchr(line, '#', length);

    if (comment)
        length = (size_t)(comment - line);
    while (length > 0 && (line[0] == ' ' || line[0] == '\t')) {
        line++;
        length--;
    }
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    if (length == 0)
        return 0;
    if (!is_package_name(line, length))
        return -EBADMSG;
    if (list->count >= PACKAGE_LIST_MAX)
        return -ERANGE;
    list->names[list->count] = strndup(line, length);
    if (!list->names[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

int package_list_parse(const char *name, const uint8_t *bytes, size_t size,
                       struct package_list *ret, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    struct cursor cursor = cursor_make(bytes, size);
    const char *line;
    size_t length, number = 0;

    while (cursor_line(&cursor, &line, &length)) {
        int r = add_line(&list, line, length);

        number++;
        if (r == -ERANGE)
            return failure_set(f, CODE_SYNTAX, r, "%s:%zu: more than %d packages", name, number,
                               PACKAGE_LIST_MAX);
        if (r == -ENOMEM)
            return failure_set(f, CODE_INTERNAL, r, "out of memory");
        if (r < 0)
            return refuse(f, name, number, line, length);
    }
    if (!cursor_finished(&cursor))
        return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s:%zu: the last line has no end", name,
                           number + 1);
    *ret = list;
    list = (struct package_list)PACKAGE_LIST_INIT;
    return 0;
}

int package_list_read(const char *path, struct package_list *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, PACKAGE_LIST_FILE_MAX, &bytes, &size, f);

    return r < 0 ? r : package_list_parse(path, bytes, size, ret, f);
}
