#include "node/order.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "sys/file.h"

/* Takes the time off the end of a line; the length of what is left. */
static size_t take_time(const char *line, size_t length, uint64_t *ret_ms)
{
    const char *space = memchr(line, ' ', length);
    size_t name = space ? (size_t)(space - line) : length;

    *ret_ms = ORDER_STOP_MS_DEFAULT;
    if (space && number_parse(space + 1, length - name - 1, ORDER_STOP_MS_MAX, ret_ms) < 0)
        return length; /* a name with a space in it is refused */
    return name;
}

static int add_line(struct order *order, const char *name, size_t length, size_t number,
                    struct failure *f)
{
    uint64_t stop_ms;

    length = take_time(name, length, &stop_ms);
    if (!name_is_valid(name, length))
        return failure_set(f, CODE_SERVICE_ORDER, -EBADMSG, "line %zu: bad service name '%.*s'",
                           number, (int)(length < NAME_SIZE ? length : NAME_SIZE), name);
    if (order->count == ORDER_SERVICES_MAX)
        return failure_set(f, CODE_SERVICE_ORDER, -ERANGE, "line %zu: more than %d services",
                           number, ORDER_SERVICES_MAX);
    memcpy(order->names[order->count], name, length);
    order->names[order->count][length] = '\0';
    order->stop_ms[order->count] = stop_ms;
    for (size_t i = 0; i < order->count; i++) {
        if (strcmp(order->names[i], order->names[order->count]) == 0)
            return failure_set(f, CODE_SERVICE_ORDER, -EBADMSG,
                               "line %zu: service '%s' is listed twice", number, order->names[i]);
    }
    order->count++;
    return 0;
}

int order_parse(const void *bytes, size_t size, struct order *ret, struct failure *f)
{
    struct cursor c = cursor_make(bytes, size);
    size_t length, number = 0;
    const char *text;

    ret->count = 0;
    while (cursor_line(&c, &text, &length)) {
        int r;

        number++;
        if (length == 0 || text[0] == '#')
            continue;
        r = add_line(ret, text, length, number, f);
        if (r < 0)
            return r;
    }
    if (!cursor_finished(&c))
        return failure_set(f, CODE_SERVICE_ORDER, -EBADMSG, "line %zu: no newline at the end",
                           number + 1);
    return 0;
}

int order_read(const char *path, struct order *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, ORDER_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    r = order_parse(bytes, size, ret, f);
    if (r < 0)
        failure_prefix(f, "%s", path);
    return r;
}
