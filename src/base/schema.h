/* What a TOML file may say, as a table: one row per key. The same table fills a C structure from a
 * document, words every refusal, releases the structure and prints the published JSON Schema, so
 * that these four never disagree.
 *
 *     struct disk { char *label; uint64_t size; };
 *     static const struct schema_key disk_keys[] = {
 *         { SCHEMA_TEXT("label", struct disk, label, 32), .required = true, .help = "..." },
 *         { SCHEMA_SIZE("size", struct disk, size, MIB, 64 * GIB), .fallback.size = 2 * GIB },
 *     };
 *     const struct schema disk_schema = SCHEMA("disk", "A disk.", struct disk, disk_keys);
 *
 * A wrong table is a bug of ours and fails a CHECK. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/failure.h"
#include "base/line.h"
#include "base/toml.h"

enum schema_kind {
    SCHEMA_KIND_TEXT,     /* char *; NULL when absent without fallback */
    SCHEMA_KIND_INTEGER,  /* int64_t */
    SCHEMA_KIND_SIZE,     /* uint64_t bytes, written "32MiB" */
    SCHEMA_KIND_DURATION, /* uint64_t nanoseconds, written "30s" */
    SCHEMA_KIND_CHOICE,   /* an unsigned enumeration: the index of the text in `choices` */
    SCHEMA_KIND_BOOLEAN,  /* bool */
    SCHEMA_KIND_LIST,     /* struct schema_list: texts */
    SCHEMA_KIND_TABLE,    /* the sub-table's structure, embedded */
    SCHEMA_KIND_ARRAY,    /* struct schema_array: structures of sub-tables */
};

struct schema_list {
    char **items;
    size_t count;
};

struct schema_array {
    void *items; /* count structures of the row's schema */
    size_t count;
};

/* Judges a text: NULL when it is good, else what it must be ("must be a host name"). The answer is
 * not freed. */
typedef const char *(*schema_validate)(const char *text);

struct schema_key {
    /* From the SCHEMA_* macros below. */
    const char *name;
    enum schema_kind kind;
    size_t offset, size; /* of the field */
    size_t length_max;   /* text and texts of a list: bytes */
    size_t count_max;    /* list and array: entries */
    int64_t integer_min, integer_max;
    uint64_t size_min, size_max; /* bytes, or nanoseconds */
    const struct schema *table;  /* of a sub-table, or of each in an array */

    /* To be added to a row where wanted. */
    bool required;
    const char *help; /* one sentence, for the published schema */
    const char *const
        *choices; /* text, list and choice: the only texts there may be; ends with NULL */
    schema_validate validate; /* text and list */
    const char
        *pattern; /* what `validate` decides, as a regular expression (ECMA 262) to publish */
    union {
        const char *text; /* copied */
        int64_t integer;
        uint64_t size;
        uint64_t duration;
        unsigned choice;
        bool boolean;
    } fallback; /* the value when the key is absent; lists and arrays are then empty */
};

struct schema {
    const char *title;
    const char *help;
    const struct schema_key *keys;
    size_t key_count;
    size_t size; /* of the structure */
};

#define SCHEMA(title_, help_, type, keys_)                                                         \
    {                                                                                              \
        .title = (title_), .help = (help_), .keys = (keys_), .key_count = ARRAY_SIZE(keys_),       \
        .size = sizeof(type)                                                                       \
    }

/* The place of a field, which must have the C type that the kind writes: anything else does not
 * compile. */
#define SCHEMA_FIELD_(type, field, c_type)                                                         \
    .offset = _Generic(((type *)NULL)->field, c_type                                               \
                       : offsetof(type, field)),                                                   \
    .size = sizeof(((type *)NULL)->field)

#define SCHEMA_TEXT(name_, type, field, length_max_)                                               \
    .name = (name_), .kind = SCHEMA_KIND_TEXT, SCHEMA_FIELD_(type, field, char *),                 \
    .length_max = (length_max_)
#define SCHEMA_INTEGER(name_, type, field, min_, max_)                                             \
    .name = (name_), .kind = SCHEMA_KIND_INTEGER, SCHEMA_FIELD_(type, field, int64_t),             \
    .integer_min = (min_), .integer_max = (max_)
#define SCHEMA_SIZE(name_, type, field, min_, max_)                                                \
    .name = (name_), .kind = SCHEMA_KIND_SIZE, SCHEMA_FIELD_(type, field, uint64_t),               \
    .size_min = (min_), .size_max = (max_)
#define SCHEMA_DURATION(name_, type, field, min_, max_)                                            \
    .name = (name_), .kind = SCHEMA_KIND_DURATION, SCHEMA_FIELD_(type, field, uint64_t),           \
    .size_min = (min_), .size_max = (max_)
#define SCHEMA_CHOICE(name_, type, field, choices_)                                                \
    .name = (name_), .kind = SCHEMA_KIND_CHOICE, SCHEMA_FIELD_(type, field, unsigned),             \
    .choices = (choices_)
#define SCHEMA_BOOLEAN(name_, type, field)                                                         \
    .name = (name_), .kind = SCHEMA_KIND_BOOLEAN, SCHEMA_FIELD_(type, field, bool)
#define SCHEMA_LIST(name_, type, field, count_max_, length_max_)                                   \
    .name = (name_), .kind = SCHEMA_KIND_LIST, SCHEMA_FIELD_(type, field, struct schema_list),     \
    .count_max = (count_max_), .length_max = (length_max_)
#define SCHEMA_TABLE(name_, type, field, schema_)                                                  \
    .name = (name_), .kind = SCHEMA_KIND_TABLE, .offset = offsetof(type, field),                   \
    .size = sizeof(((type *)NULL)->field), .table = (schema_)
#define SCHEMA_ARRAY(name_, type, field, count_max_, schema_)                                      \
    .name = (name_), .kind = SCHEMA_KIND_ARRAY, SCHEMA_FIELD_(type, field, struct schema_array),   \
    .count_max = (count_max_), .table = (schema_)

/* Fills the structure at `ret` from the document's root table. An absent sub-table that is not
 * required gives its fields their fallbacks and leaves the required ones zero, so that a required
 * text of it tells whether it was there.
 * Returns 0, and the caller releases the contents with schema_free(). Otherwise `ret` is untouched
 * and *f says "FILE:LINE: ...": -EBADMSG (BR-SCHEMA) for an unknown, missing or wrong key, -ENOMEM
 * (BR-INTERNAL). */
MUST_USE int schema_bind(const struct schema *schema, const struct toml *document, void *ret,
                         struct failure *f);

/* Lays one bound document over another: the fields of `upper` whose keys `table` (the root of the
 * document that `upper` was bound from) holds move to `lower`, sub-tables key by key, lists and
 * arrays whole. Both stay the caller's to release with schema_free(). */
void schema_overlay(const struct schema *schema, const struct toml_value *table, void *upper,
                    void *lower);

/* Frees what the structure owns and leaves it zeroed; a zeroed structure is accepted. The structure
 * itself is the caller's. */
void schema_free(const struct schema *schema, void *bound);

/* Prints the JSON Schema (draft 2020-12) of the file. `id` is its "$id", or NULL. */
void schema_print_json(const struct schema *schema, const char *id, FILE *stream);

/* Adds a size the way people write it: in the largest unit that leaves no remainder. */
void schema_add_size(struct line *l, uint64_t size);
void schema_add_duration(struct line *l, uint64_t duration_ns);
