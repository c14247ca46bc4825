#include "disk/request.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "base/number.h"

#define REQUEST_HEAD "broch request 1"
#define RESULT_HEAD  "broch result 1"
#define NO_VALUE     "-"
#define DONE         "done"

enum { VALUE_SIZE = 2 * SEAL_PCR_SIZE + 1 };

enum value_form { VALUE_NONE, VALUE_EPOCH, VALUE_PCR };

static const struct {
    const char *name;
    enum value_form form;
} kinds[REQUEST_KIND_MAX_] = {
    [REQUEST_WIPE] = { "wipe", VALUE_NONE },
    [REQUEST_EPOCH] = { "epoch", VALUE_EPOCH },
    [REQUEST_RECOVERY_NEW] = { "recovery-new", VALUE_NONE },
    [REQUEST_ENROLL] = { "enroll", VALUE_NONE },
    [REQUEST_SEAL_PCR7] = { "seal-pcr7", VALUE_PCR },
};

const char *request_kind_name(enum request_kind kind)
{
    CHECK((size_t)kind < ARRAY_SIZE(kinds));
    return kinds[kind].name;
}

/* --- Values --- */

static bool is_lower(const char *text)
{
    return !strpbrk(text, "ABCDEF");
}

static int take_value(const char *value, struct request *r)
{
    switch (kinds[r->kind].form) {
    case VALUE_NONE:
        return strcmp(value, NO_VALUE) == 0 ? 0 : -EBADMSG;
    case VALUE_EPOCH:
        return number_parse_text(value, INT64_MAX, &r->epoch) < 0 ? -EBADMSG : 0;
    case VALUE_PCR:
        return is_lower(value) ? hex_decode(value, strlen(value), r->pcr7, sizeof(r->pcr7))
                               : -EBADMSG;
    }
    return -EBADMSG;
}

int request_make(const char *kind, const char *value, struct request *ret)
{
    struct request r = { .starts = 0 };
    int result;

    while (r.kind < REQUEST_KIND_MAX_ && strcmp(kinds[r.kind].name, kind) != 0)
        r.kind++;
    if (r.kind == REQUEST_KIND_MAX_)
        return -ENOENT;
    result = take_value(value, &r);
    if (result == 0)
        *ret = r;
    return result;
}

void request_add_value(const struct request *r, struct line *l)
{
    char digits[VALUE_SIZE];

    CHECK((size_t)r->kind < ARRAY_SIZE(kinds));
    switch (kinds[r->kind].form) {
    case VALUE_NONE:
        line_add(l, NO_VALUE);
        break;
    case VALUE_EPOCH:
        line_addf(l, "%llu", (unsigned long long)r->epoch);
        break;
    case VALUE_PCR:
        hex_encode(r->pcr7, sizeof(r->pcr7), digits);
        line_add(l, digits);
        break;
    }
}

/* --- Lines --- */

static bool is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return true;
}

static int take_head(struct cursor *c, const char *head)
{
    const char *line;
    size_t length;

    return cursor_line(c, &line, &length) && length == strlen(head) &&
                   memcmp(line, head, length) == 0
               ? 0
               : -EBADMSG;
}

/* The line "<key>=<text>", whose text is copied. */
static int take_line(struct cursor *c, const char *key, char *ret, size_t capacity)
{
    size_t key_length = strlen(key), length;
    const char *line;

    if (!cursor_line(c, &line, &length) || length <= key_length ||
        memcmp(line, key, key_length) != 0 || line[key_length] != '=')
        return -EBADMSG;
    line += key_length + 1;
    length -= key_length + 1;
    if (length >= capacity || !is_printable(line, length))
        return -EBADMSG;
    memcpy(ret, line, length);
    ret[length] = '\0';
    return 0;
}

static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < REQUEST_UUID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-'
                 : !((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    }
    return text[REQUEST_UUID_SIZE - 1] == '\0';
}

/* What a request and its result have in common. */
static int take_subject(struct cursor *c, struct request *ret)
{
    char kind[VALUE_SIZE], disk[REQUEST_UUID_SIZE], value[VALUE_SIZE];
    int r = take_line(c, "kind", kind, sizeof(kind));

    if (r == 0)
        r = take_line(c, "disk", disk, sizeof(disk));
    if (r == 0)
        r = take_line(c, "value", value, sizeof(value));
    if (r < 0 || !is_uuid(disk) || request_make(kind, value, ret) < 0)
        return -EBADMSG;
    memcpy(ret->disk, disk, sizeof(disk));
    return 0;
}

static void add_subject(const struct request *r, struct line *l)
{
    line_addf(l, "kind=%s\ndisk=%s\nvalue=", request_kind_name(r->kind), r->disk);
    request_add_value(r, l);
    line_add(l, "\n");
}

/* --- Requests --- */

int request_parse(const void *bytes, size_t size, struct request *ret, struct failure *f)
{
    struct cursor c = cursor_make(bytes, size);
    struct request request;
    char starts[2];
    int r = size > REQUEST_SIZE_MAX ? -EBADMSG : take_head(&c, REQUEST_HEAD);

    if (r == 0)
        r = take_subject(&c, &request);
    if (r == 0)
        r = take_line(&c, "starts", starts, sizeof(starts));
    if (r < 0 || starts[0] < '0' || starts[0] > '9' || !cursor_finished(&c))
        return failure_set(f, CODE_REQUEST_FORM, -EBADMSG, "the request is malformed");
    request.starts = (unsigned)(starts[0] - '0');
    *ret = request;
    return 0;
}

void request_format(const struct request *r, struct line *l)
{
    CHECK(r->starts <= 9);
    line_add(l, REQUEST_HEAD "\n");
    add_subject(r, l);
    line_addf(l, "starts=%u\n", r->starts);
}

/* --- Results --- */

static void copy_printable(const char *from, char *ret, size_t capacity)
{
    struct line l = line_make(ret, capacity);

    for (; *from && l.length + 1 < capacity; from++)
        line_add_bytes(&l, *from < ' ' || *from > '~' ? "?" : from, 1);
}

void request_end(const struct request *r, const char *generation, const struct failure *why,
                 struct request_result *ret)
{
    *ret = (struct request_result){ .request = *r };
    copy_printable(generation, ret->generation, sizeof(ret->generation));
    if (!why)
        return;
    copy_printable(code_entry(why->code)->id, ret->code, sizeof(ret->code));
    copy_printable(why->text, ret->text, sizeof(ret->text));
}

int request_result_parse(const void *bytes, size_t size, struct request_result *ret)
{
    struct cursor c = cursor_make(bytes, size);
    struct request_result result;
    int r = size > REQUEST_RESULT_SIZE_MAX ? -EBADMSG : take_head(&c, RESULT_HEAD);

    if (r == 0)
        r = take_subject(&c, &result.request);
    if (r == 0)
        r = take_line(&c, "code", result.code, sizeof(result.code));
    if (r == 0)
        r = take_line(&c, "generation", result.generation, sizeof(result.generation));
    if (r == 0)
        r = take_line(&c, "text", result.text, sizeof(result.text));
    if (r < 0 || !cursor_finished(&c) || result.code[0] == '\0')
        return -EBADMSG;
    if (strcmp(result.code, DONE) == 0)
        result.code[0] = '\0';
    *ret = result;
    return 0;
}

void request_result_format(const struct request_result *result, struct line *l)
{
    line_add(l, RESULT_HEAD "\n");
    add_subject(&result->request, l);
    line_addf(l, "code=%s\ngeneration=%s\ntext=%s\n", result->code[0] ? result->code : DONE,
              result->generation, result->text);
}
