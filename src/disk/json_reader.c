#include "disk/json_reader.h"

#include <errno.h>
#include <string.h>

#include "base/number.h"

struct json_reader json_reader_make(const void *text, size_t size)
{
    return (struct json_reader){ .text = text, .size = size };
}

static void advance(struct json_reader *r, size_t count)
{
    CHECK(count <= r->size);
    r->text += count;
    r->size -= count;
}

static void skip_space(struct json_reader *r)
{
    while (r->size > 0 && memchr(" \t\r\n", r->text[0], 4))
        advance(r, 1);
}

static bool take(struct json_reader *r, char character)
{
    skip_space(r);
    if (r->size == 0 || r->text[0] != character)
        return false;
    advance(r, 1);
    return true;
}

/* RFC 8259, section 7: a quote, anything but control characters, a quote. What follows a backslash
 * is only looked at by who takes the text. */
static int take_text(struct json_reader *r, struct json_text *ret)
{
    if (!take(r, '"'))
        return -EBADMSG;
    for (size_t i = 0; i < r->size; i++) {
        if (r->text[i] == '"') {
            *ret = (struct json_text){ r->text, i };
            advance(r, i + 1);
            return 0;
        }
        if ((unsigned char)r->text[i] < ' ')
            return -EBADMSG;
        if (r->text[i] == '\\')
            i++;
    }
    return -EBADMSG;
}

/* A number or one of the three words. */
static int skip_word(struct json_reader *r)
{
    static const char characters[] = "0123456789+-.eEtrufalsn";
    size_t size = 0;

    while (size < r->size && memchr(characters, r->text[size], sizeof(characters) - 1))
        size++;
    advance(r, size);
    return size > 0 ? 0 : -EBADMSG;
}

/* Moves behind an object or list. `open` remembers which bracket has to close at each depth. */
static int skip_nested(struct json_reader *r)
{
    char open[JSON_READER_DEPTH_MAX];
    struct json_text text;
    size_t depth = 0;

    do {
        char c;

        skip_space(r);
        if (r->size == 0)
            return -EBADMSG;
        c = r->text[0];
        if (c == '"') {
            if (take_text(r, &text) < 0)
                return -EBADMSG;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == JSON_READER_DEPTH_MAX)
                return -EBADMSG;
            open[depth++] = c;
        } else if (c == '}' || c == ']') {
            if (depth == 0 || open[--depth] != (c == '}' ? '{' : '['))
                return -EBADMSG;
        } else if (c != ',' && c != ':') {
            if (skip_word(r) < 0)
                return -EBADMSG;
            continue;
        }
        advance(r, 1);
    } while (depth > 0);
    return 0;
}

/* Moves behind one value and returns a reader of exactly its bytes. */
static int take_value(struct json_reader *r, struct json_reader *ret)
{
    struct json_text text;
    const char *start;
    int result;

    skip_space(r);
    start = r->text;
    if (r->size == 0)
        return -EBADMSG;
    if (r->text[0] == '"')
        result = take_text(r, &text);
    else if (r->text[0] == '{' || r->text[0] == '[')
        result = skip_nested(r);
    else
        result = skip_word(r);
    if (result == 0)
        *ret = json_reader_make(start, (size_t)(r->text - start));
    return result;
}

static int enter(const struct json_reader *value, char bracket, struct json_reader *ret)
{
    struct json_reader inside = *value;

    if (!take(&inside, bracket))
        return -EBADMSG;
    inside.first = true;
    *ret = inside;
    return 0;
}

int json_reader_object(const struct json_reader *value, struct json_reader *ret)
{
    return enter(value, '{', ret);
}

int json_reader_list(const struct json_reader *value, struct json_reader *ret)
{
    return enter(value, '[', ret);
}

/* In front of a member: 1 when one has to follow, 0 at the end, or -EBADMSG. */
static int step_in(struct json_reader *r, char close)
{
    if (take(r, close)) {
        skip_space(r);
        return r->size == 0 ? 0 : -EBADMSG;
    }
    if (!r->first && !take(r, ','))
        return -EBADMSG;
    r->first = false;
    return 1;
}

int json_reader_member(struct json_reader *object, struct json_text *ret_key,
                       struct json_reader *ret_value)
{
    int r = step_in(object, '}');

    if (r <= 0)
        return r;
    if (take_text(object, ret_key) < 0 || !take(object, ':') || take_value(object, ret_value) < 0)
        return -EBADMSG;
    return 1;
}

int json_reader_element(struct json_reader *list, struct json_reader *ret_value)
{
    int r = step_in(list, ']');

    if (r <= 0)
        return r;
    return take_value(list, ret_value) < 0 ? -EBADMSG : 1;
}

/* Whether nothing but white space is left. */
static bool is_done(struct json_reader *r)
{
    skip_space(r);
    return r->size == 0;
}

int json_reader_text(const struct json_reader *value, struct json_text *ret)
{
    struct json_reader rest = *value;
    struct json_text text;

    if (take_text(&rest, &text) < 0 || !is_done(&rest))
        return -EBADMSG;
    *ret = text;
    return 0;
}

/* The bytes of a scalar without the white space around it. */
static struct json_text word_of(const struct json_reader *value)
{
    struct json_reader rest = *value;

    skip_space(&rest);
    while (rest.size > 0 && memchr(" \t\r\n", rest.text[rest.size - 1], 4))
        rest.size--;
    return (struct json_text){ rest.text, rest.size };
}

int json_reader_number(const struct json_reader *value, uint64_t limit, uint64_t *ret)
{
    const struct json_text word = word_of(value);

    return number_parse(word.text, word.size, limit, ret);
}

int json_reader_flag(const struct json_reader *value, bool *ret)
{
    const struct json_text word = word_of(value);
    bool flag = json_text_is(&word, "true");

    if (!flag && !json_text_is(&word, "false"))
        return -EBADMSG;
    *ret = flag;
    return 0;
}

bool json_text_is(const struct json_text *t, const char *word)
{
    size_t length = strlen(word), at = 0;

    for (size_t i = 0; i < t->size; i++) {
        char c = t->text[i];

        if (c == '\\' && ++i < t->size && t->text[i] == '/')
            c = '/';
        else if (c == '\\')
            return false;
        if (at == length || word[at++] != c)
            return false;
    }
    return at == length;
}

int json_text_copy(const struct json_text *t, char *ret, size_t capacity)
{
    size_t length = 0;

    CHECK(capacity > 0);
    for (size_t i = 0; i < t->size; i++) {
        char c = t->text[i];

        if (c == '\\' && (++i == t->size || (c = t->text[i]) != '/'))
            return -EBADMSG;
        if (c < ' ' || c > '~')
            return -EBADMSG;
        if (length == capacity - 1)
            return -ERANGE;
        ret[length++] = c;
    }
    ret[length] = '\0';
    return 0;
}
