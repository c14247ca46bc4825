#include "base/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "base/nearest.h"
#include "base/number.h"

enum { KEYS_MAX = 128, PLACE_MAX = 256, SHOWN_MAX = 80 };

/* Where in the document we are, for messages: the chain of tables down to this one. */
struct place {
    const struct place *parent; /* NULL for the root */
    const char *file;
    const char *name;
    unsigned line;
    struct failure *failure;
};

static int bind_table(const struct schema *schema, const struct place *place,
                      const struct toml_value *table, void *ret);

static void *field_of(const struct schema_key *key, void *bound)
{
    return (char *)bound + key->offset;
}

static void describe_place(const struct place *place, struct line *l)
{
    if (!place->parent)
        return;
    describe_place(place->parent, l);
    line_addf(l, "%s%s", l->length > 0 ? "." : "", place->name);
}

/* Input as it may stand in a message. */
static const char *show_bytes(const char *text, size_t length, char *buffer, size_t size)
{
    struct line l = line_make(buffer, size);

    for (size_t i = 0; i < length && !l.cut; i++)
        line_addf(&l, "%c", text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    return buffer;
}

static const char *show(const char *text, char *buffer, size_t size)
{
    return show_bytes(text, strlen(text), buffer, size);
}

static int fail_memory(const struct place *place)
{
    return failure_set(place->failure, CODE_INTERNAL, -ENOMEM, "%s:%u: out of memory", place->file,
                       place->line);
}

static int refuse_kind(const struct place *place, const struct schema_key *key,
                       const struct toml_value *value, const char *expected)
{
    return failure_set(place->failure, CODE_SCHEMA, -EBADMSG, "%s:%u: '%s' must be %s, not %s",
                       place->file, toml_line(value), key->name, expected,
                       toml_kind_name(toml_kind(value)));
}

static int refuse_unknown(const struct schema *schema, const struct place *place,
                          const struct toml_value *table, size_t index)
{
    const char *word = toml_key_at(table, index);
    unsigned line = toml_line(toml_at(table, index));
    const char *names[KEYS_MAX], *nearest;
    char shown[SHOWN_MAX];

    for (size_t i = 0; i < schema->key_count; i++)
        names[i] = schema->keys[i].name;
    nearest = nearest_name(word, names, schema->key_count);
    (void)show_bytes(word, toml_key_length(table, index), shown, sizeof(shown));
    if (nearest)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: unknown key '%s', did you mean '%s'?", place->file, line, shown,
                           nearest);
    return failure_set(place->failure, CODE_SCHEMA, -EBADMSG, "%s:%u: unknown key '%s'",
                       place->file, line, shown);
}

static int refuse_missing(const struct place *place, const struct schema_key *key)
{
    char path[PLACE_MAX];
    struct line l = line_make(path, sizeof(path));

    describe_place(place, &l);
    if (l.length == 0)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG, "%s:%u: the key '%s' is missing",
                           place->file, place->line, key->name);
    return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                       "%s:%u: the key '%s' is missing in table [%s]", place->file, place->line,
                       key->name, path);
}

static int refuse_choice(const struct place *place, const struct schema_key *key, const char *text,
                         unsigned line)
{
    char list[PLACE_MAX], shown[SHOWN_MAX];
    struct line l = line_make(list, sizeof(list));
    const char *nearest;
    size_t count = 0;

    for (; key->choices[count]; count++)
        line_addf(&l, "%s%s", count > 0 ? ", " : "", key->choices[count]);
    nearest = nearest_name(text, key->choices, count);
    (void)show(text, shown, sizeof(shown));
    if (nearest)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' is '%s', did you mean '%s'?", place->file, line, key->name,
                           shown, nearest);
    return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                       "%s:%u: '%s' is '%s', it must be one of %s", place->file, line, key->name,
                       shown, list);
}

static bool is_choice(const struct schema_key *key, const char *text)
{
    if (!key->choices)
        return true;
    for (size_t i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], text) == 0)
            return true;
    }
    return false;
}

