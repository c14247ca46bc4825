/* The grammar of TOML and its rules about what may be defined how often; see toml.h. Lexical
 * matters are in toml_scan.c, numbers and dates in toml_number.c, the tree in toml_tree.c. */
#include "base/toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml_number.h"
#include "base/toml_scan.h"
#include "base/toml_tree.h"

static int parse_value(struct toml_scan *s, size_t depth, struct toml_value **ret);

static int make(struct toml_scan *s, enum toml_kind kind, enum toml_origin origin,
                struct toml_value **ret)
{
    int r = toml_tree_make(s->document, kind, origin, s->line, ret);

    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

static int insert(struct toml_scan *s, struct toml_value *table, struct toml_text key,
                  struct toml_value *value)
{
    int r = toml_tree_insert(s->document, table, key, value);

    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

static int append(struct toml_scan *s, struct toml_value *array, struct toml_value *item)
{
    int r = toml_tree_append(s->document, array, item);

    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

static int refuse_again(struct toml_scan *s, struct toml_text key, const struct toml_value *former)
{
    return toml_scan_fail(s, -EBADMSG, "'%s' is already defined at line %u",
                          toml_scan_shown(s, key), former->line);
}

/* The table that the parts before the last of a dotted key name. "Dotted keys create and define a
 * table for each key part before the last one": a table that a [header] or { } defined is closed to
 * them. */
static int walk_dotted(struct toml_scan *s, struct toml_value *table, const struct toml_path *path,
                       struct toml_value **ret)
{
    for (size_t i = 0; i + 1 < path->count; i++) {
        struct toml_value *next = toml_tree_find(table, path->parts[i]);
        int r;

        if (!next) {
            r = make(s, TOML_TABLE, TOML_ORIGIN_DOTTED, &next);
            if (r == 0)
                r = insert(s, table, path->parts[i], next);
            if (r < 0)
                return r;
        } else if (next->kind != TOML_TABLE || next->origin == TOML_ORIGIN_HEADER ||
                   next->origin == TOML_ORIGIN_INLINE) {
            return refuse_again(s, path->parts[i], next);
        }
        next->origin = TOML_ORIGIN_DOTTED;
        table = next;
    }
    *ret = table;
    return 0;
}

/* key = value, into `table`, which is `depth` levels below the document. */
static int parse_pair(struct toml_scan *s, struct toml_value *table, size_t depth)
{
    const struct toml_value *former;
    struct toml_value *value;
    struct toml_path path;
    struct toml_text last;
    int r;

    r = toml_scan_key(s, &path);
    if (r < 0)
        return r;
    if (!toml_scan_accept(s, '='))
        return toml_scan_fail(s, -EBADMSG, "expected '=' after the key, found %s",
                              toml_scan_next(s));
    r = walk_dotted(s, table, &path, &table);
    if (r < 0)
        return r;
    last = path.parts[path.count - 1];
    former = toml_tree_find(table, last);
    if (former)
        return refuse_again(s, last, former);
    toml_scan_blanks(s);
    r = parse_value(s, depth + path.count, &value);
    if (r < 0)
        return r;
    return insert(s, table, last, value);
}

/* After the opening bracket. */
static int parse_array(struct toml_scan *s, size_t depth, struct toml_value *array)
{
    for (;;) {
        struct toml_value *item;
        int r = toml_scan_gap(s);

        if (r < 0)
            return r;
        if (toml_scan_accept(s, ']'))
            return 0;
        r = parse_value(s, depth + 1, &item);
        if (r == 0)
            r = append(s, array, item);
        if (r == 0)
            r = toml_scan_gap(s);
        if (r < 0)
            return r;
        if (toml_scan_accept(s, ']'))
            return 0;
        if (!toml_scan_accept(s, ','))
            return toml_scan_fail(s, -EBADMSG, "expected ',' or ']' in an array, found %s",
                                  toml_scan_next(s));
    }
}

/* After the opening brace. No newline and no comma at the end, unlike in an array. */
static int parse_inline_table(struct toml_scan *s, size_t depth, struct toml_value *table)
{
    toml_scan_blanks(s);
    if (toml_scan_accept(s, '}'))
        return 0;
    /* Open to its own dotted keys only; nothing can reach it before the brace closes. */
    for (;;) {
        int r = parse_pair(s, table, depth);

        if (r < 0)
            return r;
        toml_scan_blanks(s);
        if (toml_scan_accept(s, '}'))
            return 0;
        if (!toml_scan_accept(s, ','))
            return toml_scan_fail(s, -EBADMSG, "expected ',' or '}' in an inline table, found %s",
                                  toml_scan_next(s));
    }
}

/* Decides what a token is and decodes it into *ret, whose line is set already. */
static int decode_token(struct toml_text token, struct toml_value *ret)
{
    bool is_true = token.length == 4 && memcmp(token.bytes, "true", 4) == 0;
    int r;

    if (is_true || (token.length == 5 && memcmp(token.bytes, "false", 5) == 0)) {
        ret->kind = TOML_BOOLEAN;
        ret->as.boolean = is_true;
        return 0;
    }
    if (toml_number_is_time(token.bytes, token.length))
        return toml_number_time(token.bytes, token.length, &ret->kind, &ret->as.time);
    ret->kind = TOML_INTEGER;
    r = toml_number_integer(token.bytes, token.length, &ret->as.integer);
    if (r != -EBADMSG)
        return r;
    ret->kind = TOML_FLOAT;
    return toml_number_float(token.bytes, token.length, &ret->as.number);
}

static int parse_token(struct toml_scan *s, struct toml_value *value)
{
    struct toml_text token = toml_scan_token(s);
    int r;

    if (token.length == 0)
        return toml_scan_fail(s, -EBADMSG, "expected a value, found %s", toml_scan_next(s));
    r = decode_token(token, value);
    if (r == -ERANGE) /* of the number, not of this parser: no limit of ours was met */
        return toml_scan_fail(s, -EBADMSG, "'%s' does not fit into 64 bits",
                              toml_scan_shown(s, token));
    if (r == -EBADMSG)
        return toml_scan_fail(s, r, "'%s' is no value", toml_scan_shown(s, token));
    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

static int parse_value(struct toml_scan *s, size_t depth, struct toml_value **ret)
{
    int next = toml_scan_peek(s, 0);
    struct toml_value *value;
    int r;

    if (depth > TOML_DEPTH_MAX)
        return toml_scan_fail(s, -ERANGE, "more than %d levels", TOML_DEPTH_MAX);
    r = make(s, TOML_STRING, TOML_ORIGIN_INLINE, &value);
    if (r < 0)
        return r;
    if (next == '"' || next == '\'') {
        r = toml_scan_string(s, &value->as.string);
    } else if (toml_scan_accept(s, '[')) {
        value->kind = TOML_ARRAY;
        r = parse_array(s, depth, value);
    } else if (toml_scan_accept(s, '{')) {
        value->kind = TOML_TABLE;
        r = parse_inline_table(s, depth, value);
    } else {
        r = parse_token(s, value);
    }
    if (r < 0)
        return r;
    *ret = value;
    return 0;
}

/* The table that holds the last part of a [header]. A part that names an array of tables means its
 * last table. */
static int walk_header(struct toml_scan *s, const struct toml_path *path, struct toml_value **ret)
{
    struct toml_value *table = s->document->root;

    for (size_t i = 0; i + 1 < path->count; i++) {
        struct toml_value *next = toml_tree_find(table, path->parts[i]);
        int r;

        if (!next) {
            r = make(s, TOML_TABLE, TOML_ORIGIN_IMPLICIT, &next);
            if (r == 0)
                r = insert(s, table, path->parts[i], next);
            if (r < 0)
                return r;
        } else if (next->origin == TOML_ORIGIN_INLINE) { /* scalars are of this origin too */
            return refuse_again(s, path->parts[i], next);
        } else if (next->kind == TOML_ARRAY) {
            CHECK(next->count > 0);
            next = next->as.items[next->count - 1];
        }
        table = next;
    }
    *ret = table;
    return 0;
}

static int define_table(struct toml_scan *s, struct toml_value *parent, struct toml_text key,
                        struct toml_value **ret)
{
    struct toml_value *table = toml_tree_find(parent, key);
    int r;

    if (!table) {
        r = make(s, TOML_TABLE, TOML_ORIGIN_HEADER, &table);
        if (r == 0)
            r = insert(s, parent, key, table);
        if (r < 0)
            return r;
    } else if (table->kind != TOML_TABLE || table->origin != TOML_ORIGIN_IMPLICIT) {
        return refuse_again(s, key, table);
    }
    table->origin = TOML_ORIGIN_HEADER;
    *ret = table;
    return 0;
}

static int define_array_element(struct toml_scan *s, struct toml_value *parent,
                                struct toml_text key, struct toml_value **ret)
{
    struct toml_value *array = toml_tree_find(parent, key);
    struct toml_value *table;
    int r = 0;

    if (array && (array->kind != TOML_ARRAY || array->origin != TOML_ORIGIN_HEADER))
        return refuse_again(s, key, array);
    if (!array) {
        r = make(s, TOML_ARRAY, TOML_ORIGIN_HEADER, &array);
        if (r == 0)
            r = insert(s, parent, key, array);
    }
    if (r == 0)
        r = make(s, TOML_TABLE, TOML_ORIGIN_HEADER, &table);
    if (r == 0)
        r = append(s, array, table);
    if (r < 0)
        return r;
    *ret = table;
    return 0;
}

/* [table] or [[array of tables]]; the next byte is the first bracket. */
static int parse_header(struct toml_scan *s, struct toml_value **ret_table, size_t *ret_depth)
{
    struct toml_value *parent = s->document->root;
    struct toml_path path;
    struct toml_text last;
    bool is_array;
    int r;

    CHECK(toml_scan_accept(s, '['));
    is_array = toml_scan_accept(s, '['); /* no blank may stand between the two */
    r = toml_scan_key(s, &path);
    if (r < 0)
        return r;
    if (!toml_scan_accept(s, ']') || (is_array && !toml_scan_accept(s, ']')))
        return toml_scan_fail(s, -EBADMSG, "expected '%s' after the name of a table, found %s",
                              is_array ? "]]" : "]", toml_scan_next(s));
    r = walk_header(s, &path, &parent);
    if (r < 0)
        return r;
    last = path.parts[path.count - 1];
    *ret_depth = path.count;
    if (is_array)
        return define_array_element(s, parent, last, ret_table);
    return define_table(s, parent, last, ret_table);
}

static int parse_document(struct toml_scan *s)
{
    struct toml_value *table;
    size_t depth = 0;
    int r;

    r = make(s, TOML_TABLE, TOML_ORIGIN_HEADER, &s->document->root);
    if (r < 0)
        return r;
    table = s->document->root;
    for (;;) {
        r = toml_scan_gap(s);
        if (r < 0)
            return r;
        if (cursor_finished(&s->cursor))
            return 0;
        if (toml_scan_peek(s, 0) == '[')
            r = parse_header(s, &table, &depth);
        else
            r = parse_pair(s, table, depth);
        if (r == 0)
            r = toml_scan_line_end(s);
        if (r < 0)
            return r;
    }
}

static int parse_bytes(struct toml_scan *s)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    int r = toml_scan_check_utf8(s);

    if (r < 0)
        return r;
    if (cursor_left(&s->cursor) >= 3 && memcmp(s->cursor.bytes, byte_order_mark, 3) == 0)
        cursor_skip(&s->cursor, 3);
    return parse_document(s);
}

int toml_parse(const char *name, const char *bytes, size_t size, struct toml **ret,
               struct failure *f)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct toml_scan s = { .cursor = cursor_make(bytes, size), .failure = f };
    struct toml_text name_copy;
    int r;

    if (size > TOML_SIZE_MAX)
        return failure_set(f, CODE_SYNTAX, -ERANGE, "%s:1: more than %d bytes", name,
                           TOML_SIZE_MAX);
    document = calloc(1, sizeof(*document));
    if (!document || toml_tree_copy(document, name, strlen(name), &name_copy) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "%s:1: out of memory", name);
    document->name = name_copy.bytes;
    s.document = document;
    r = parse_bytes(&s);
    text_done(&s.scratch);
    if (r < 0)
        return r;
    *ret = document;
    document = NULL;
    return 0;
}
