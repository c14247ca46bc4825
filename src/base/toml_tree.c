#include "base/toml_tree.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

enum { CAPACITY_MIN = 4 };

struct toml_block {
    struct toml_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

/* Zeroed bytes that live as long as the document, or NULL. One allocation per node rather than a
 * pool: the sanitizers then see every overrun. */
static void *allocate(struct toml *document, size_t size)
{
    struct toml_block *block;

    CHECK(size <= SIZE_MAX - sizeof(*block));
    block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->next = document->blocks;
    document->blocks = block;
    return block->bytes;
}

int toml_tree_copy(struct toml *document, const char *bytes, size_t length, struct toml_text *ret)
{
    char *copy = allocate(document, length + 1);

    if (!copy)
        return -ENOMEM;
    if (length > 0)
        memcpy(copy, bytes, length);
    *ret = (struct toml_text){ .bytes = copy, .length = length };
    return 0;
}

int toml_tree_make(struct toml *document, enum toml_kind kind, enum toml_origin origin,
                   unsigned line, struct toml_value **ret)
{
    struct toml_value *value;

    CHECK(document->value_count <= TOML_VALUES_MAX);
    if (document->value_count == TOML_VALUES_MAX)
        return -ERANGE;
    value = allocate(document, sizeof(*value));
    if (!value)
        return -ENOMEM;
    document->value_count++;
    value->kind = kind;
    value->origin = origin;
    value->line = line;
    *ret = value;
    return 0;
}

/* Makes room for one more entry of `entry_size` bytes. The former entries stay with the document
 * until it is freed: doubling bounds that waste by the size of what is in use. */
static void *grow(struct toml *document, struct toml_value *value, void *entries, size_t entry_size)
{
    size_t capacity = value->capacity > 0 ? 2 * value->capacity : CAPACITY_MIN;
    void *grown;

    if (value->count < value->capacity)
        return entries;
    grown = allocate(document, capacity * entry_size);
    if (!grown)
        return NULL;
    if (value->count > 0)
        memcpy(grown, entries, value->count * entry_size);
    value->capacity = capacity;
    return grown;
}

int toml_tree_append(struct toml *document, struct toml_value *array, struct toml_value *item)
{
    struct toml_value **items;

    CHECK(array->kind == TOML_ARRAY);
    items = grow(document, array, array->as.items, sizeof(struct toml_value *));
    if (!items)
        return -ENOMEM;
    items[array->count++] = item;
    array->as.items = items;
    return 0;
}

/* FNV-1a, 32 bits. It only spares comparisons; nothing depends on its quality. */
static uint32_t hash_key(struct toml_text key)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ (unsigned char)key.bytes[i]) * 16777619u;
    return hash;
}

int toml_tree_insert(struct toml *document, struct toml_value *table, struct toml_text key,
                     struct toml_value *value)
{
    struct toml_member *members;

    CHECK(table->kind == TOML_TABLE);
    members = grow(document, table, table->as.members, sizeof(struct toml_member));
    if (!members)
        return -ENOMEM;
    members[table->count++] =
        (struct toml_member){ .key = key, .hash = hash_key(key), .value = value };
    table->as.members = members;
    return 0;
}

struct toml_value *toml_tree_find(const struct toml_value *table, struct toml_text key)
{
    uint32_t hash = hash_key(key);

    CHECK(table->kind == TOML_TABLE);
    for (size_t i = 0; i < table->count; i++) {
        const struct toml_member *member = &table->as.members[i];

        if (member->hash == hash && member->key.length == key.length &&
            memcmp(member->key.bytes, key.bytes, key.length) == 0)
            return member->value;
    }
    return NULL;
}

void toml_free(struct toml *document)
{
    if (!document)
        return;
    while (document->blocks) {
        struct toml_block *block = document->blocks;

        document->blocks = block->next;
        free(block);
    }
    free(document);
}

const struct toml_value *toml_root(const struct toml *document)
{
    return document->root;
}

const char *toml_name(const struct toml *document)
{
    return document->name;
}

enum toml_kind toml_kind(const struct toml_value *value)
{
    return value->kind;
}

const char *toml_kind_name(enum toml_kind kind)
{
    static const char *const names[] = {
        [TOML_STRING] = "a string",
        [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a float",
        [TOML_BOOLEAN] = "a boolean",
        [TOML_OFFSET_DATETIME] = "a date and time",
        [TOML_LOCAL_DATETIME] = "a local date and time",
        [TOML_LOCAL_DATE] = "a date",
        [TOML_LOCAL_TIME] = "a time",
        [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };

    CHECK((size_t)kind < ARRAY_SIZE(names));
    return names[kind];
}

unsigned toml_line(const struct toml_value *value)
{
    return value->line;
}

const struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
    return toml_tree_find(table, (struct toml_text){ .bytes = key, .length = strlen(key) });
}

size_t toml_count(const struct toml_value *value)
{
    CHECK(value->kind == TOML_TABLE || value->kind == TOML_ARRAY);
    return value->count;
}

const struct toml_value *toml_at(const struct toml_value *value, size_t index)
{
    CHECK(index < toml_count(value));
    return value->kind == TOML_TABLE ? value->as.members[index].value : value->as.items[index];
}

const char *toml_key_at(const struct toml_value *table, size_t index)
{
    CHECK(table->kind == TOML_TABLE && index < table->count);
    return table->as.members[index].key.bytes;
}

size_t toml_key_length(const struct toml_value *table, size_t index)
{
    CHECK(table->kind == TOML_TABLE && index < table->count);
    return table->as.members[index].key.length;
}

const char *toml_string(const struct toml_value *value, size_t *ret_length)
{
    struct toml_text string;

    CHECK(value->kind == TOML_STRING);
    string = value->as.string;
    if (!ret_length)
        return strlen(string.bytes) == string.length ? string.bytes : NULL;
    *ret_length = string.length;
    return string.bytes;
}

int64_t toml_integer(const struct toml_value *value)
{
    CHECK(value->kind == TOML_INTEGER);
    return value->as.integer;
}

double toml_float(const struct toml_value *value)
{
    CHECK(value->kind == TOML_FLOAT);
    return value->as.number;
}

bool toml_boolean(const struct toml_value *value)
{
    CHECK(value->kind == TOML_BOOLEAN);
    return value->as.boolean;
}

struct toml_time toml_time(const struct toml_value *value)
{
    CHECK(value->kind == TOML_OFFSET_DATETIME || value->kind == TOML_LOCAL_DATETIME ||
          value->kind == TOML_LOCAL_DATE || value->kind == TOML_LOCAL_TIME);
    return value->as.time;
}
