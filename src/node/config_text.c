#include "node/config_text.h"

#include <errno.h>
#include <string.h>

#include "base/line.h"

enum { KEY_SIZE = 128 };

enum style { STYLE_TOML, STYLE_JSON };

/* One spelling that both TOML 1.0 and JSON read: the texts are valid UTF-8 already. */
static void add_string(struct text *t, const char *string)
{
    text_add(t, "\"");
    for (const char *p = string; *p; p++) {
        if (*p == '"' || *p == '\\')
            text_addf(t, "\\%c", *p);
        else if ((unsigned char)*p < ' ' || *p == '\x7f')
            text_addf(t, "\\u%04x", (unsigned)*p);
        else
            text_add_bytes(t, p, 1);
    }
    text_add(t, "\"");
}

static bool is_set(const struct schema_key *row, const void *field)
{
    return row->kind != SCHEMA_KIND_TEXT || *(char *const *)field;
}

static void add_value(struct text *t, enum style style, const struct schema_key *row,
                      const void *field);

/* One table of an array, on one line. */
static void add_inline_table(struct text *t, enum style style, const struct schema *schema,
                             const void *bound)
{
    const char *separator = "{ ";

    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *row = &schema->keys[i];
        const void *field = (const char *)bound + row->offset;

        if (!is_set(row, field))
            continue;
        text_add(t, separator);
        text_addf(t, style == STYLE_JSON ? "\"%s\": " : "%s = ", row->name);
        add_value(t, style, row, field);
        separator = ", ";
    }
    text_add(t, " }");
}

static void add_list(struct text *t, const struct schema_list *list)
{
    text_add(t, "[");
    for (size_t i = 0; i < list->count; i++) {
        text_add(t, i > 0 ? ", " : "");
        add_string(t, list->items[i]);
    }
    text_add(t, "]");
}

static void add_array(struct text *t, enum style style, const struct schema_key *row,
                      const struct schema_array *array)
{
    text_add(t, "[");
    for (size_t i = 0; i < array->count; i++) {
        text_add(t, i > 0 ? ", " : "");
        add_inline_table(t, style, row->table, (const char *)array->items + i * row->table->size);
    }
    text_add(t, "]");
}

static void add_value(struct text *t, enum style style, const struct schema_key *row,
                      const void *field)
{
    char measure[64];
    struct line l = line_make(measure, sizeof(measure));

    switch (row->kind) {
    case SCHEMA_KIND_TEXT:
        if (is_set(row, field))
            add_string(t, *(char *const *)field);
        else
            text_add(t, "null"); /* JSON only: TOML leaves the key out */
        break;
    case SCHEMA_KIND_INTEGER:
        text_addf(t, "%lld", (long long)*(const int64_t *)field);
        break;
    case SCHEMA_KIND_SIZE:
        schema_add_size(&l, *(const uint64_t *)field);
        add_string(t, measure);
        break;
    case SCHEMA_KIND_DURATION:
        schema_add_duration(&l, *(const uint64_t *)field);
        add_string(t, measure);
        break;
    case SCHEMA_KIND_CHOICE:
        add_string(t, row->choices[*(const unsigned *)field]);
        break;
    case SCHEMA_KIND_BOOLEAN:
        text_add(t, *(const bool *)field ? "true" : "false");
        break;
    case SCHEMA_KIND_LIST:
        add_list(t, field);
        break;
    case SCHEMA_KIND_ARRAY:
        add_array(t, style, row, field);
        break;
    case SCHEMA_KIND_TABLE:
        CHECK(row->kind != SCHEMA_KIND_TABLE); /* the walk goes into tables */
        break;
    }
}

/* --- Walking over all keys that have a value of their own --- */

struct walk;
typedef void (*walk_leaf)(const struct walk *walk, const char *key, const struct schema_key *row,
                          const void *field, const void *other);

struct walk {
    const char *only; /* dotted key, or NULL for all */
    walk_leaf leaf;
    const struct config_layers *layers;
    struct text *text;
    void *context;
};

/* Whether `key` is the one that was asked for or stands below it. */
static bool is_under(const char *key, const char *only)
{
    size_t length = only ? strlen(only) : 0;

    return !only ||
           (strncmp(key, only, length) == 0 && (key[length] == '\0' || key[length] == '.'));
}

static void walk_table(const struct walk *walk, const struct schema *schema, const char *prefix,
                       const void *bound, const void *other)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *row = &schema->keys[i];
        const void *field = (const char *)bound + row->offset;
        const void *second = other ? (const char *)other + row->offset : NULL;
        char key[KEY_SIZE];
        struct line l = line_make(key, sizeof(key));

        line_addf(&l, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        CHECK(!l.cut);
        if (row->kind == SCHEMA_KIND_TABLE)
            walk_table(walk, row->table, key, field, second);
        else if (is_under(key, walk->only))
            walk->leaf(walk, key, row, field, second);
    }
}

