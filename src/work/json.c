#include "work/json.h"

#include <limits.h>

bool json_put(struct json_object *object, const char *key, struct json_object *value)
{
    if (json_object_object_add(object, key, value) == 0)
        return true;
    (void)json_object_put(value); /* still ours */
    return false;
}

bool json_put_text(struct json_object *object, const char *key, const char *value)
{
    struct json_object *string = json_object_new_string(value);

    return string && json_put(object, key, string);
}

bool json_put_number(struct json_object *object, const char *key, uint64_t value)
{
    struct json_object *number = json_object_new_uint64(value);

    return number && json_put(object, key, number);
}

bool json_put_flag(struct json_object *object, const char *key, bool value)
{
    struct json_object *flag = json_object_new_boolean(value);

    return flag && json_put(object, key, flag);
}

struct json_object *json_put_object(struct json_object *object, const char *key)
{
    struct json_object *inner = json_object_new_object();

    return inner && json_put(object, key, inner) ? inner : NULL;
}

struct json_object *json_put_list(struct json_object *object, const char *key)
{
    struct json_object *list = json_object_new_array();

    return list && json_put(object, key, list) ? list : NULL;
}

bool json_append(struct json_object *list, struct json_object *value)
{
    if (value && json_object_array_add(list, value) == 0)
        return true;
    (void)json_object_put(value); /* accepts NULL */
    return false;
}

void json_finish(struct json_object *object, bool whole, struct text *t)
{
    const char *string = NULL;

    if (object && whole)
        string = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE);
    if (string)
        text_add(t, string);
    else
        t->failed = true;
    (void)json_object_put(object); /* accepts NULL */
}

struct json_object *json_parse(const void *bytes, size_t size)
{
    struct json_tokener *tokener;
    struct json_object *object = NULL;

    if (size == 0 || size > INT_MAX)
        return NULL;
    tokener = json_tokener_new();
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, bytes, (int)size);
    json_tokener_free(tokener);
    if (object && !json_object_is_type(object, json_type_object)) {
        (void)json_object_put(object);
        return NULL;
    }
    return object;
}

bool json_get(struct json_object *object, const char *key, enum json_type type,
              struct json_object **ret)
{
    return json_object_object_get_ex(object, key, ret) && json_object_is_type(*ret, type);
}

bool json_get_text(struct json_object *object, const char *key, const char **ret)
{
    struct json_object *value;

    if (!json_get(object, key, json_type_string, &value))
        return false;
    *ret = json_object_get_string(value);
    return true;
}

bool json_get_number(struct json_object *object, const char *key, uint64_t *ret)
{
    struct json_object *value;

    if (!json_get(object, key, json_type_int, &value) ||
        (json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0))
        return false;
    *ret = json_object_get_uint64(value);
    return true;
}

bool json_get_flag(struct json_object *object, const char *key, bool *ret)
{
    struct json_object *value;

    if (!json_get(object, key, json_type_boolean, &value))
        return false;
    *ret = json_object_get_boolean(value);
    return true;
}
