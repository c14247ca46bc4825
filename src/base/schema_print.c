/* The published form of a schema: JSON Schema, draft 2020-12. */
#include "base/schema.h"

#include <string.h>

#include "base/line.h"

enum { STRING_MAX = 4096, INDENT = 2 };

static const char size_pattern[] = "^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$";
static const char duration_pattern[] = "^(0|[1-9][0-9]*)(ms|s|min|h)$";

struct printer {
    FILE *stream;
    unsigned depth;
    bool first; /* no member was printed in this object yet */
};

static void print_string(struct printer *p, const char *string)
{
    char buffer[STRING_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add_json_string(&l, string);
    CHECK(!l.cut); /* names and sentences of our own */
    (void)fputs(buffer, p->stream);
}

static void print_line_start(struct printer *p)
{
    (void)fprintf(p->stream, "%s\n%*s", p->first ? "" : ",", (int)(INDENT * p->depth), "");
    p->first = false;
}

static void print_name(struct printer *p, const char *name)
{
    print_line_start(p);
    print_string(p, name);
    (void)fputs(": ", p->stream);
}

static void print_open(struct printer *p, char bracket)
{
    (void)fputc(bracket, p->stream);
    p->depth++;
    p->first = true;
}

static void print_close(struct printer *p, char bracket)
{
    bool is_empty = p->first;

    p->depth--;
    p->first = false;
    if (!is_empty)
        (void)fprintf(p->stream, "\n%*s", (int)(INDENT * p->depth), "");
    (void)fputc(bracket, p->stream);
}

static void print_text_member(struct printer *p, const char *name, const char *value)
{
    if (!value)
        return;
    print_name(p, name);
    print_string(p, value);
}

static void print_integer_member(struct printer *p, const char *name, int64_t value)
{
    print_name(p, name);
    (void)fprintf(p->stream, "%lld", (long long)value);
}

static void print_table_members(struct printer *p, const struct schema *schema);

static void print_choices(struct printer *p, const struct schema_key *key)
{
    print_name(p, "enum");
    print_open(p, '[');
    for (size_t i = 0; key->choices[i]; i++) {
        print_line_start(p);
        print_string(p, key->choices[i]);
    }
    print_close(p, ']');
}

/* The rules of one text, alone or in a list. maxLength counts characters and our limit bytes, so
 * the published rule is the wider of the two for text beyond ASCII. */
static void print_text_rules(struct printer *p, const struct schema_key *key)
{
    print_text_member(p, "type", "string");
    print_integer_member(p, "maxLength", (int64_t)key->length_max);
    print_text_member(p, "pattern", key->pattern);
    if (key->choices)
        print_choices(p, key);
}

static void print_items(struct printer *p, const struct schema_key *key)
{
    print_text_member(p, "type", "array");
    print_integer_member(p, "maxItems", (int64_t)key->count_max);
    print_name(p, "items");
    print_open(p, '{');
    if (key->kind == SCHEMA_KIND_ARRAY)
        print_table_members(p, key->table);
    else
        print_text_rules(p, key);
    print_close(p, '}');
}

/* JSON Schema cannot compare what is written "32MiB" or "30s", so the bounds stand in a
 * comment. */
static void print_measure_rules(struct printer *p, const struct schema_key *key,
                                const char *pattern, uint64_t fallback,
                                void (*add)(struct line *l, uint64_t value))
{
    char buffer[STRING_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    print_text_member(p, "type", "string");
    print_text_member(p, "pattern", pattern);
    line_add(&l, "from ");
    add(&l, key->size_min);
    line_add(&l, " to ");
    add(&l, key->size_max);
    print_text_member(p, "$comment", buffer);
    if (key->required || fallback < key->size_min || fallback > key->size_max)
        return;
    l = line_make(buffer, sizeof(buffer));
    add(&l, fallback);
    print_text_member(p, "default", buffer);
}

/* A fallback beyond the choices means "not given": what it becomes depends on other keys. */
static void print_choice_rules(struct printer *p, const struct schema_key *key)
{
    unsigned count = 0;

    print_text_member(p, "type", "string");
    print_choices(p, key);
    while (key->choices[count])
        count++;
    if (!key->required && key->fallback.choice < count)
        print_text_member(p, "default", key->choices[key->fallback.choice]);
}

/* A fallback outside the range means "not given" and is no default that a reader could write.
 */
static void print_key_rules(struct printer *p, const struct schema_key *key)
{
    switch (key->kind) {
    case SCHEMA_KIND_TEXT:
        print_text_rules(p, key);
        if (!key->required)
            print_text_member(p, "default", key->fallback.text);
        break;
    case SCHEMA_KIND_INTEGER:
        print_text_member(p, "type", "integer");
        print_integer_member(p, "minimum", key->integer_min);
        print_integer_member(p, "maximum", key->integer_max);
        if (!key->required && key->fallback.integer >= key->integer_min &&
            key->fallback.integer <= key->integer_max)
            print_integer_member(p, "default", key->fallback.integer);
        break;
    case SCHEMA_KIND_SIZE:
        print_measure_rules(p, key, size_pattern, key->fallback.size, schema_add_size);
        break;
    case SCHEMA_KIND_DURATION:
        print_measure_rules(p, key, duration_pattern, key->fallback.duration, schema_add_duration);
        break;
    case SCHEMA_KIND_CHOICE:
        print_choice_rules(p, key);
        break;
    case SCHEMA_KIND_BOOLEAN:
        print_text_member(p, "type", "boolean");
        if (!key->required) {
            print_name(p, "default");
            (void)fputs(key->fallback.boolean ? "true" : "false", p->stream);
        }
        break;
    case SCHEMA_KIND_TABLE:
        print_table_members(p, key->table);
        break;
    case SCHEMA_KIND_LIST:
    case SCHEMA_KIND_ARRAY:
        print_items(p, key);
        break;
    }
}

static void print_required(struct printer *p, const struct schema *schema)
{
    print_name(p, "required");
    print_open(p, '[');
    for (size_t i = 0; i < schema->key_count; i++) {
        if (!schema->keys[i].required)
            continue;
        print_line_start(p);
        print_string(p, schema->keys[i].name);
    }
    print_close(p, ']');
}

static void print_table_members(struct printer *p, const struct schema *schema)
{
    print_text_member(p, "type", "object");
    print_name(p, "additionalProperties");
    (void)fputs("false", p->stream);
    print_required(p, schema);
    print_name(p, "properties");
    print_open(p, '{');
    for (size_t i = 0; i < schema->key_count; i++) {
        print_name(p, schema->keys[i].name);
        print_open(p, '{');
        print_text_member(p, "description", schema->keys[i].help);
        print_key_rules(p, &schema->keys[i]);
        print_close(p, '}');
    }
    print_close(p, '}');
}

void schema_print_json(const struct schema *schema, const char *id, FILE *stream)
{
    struct printer p = { .stream = stream };

    print_open(&p, '{');
    print_text_member(&p, "$schema", "https://json-schema.org/draft/2020-12/schema");
    print_text_member(&p, "$id", id);
    print_text_member(&p, "title", schema->title);
    print_text_member(&p, "description", schema->help);
    print_table_members(&p, schema);
    print_close(&p, '}');
    (void)fputc('\n', stream);
}