/* "# FILE:LINE" behind a value. */
static void add_origin(const struct config_layers *layers, const char *key, struct text *t)
{
    const char *path;
    const struct toml_value *value = config_layers_origin(layers, key, &path);

    if (value)
        text_addf(t, "  # %s:%u", path, toml_line(value));
    else
        text_add(t, "  # default");
}

/* --- All of it --- */

struct heading {
    char table[KEY_SIZE]; /* the [table] that is open */
    bool is_first;
};

static void open_table(struct heading *heading, const char *key, size_t length, struct text *t)
{
    struct line l = line_make(heading->table, sizeof(heading->table));

    line_add_bytes(&l, key, length);
    text_addf(t, "%s[%s]\n", heading->is_first ? "" : "\n", heading->table);
}

static void add_leaf(const struct walk *walk, const char *key, const struct schema_key *row,
                     const void *field, const void *other)
{
    struct heading *heading = walk->context;
    size_t table_length = strlen(key) - strlen(row->name);

    (void)other;
    if (!is_set(row, field))
        return;
    if (table_length > 0 && (strlen(heading->table) != table_length - 1 ||
                             strncmp(heading->table, key, table_length - 1) != 0))
        open_table(heading, key, table_length - 1, walk->text);
    heading->is_first = false;
    text_addf(walk->text, "%s = ", row->name);
    add_value(walk->text, STYLE_TOML, row, field);
    if (walk->layers)
        add_origin(walk->layers, key, walk->text);
    text_add(walk->text, "\n");
}

void config_text_add(const struct config *config, const char *key,
                     const struct config_layers *layers, struct text *t)
{
    struct heading heading = { .is_first = true };
    const struct walk walk = { key, add_leaf, layers, t, &heading };

    walk_table(&walk, &config_schema, "", config, NULL);
}

/* --- Differences --- */

/* Two values are equal when they are written the same way. */
static bool is_equal(struct text *t, const struct schema_key *row, const void *a, const void *b)
{
    _cleanup_text_ struct text one = TEXT_INIT, two = TEXT_INIT;

    add_value(&one, STYLE_JSON, row, a);
    add_value(&two, STYLE_JSON, row, b);
    if (text_status(&one) < 0 || text_status(&two) < 0)
        t->failed = true;
    return strcmp(text_string(&one), text_string(&two)) == 0;
}

static void add_line_of(struct text *t, char sign, const char *key, const struct schema_key *row,
                        const void *field)
{
    text_addf(t, "%c %s = ", sign, key);
    add_value(t, STYLE_TOML, row, field);
}

static void add_leaf_difference(const struct walk *walk, const char *key,
                                const struct schema_key *row, const void *field, const void *other)
{
    if (is_equal(walk->text, row, field, other))
        return;
    if (is_set(row, field)) {
        add_line_of(walk->text, '-', key, row, field);
        text_add(walk->text, "\n");
    }
    if (!is_set(row, other))
        return;
    add_line_of(walk->text, '+', key, row, other);
    if (walk->layers)
        add_origin(walk->layers, key, walk->text);
    text_add(walk->text, "\n");
}

void config_text_add_difference(const struct config *from, const struct config *to,
                                const struct config_layers *layers, struct text *t)
{
    const struct walk walk = { NULL, add_leaf_difference, layers, t, NULL };

    walk_table(&walk, &config_schema, "", from, to);
}

static void add_leaf_json(const struct walk *walk, const char *key, const struct schema_key *row,
                          const void *field, const void *other)
{
    bool *is_first = walk->context;
    const struct toml_value *value;
    const char *path;

    if (is_equal(walk->text, row, field, other))
        return;
    text_addf(walk->text, "%s\n  { \"key\": \"%s\", \"image\": ", *is_first ? "" : ",", key);
    *is_first = false;
    add_value(walk->text, STYLE_JSON, row, field);
    text_add(walk->text, ", \"machine\": ");
    add_value(walk->text, STYLE_JSON, row, other);
    value = walk->layers ? config_layers_origin(walk->layers, key, &path) : NULL;
    if (value) {
        text_add(walk->text, ", \"file\": ");
        add_string(walk->text, path);
        text_addf(walk->text, ", \"line\": %u", toml_line(value));
    }
    text_add(walk->text, " }");
}

void config_text_add_difference_json(const struct config *from, const struct config *to,
                                     const struct config_layers *layers, struct text *t)
{
    bool is_first = true;
    const struct walk walk = { NULL, add_leaf_json, layers, t, &is_first };

    text_add(t, "{ \"differences\": [");
    walk_table(&walk, &config_schema, "", from, to);
    text_add(t, is_first ? "] }\n" : "\n] }\n");
}

int config_text_differ(const struct config *from, const struct config *to, const char *key,
                       bool *ret)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const struct walk walk = { key, add_leaf_difference, NULL, &t, NULL };

    walk_table(&walk, &config_schema, "", from, to);
    if (text_status(&t) < 0)
        return -ENOMEM;
    *ret = t.length > 0;
    return 0;
}
