/* JSON read in place, one member after the other: no tree, no allocation, no recursion. For texts
 * that an attacker may have written and that are read before anything can be trusted (the header of
 * an encrypted disk), and for small files of a known form.
 *
 * The reader walks over one object or list at a time:
 *
 *     struct json_reader object, value;
 *     struct json_text key;
 *
 *     r = json_reader_object(&whole, &object);
 *     while (r == 0 && (r = json_reader_member(&object, &key, &value)) > 0)
 *         r = ...;
 *
 * A value that nobody looks into is only skipped: its brackets must match to JSON_READER_DEPTH_MAX,
 * its strings must end. Everything that is taken is checked to the letter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { JSON_READER_DEPTH_MAX = 16 };

/* What is left of a text. */
struct json_reader {
    const char *text; /* borrowed */
    size_t size;
    bool first; /* no member of this object or list was read yet */
};

/* A string as it stands in the text, without its quotes, escapes not resolved. */
struct json_text {
    const char *text; /* borrowed from the reader's text */
    size_t size;
};

struct json_reader json_reader_make(const void *text, size_t size);

/* Enters the one value that `value` holds. Returns 0, or -EBADMSG when it is not an object (or
 * list). */
MUST_USE int json_reader_object(const struct json_reader *value, struct json_reader *ret);
MUST_USE int json_reader_list(const struct json_reader *value, struct json_reader *ret);

/* The next member of an object, or element of a list. Returns 1 with the outputs set, 0 at the end
 * of the object or list when nothing but white space follows it, or -EBADMSG. */
MUST_USE int json_reader_member(struct json_reader *object, struct json_text *ret_key,
                                struct json_reader *ret_value);
MUST_USE int json_reader_element(struct json_reader *list, struct json_reader *ret_value);

/* The one scalar that `value` holds; -EBADMSG for anything else. A number is a whole one without
 * sign, leading zero or exponent, at most `limit`, else -ERANGE. */
MUST_USE int json_reader_text(const struct json_reader *value, struct json_text *ret);
MUST_USE int json_reader_number(const struct json_reader *value, uint64_t limit, uint64_t *ret);
MUST_USE int json_reader_flag(const struct json_reader *value, bool *ret);

/* True when the text is this one. A text with an escape other than `\/` equals none. */
MUST_USE bool json_text_is(const struct json_text *t, const char *word);

/* Copies a text without control characters and non-ASCII, resolving `\/`, and ends it with a zero.
 * -EBADMSG for another escape or character, -ERANGE when it does not fit. */
MUST_USE int json_text_copy(const struct json_text *t, char *ret, size_t capacity);
