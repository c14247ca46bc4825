/* A thin layer over json-c, which returns NULL or an error for lack of memory only: writers below
 * return false then, so that a whole document is one && of them, and readers return false for a
 * missing key and for another kind of value. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Gives `value` to the object, or releases it. A NULL value is JSON's null. */
MUST_USE bool json_put(struct json_object *object, const char *key, struct json_object *value);
MUST_USE bool json_put_text(struct json_object *object, const char *key, const char *value);
MUST_USE bool json_put_number(struct json_object *object, const char *key, uint64_t value);
MUST_USE bool json_put_flag(struct json_object *object, const char *key, bool value);

/* An empty object or list, which the object owns; NULL without memory. */
MUST_USE struct json_object *json_put_object(struct json_object *object, const char *key);
MUST_USE struct json_object *json_put_list(struct json_object *object, const char *key);

/* Gives `value` to the list, or releases it. */
MUST_USE bool json_append(struct json_object *list, struct json_object *value);

/* Writes the object in one line, without a newline, and releases it. NULL, or `whole` false, makes
 * the text fail. */
void json_finish(struct json_object *object, bool whole, struct text *t);

/* Parses bytes that hold one object and nothing else; NULL for anything else. Released by the
 * caller with json_object_put(). */
MUST_USE struct json_object *json_parse(const void *bytes, size_t size);

MUST_USE bool json_get(struct json_object *object, const char *key, enum json_type type,
                       struct json_object **ret);
/* Borrowed from the object. */
MUST_USE bool json_get_text(struct json_object *object, const char *key, const char **ret);
/* Numbers below zero are refused. */
MUST_USE bool json_get_number(struct json_object *object, const char *key, uint64_t *ret);
MUST_USE bool json_get_flag(struct json_object *object, const char *key, bool *ret);
