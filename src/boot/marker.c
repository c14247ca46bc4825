#include "boot/marker.h"

#include <string.h>

#include "base/line.h"

#define PREFIX "broch stage1"

/* Cut before quoting, so that the quotes are always there: a byte becomes two at most. */
static void add_bounded(struct line *l, const char *key, const char *value)
{
    char bounded[MARKER_DETAIL_MAX + 1];
    size_t length = strnlen(value, MARKER_DETAIL_MAX);

    memcpy(bounded, value, length);
    bounded[length] = '\0';
    line_add_pair(l, key, bounded);
}

static struct line start_step(const char *step, const char *status, uint64_t us,
                              char ret[static MARKER_SIZE])
{
    struct line l = line_make(ret, MARKER_SIZE);

    line_add(&l, PREFIX);
    line_add_pair(&l, "step", step);
    line_add_pair(&l, "status", status);
    line_add_number(&l, "us", us);
    return l;
}

void marker_ok(const char *step, uint64_t us, char ret[static MARKER_SIZE])
{
    struct line l = start_step(step, "ok", us, ret);

    CHECK(!l.cut);
}

void marker_fail(const char *step, uint64_t us, enum code code, const char *detail,
                 char ret[static MARKER_SIZE])
{
    struct line l = start_step(step, "fail", us, ret);

    line_add_pair(&l, "code", code_entry(code)->id);
    add_bounded(&l, "detail", detail);
    CHECK(!l.cut);
}

void marker_note(const char *key, const char *value, char ret[static MARKER_SIZE])
{
    struct line l = line_make(ret, MARKER_SIZE);

    line_add(&l, PREFIX);
    add_bounded(&l, key, value);
    CHECK(!l.cut);
}

void marker_end(const char *end, enum code code, uint64_t poweroff_s, char ret[static MARKER_SIZE])
{
    struct line l = line_make(ret, MARKER_SIZE);

    line_add(&l, PREFIX);
    line_add_pair(&l, "end", end);
    line_add_pair(&l, "code", code_entry(code)->id);
    line_add_number(&l, "poweroff-s", poweroff_s);
    CHECK(!l.cut);
}
