/* The tree behind toml.h: its nodes and how the parser adds to it. Private to toml*.c. */
#pragma once

#include "base/toml.h"

/* How a table or an array came to be decides what may still be added to it. */
enum toml_origin {
    TOML_ORIGIN_IMPLICIT, /* a table named on the way of a [header]; a header may still define it */
    TOML_ORIGIN_HEADER,   /* [table] or [[array of tables]] */
    TOML_ORIGIN_DOTTED,   /* a table named on the way of a dotted key */
    TOML_ORIGIN_INLINE,   /* { } or [ ]: complete, closed to additions */
};

struct toml_text {
    const char *bytes; /* zero-terminated, may hold zeros */
    size_t length;
};

struct toml_member {
    struct toml_text key;
    uint32_t hash;
    struct toml_value *value;
};

struct toml_value {
    enum toml_kind kind;
    enum toml_origin origin;
    unsigned line;
    size_t count, capacity; /* of items or members */
    union {
        struct toml_text string;
        int64_t integer;
        double number;
        bool boolean;
        struct toml_time time;
        struct toml_value **items;
        struct toml_member *members;
    } as;
};

struct toml_block;

struct toml {
    const char *name;
    struct toml_value *root;
    size_t value_count;
    struct toml_block *blocks; /* every allocation of the document */
};

/* A zero-terminated copy that lives as long as the document. Returns 0 or -ENOMEM. */
MUST_USE int toml_tree_copy(struct toml *document, const char *bytes, size_t length,
                            struct toml_text *ret);

/* A value outside the tree. Returns 0, -ERANGE beyond TOML_VALUES_MAX, or -ENOMEM. */
MUST_USE int toml_tree_make(struct toml *document, enum toml_kind kind, enum toml_origin origin,
                            unsigned line, struct toml_value **ret);

/* Adds at the end of an array. Returns 0 or -ENOMEM. */
MUST_USE int toml_tree_append(struct toml *document, struct toml_value *array,
                              struct toml_value *item);

/* Adds to a table that does not have the key. The key's text is borrowed: it must live as long as
 * the document. Returns 0 or -ENOMEM. */
MUST_USE int toml_tree_insert(struct toml *document, struct toml_value *table, struct toml_text key,
                              struct toml_value *value);

/* NULL when the table does not have the key. */
struct toml_value *toml_tree_find(const struct toml_value *table, struct toml_text key);