/* The checked text of a string value, copied. */
static int copy_text(const struct place *place, const struct schema_key *key,
                     const struct toml_value *value, char **ret)
{
    const char *text = toml_string(value, NULL);
    unsigned line = toml_line(value);
    const char *wrong;
    char *copy;

    if (!text)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' must not hold U+0000", place->file, line, key->name);
    if (strlen(text) > key->length_max)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' is longer than %zu bytes", place->file, line, key->name,
                           key->length_max);
    if (!is_choice(key, text))
        return refuse_choice(place, key, text, line);
    wrong = key->validate ? key->validate(text) : NULL;
    if (wrong) {
        char shown[SHOWN_MAX];

        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG, "%s:%u: '%s' is '%s', it %s",
                           place->file, line, key->name, show(text, shown, sizeof(shown)), wrong);
    }
    copy = strdup(text);
    if (!copy)
        return fail_memory(place);
    *ret = copy;
    return 0;
}

static int bind_text(const struct place *place, const struct schema_key *key,
                     const struct toml_value *value, void *field)
{
    if (toml_kind(value) != TOML_STRING)
        return refuse_kind(place, key, value, "a string");
    return copy_text(place, key, value, field);
}

static int bind_integer(const struct place *place, const struct schema_key *key,
                        const struct toml_value *value, void *field)
{
    int64_t integer;

    if (toml_kind(value) != TOML_INTEGER)
        return refuse_kind(place, key, value, "an integer");
    integer = toml_integer(value);
    if (integer < key->integer_min || integer > key->integer_max)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' is %lld, it must be from %lld to %lld", place->file,
                           toml_line(value), key->name, (long long)integer,
                           (long long)key->integer_min, (long long)key->integer_max);
    *(int64_t *)field = integer;
    return 0;
}

struct unit {
    uint64_t factor;
    const char *suffix;
};

/* In the largest unit that leaves no remainder; the last one takes all. */
static void add_in_units(struct line *l, uint64_t value, const struct unit *units, size_t count)
{
    size_t i = 0;

    while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
        i++;
    line_addf(l, "%llu%s", (unsigned long long)(value / units[i].factor), units[i].suffix);
}

void schema_add_size(struct line *l, uint64_t size)
{
    static const struct unit units[] = {
        { GIB, "GiB" }, { MIB, "MiB" }, { KIB, "KiB" }, { 1, "" }
    };

    add_in_units(l, size, units, ARRAY_SIZE(units));
}

void schema_add_duration(struct line *l, uint64_t duration_ns)
{
    static const struct unit units[] = {
        { 3600 * NS_PER_S, "h" }, { 60 * NS_PER_S, "min" }, { NS_PER_S, "s" }, { NS_PER_MS, "ms" }
    };

    add_in_units(l, duration_ns, units, ARRAY_SIZE(units));
}

/* What sizes and durations have in common: a number and a unit in a string, within a range. */
struct measure {
    const char *expected;
    int (*parse)(const char *text, uint64_t *ret);
    void (*add)(struct line *l, uint64_t value);
};

static int bind_measure(const struct place *place, const struct schema_key *key,
                        const struct toml_value *value, const struct measure *measure,
                        uint64_t *field)
{
    char shown[SHOWN_MAX], range[SHOWN_MAX];
    struct line l = line_make(range, sizeof(range));
    const char *text;
    uint64_t number;

    if (toml_kind(value) != TOML_STRING)
        return refuse_kind(place, key, value, measure->expected);
    text = toml_string(value, NULL);
    if (!text || measure->parse(text, &number) < 0)
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' must be %s, not '%s'", place->file, toml_line(value),
                           key->name, measure->expected,
                           show(text ? text : "", shown, sizeof(shown)));
    if (number < key->size_min || number > key->size_max) {
        line_add(&l, "from ");
        measure->add(&l, key->size_min);
        line_add(&l, " to ");
        measure->add(&l, key->size_max);
        return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: '%s' is %s, it must be %s", place->file, toml_line(value),
                           key->name, show(text, shown, sizeof(shown)), range);
    }
    *field = number;
    return 0;
}

static int bind_size(const struct place *place, const struct schema_key *key,
                     const struct toml_value *value, void *field)
{
    static const struct measure size = { "a size such as \"512MiB\"", number_parse_size,
                                         schema_add_size };

    return bind_measure(place, key, value, &size, field);
}

static int bind_duration(const struct place *place, const struct schema_key *key,
                         const struct toml_value *value, void *field)
{
    static const struct measure duration = { "a duration such as \"30s\"", number_parse_duration,
                                             schema_add_duration };

    return bind_measure(place, key, value, &duration, field);
}

