/* TOML 1.0 (toml.io/en/v1.0.0): bytes in, tree out. Reads no file, keeps no state.
 *
 * The grammar is the whole of TOML 1.0 and nothing of later drafts. Choices that the specification
 * leaves open:
 *   - CRLF inside a multi-line string becomes LF, so that a document means the same however it was
 *     saved.
 *   - U+0000 may stand in a string or a quoted key through an escape; see toml_string() and
 *     toml_key_length() for what a caller sees.
 *   - Second 60 is accepted in every minute; a fraction beyond nanoseconds is cut, not rounded.
 *   - A float too large for 64 bits is an error; one too small becomes zero or subnormal.
 *
 * The document owns the whole tree: every pointer from here is borrowed from it and dies with
 * toml_free(). Accessors for one kind must only be called on a value of that kind (it is checked:
 * look at toml_kind() first, or let schema.h do it). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

/* Limits, all checked before anything is allocated for what exceeds them. Our files are written by
 * hand or by our own tools: these are some hundred times what they need. */
enum {
    TOML_SIZE_MAX = 1024 * 1024, /* bytes of a document */
    TOML_DEPTH_MAX = 32,         /* parts of keys plus brackets around one value */
    TOML_VALUES_MAX = 32768,     /* values, tables and arrays included */
};

enum toml_kind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_OFFSET_DATETIME,
    TOML_LOCAL_DATETIME,
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};

/* Fields that a kind does not have are zero. */
struct toml_time {
    uint16_t year;  /* 0 to 9999 */
    uint8_t month;  /* 1 to 12 */
    uint8_t day;    /* 1 to 31, checked against the month */
    uint8_t hour;   /* 0 to 23 */
    uint8_t minute; /* 0 to 59 */
    uint8_t second; /* 0 to 60 */
    uint32_t nanosecond;
    int16_t offset_minutes; /* of TOML_OFFSET_DATETIME: east of UTC is positive */
};

struct toml;
struct toml_value;

/* Parses the document bytes[0..size); `name` is the file's name for messages and is copied, as is
 * everything else: `bytes` may be released afterwards.
 * Returns 0 and a document in *ret that the caller releases with toml_free(). Otherwise *ret is
 * untouched and *f says "NAME:LINE: what": -EBADMSG (BR-SYNTAX) for what is not TOML, -ERANGE
 * (BR-SYNTAX) for a document over a limit, -ENOMEM (BR-INTERNAL). */
MUST_USE int toml_parse(const char *name, const char *bytes, size_t size, struct toml **ret,
                        struct failure *f);

/* Accepts NULL. */
void toml_free(struct toml *document);

static inline void cleanup_toml_(struct toml **place)
{
    toml_free(*place);
}
#define _cleanup_toml_ __attribute__((cleanup(cleanup_toml_)))

/* The table that the document is. */
const struct toml_value *toml_root(const struct toml *document);

/* The name given to toml_parse(). */
const char *toml_name(const struct toml *document);

enum toml_kind toml_kind(const struct toml_value *value);

/* "a string", "an array": for messages. */
const char *toml_kind_name(enum toml_kind kind);

/* The line, from 1, where the value begins; for a table, where it was first spoken of. */
unsigned toml_line(const struct toml_value *value);

/* The value of a key, or NULL. */
const struct toml_value *toml_get(const struct toml_value *table, const char *key);

/* Entries of a table or an array, in the order of the document. The index is below the count. */
size_t toml_count(const struct toml_value *value);
const struct toml_value *toml_at(const struct toml_value *value, size_t index);

/* The key of an entry of a table, zero-terminated. A key may hold U+0000: toml_get() never finds
 * such a key, and who compares keys must see that the length is strlen() of the key. */
const char *toml_key_at(const struct toml_value *table, size_t index);
size_t toml_key_length(const struct toml_value *table, size_t index);

/* The bytes of a string (valid UTF-8, zero-terminated) and their number. A string may hold U+0000:
 * with a NULL ret_length, which asks for a C string, such a value yields NULL instead of a string
 * that looks shorter than it is. */
const char *toml_string(const struct toml_value *value, size_t *ret_length);

int64_t toml_integer(const struct toml_value *value);
double toml_float(const struct toml_value *value);
bool toml_boolean(const struct toml_value *value);

/* Of the four kinds of dates and times. */
struct toml_time toml_time(const struct toml_value *value);