static int bind_choice(const struct place *place, const struct schema_key *key,
                       const struct toml_value *value, void *field)
{
    const char *text;
    unsigned index = 0;

    if (toml_kind(value) != TOML_STRING)
        return refuse_kind(place, key, value, "a string");
    text = toml_string(value, NULL);
    if (!text || !is_choice(key, text))
        return refuse_choice(place, key, text ? text : "", toml_line(value));
    while (strcmp(key->choices[index], text) != 0)
        index++;
    *(unsigned *)field = index;
    return 0;
}

static int bind_boolean(const struct place *place, const struct schema_key *key,
                        const struct toml_value *value, void *field)
{
    if (toml_kind(value) != TOML_BOOLEAN)
        return refuse_kind(place, key, value, "true or false");
    *(bool *)field = toml_boolean(value);
    return 0;
}

static int refuse_count(const struct place *place, const struct schema_key *key,
                        const struct toml_value *value)
{
    return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                       "%s:%u: '%s' has %zu entries, at most %zu are allowed", place->file,
                       toml_line(value), key->name, toml_count(value), key->count_max);
}

static int bind_list(const struct place *place, const struct schema_key *key,
                     const struct toml_value *value, void *field)
{
    struct schema_list *list = field;
    size_t count;

    if (toml_kind(value) != TOML_ARRAY)
        return refuse_kind(place, key, value, "an array of strings");
    count = toml_count(value);
    if (count > key->count_max)
        return refuse_count(place, key, value);
    list->items = count > 0 ? calloc(count, sizeof(char *)) : NULL;
    if (count > 0 && !list->items)
        return fail_memory(place);
    for (; list->count < count; list->count++) {
        const struct toml_value *item = toml_at(value, list->count);
        int r;

        if (toml_kind(item) != TOML_STRING)
            return failure_set(place->failure, CODE_SCHEMA, -EBADMSG,
                               "%s:%u: '%s' must hold strings, not %s", place->file,
                               toml_line(item), key->name, toml_kind_name(toml_kind(item)));
        r = copy_text(place, key, item, &list->items[list->count]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int bind_sub_table(const struct place *place, const struct schema_key *key,
                          const struct toml_value *value, void *field)
{
    struct place inner = { place, place->file, key->name, toml_line(value), place->failure };

    if (toml_kind(value) != TOML_TABLE)
        return refuse_kind(place, key, value, "a table");
    return bind_table(key->table, &inner, value, field);
}

static int bind_array(const struct place *place, const struct schema_key *key,
                      const struct toml_value *value, void *field)
{
    struct schema_array *array = field;
    size_t count;

    if (toml_kind(value) != TOML_ARRAY)
        return refuse_kind(place, key, value, "an array of tables");
    count = toml_count(value);
    if (count > key->count_max)
        return refuse_count(place, key, value);
    array->items = count > 0 ? calloc(count, key->table->size) : NULL;
    if (count > 0 && !array->items)
        return fail_memory(place);
    array->count = count; /* what is not filled yet is zeroed, which schema_free() accepts */
    for (size_t i = 0; i < count; i++) {
        int r = bind_sub_table(place, key, toml_at(value, i),
                               (char *)array->items + i * key->table->size);

        if (r < 0)
            return r;
    }
    return 0;
}

/* What a key means when the document does not have it. */
static int apply_fallback(const struct place *place, const struct schema_key *key, void *field)
{
    switch (key->kind) {
    case SCHEMA_KIND_TEXT:
        *(char **)field = key->fallback.text ? strdup(key->fallback.text) : NULL;
        if (key->fallback.text && !*(char **)field)
            return fail_memory(place);
        break;
    case SCHEMA_KIND_INTEGER:
        *(int64_t *)field = key->fallback.integer;
        break;
    case SCHEMA_KIND_SIZE:
        *(uint64_t *)field = key->fallback.size;
        break;
    case SCHEMA_KIND_DURATION:
        *(uint64_t *)field = key->fallback.duration;
        break;
    case SCHEMA_KIND_CHOICE:
        *(unsigned *)field = key->fallback.choice;
        break;
    case SCHEMA_KIND_BOOLEAN:
        *(bool *)field = key->fallback.boolean;
        break;
    case SCHEMA_KIND_TABLE:
        for (size_t i = 0; i < key->table->key_count; i++) {
            const struct schema_key *inner = &key->table->keys[i];
            int r = inner->required ? 0 : apply_fallback(place, inner, field_of(inner, field));

            if (r < 0)
                return r;
        }
        break;
    case SCHEMA_KIND_LIST:
    case SCHEMA_KIND_ARRAY:
        break; /* empty, as the zeroed structure is */
    }
    return 0;
}

typedef int (*bind_function)(const struct place *place, const struct schema_key *key,
                             const struct toml_value *value, void *field);

static int bind_key(const struct place *place, const struct schema_key *key,
                    const struct toml_value *table, void *bound)
{
    static const bind_function functions[] = {
        [SCHEMA_KIND_TEXT] = bind_text,     [SCHEMA_KIND_INTEGER] = bind_integer,
        [SCHEMA_KIND_SIZE] = bind_size,     [SCHEMA_KIND_DURATION] = bind_duration,
        [SCHEMA_KIND_CHOICE] = bind_choice, [SCHEMA_KIND_BOOLEAN] = bind_boolean,
        [SCHEMA_KIND_LIST] = bind_list,     [SCHEMA_KIND_TABLE] = bind_sub_table,
        [SCHEMA_KIND_ARRAY] = bind_array,
    };
    const struct toml_value *value = toml_get(table, key->name);

    CHECK((size_t)key->kind < ARRAY_SIZE(functions));
    CHECK(!key->table || key->kind == SCHEMA_KIND_ARRAY || key->table->size == key->size);
    if (value)
        return functions[key->kind](place, key, value, field_of(key, bound));
    if (key->required)
        return refuse_missing(place, key);
    return apply_fallback(place, key, field_of(key, bound));
}

static bool is_known(const struct schema *schema, const struct toml_value *table, size_t index)
{
    const char *word = toml_key_at(table, index);

    if (toml_key_length(table, index) != strlen(word))
        return false; /* a zero inside: it only looks like what comes before */
    for (size_t i = 0; i < schema->key_count; i++) {
        if (strcmp(schema->keys[i].name, word) == 0)
            return true;
    }
    return false;
}

/* Unknown keys come first: a misspelt key is also a missing one, and its name says more. */
static int bind_table(const struct schema *schema, const struct place *place,
                      const struct toml_value *table, void *ret)
{
    CHECK(schema->key_count <= KEYS_MAX);
    for (size_t i = 0; i < toml_count(table); i++) {
        if (!is_known(schema, table, i))
            return refuse_unknown(schema, place, table, i);
    }
    for (size_t i = 0; i < schema->key_count; i++) {
        int r = bind_key(place, &schema->keys[i], table, ret);

        if (r < 0)
            return r;
    }
    return 0;
}

int schema_bind(const struct schema *schema, const struct toml *document, void *ret,
                struct failure *f)
{
    const struct toml_value *root = toml_root(document);
    struct place place = { NULL, toml_name(document), NULL, toml_line(root), f };
    void *bound = calloc(1, schema->size);
    int r;

    if (!bound)
        return fail_memory(&place);
    r = bind_table(schema, &place, root, bound);
    if (r < 0)
        schema_free(schema, bound);
    else
        memcpy(ret, bound, schema->size);
    free(bound);
    return r;
}

static void free_list(struct schema_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void free_array(const struct schema *schema, struct schema_array *array)
{
    for (size_t i = 0; i < array->count; i++)
        schema_free(schema, (char *)array->items + i * schema->size);
    free(array->items);
}

static void free_field(const struct schema_key *key, void *field)
{
    if (key->kind == SCHEMA_KIND_TEXT)
        free(*(char **)field);
    else if (key->kind == SCHEMA_KIND_LIST)
        free_list(field);
    else if (key->kind == SCHEMA_KIND_TABLE)
        schema_free(key->table, field);
    else if (key->kind == SCHEMA_KIND_ARRAY)
        free_array(key->table, field);
    memset(field, 0, key->size);
}

void schema_free(const struct schema *schema, void *bound)
{
    for (size_t i = 0; i < schema->key_count; i++)
        free_field(&schema->keys[i], field_of(&schema->keys[i], bound));
}

void schema_overlay(const struct schema *schema, const struct toml_value *table, void *upper,
                    void *lower)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *key = &schema->keys[i];
        const struct toml_value *value = toml_get(table, key->name);
        void *from = field_of(key, upper), *to = field_of(key, lower);

        if (!value)
            continue;
        if (key->kind == SCHEMA_KIND_TABLE) {
            schema_overlay(key->table, value, from, to);
            continue;
        }
        free_field(key, to);
        memcpy(to, from, key->size);
        memset(from, 0, key->size);
    }
}
