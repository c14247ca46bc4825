#include "node/facts.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "sys/file.h"

enum { FACTS_DEPTH_MAX = 8, HASH_BYTES = 32 };

static bool is_one_of(const char *text, size_t length, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == length && memcmp(text, words[i], length) == 0)
            return true;
    }
    return false;
}

static bool check_slot(const char *text, size_t length)
{
    static const char *const slots[] = { "A", "B", "direct", "live" };

    return is_one_of(text, length, slots, ARRAY_SIZE(slots));
}

static bool check_switch(const char *text, size_t length)
{
    static const char *const words[] = { "on", "off", "unknown" };

    return is_one_of(text, length, words, ARRAY_SIZE(words));
}

static bool check_hash(const char *text, size_t length)
{
    uint8_t bytes[HASH_BYTES];

    return hex_decode(text, length, bytes, sizeof(bytes)) == 0;
}

/* One row per fact; all of them are strings. */
static const struct fact {
    const char *key;
    bool (*check)(const char *text, size_t length);
    size_t offset;
    size_t capacity;
} table[] = {
    { "generation", name_is_valid, offsetof(struct facts, generation), NAME_SIZE },
    { "profile", name_is_valid, offsetof(struct facts, profile), NAME_SIZE },
    { "slot", check_slot, offsetof(struct facts, slot), NAME_SIZE },
    { "verity", check_hash, offsetof(struct facts, verity), FACTS_HASH_SIZE },
    { "secureboot", check_switch, offsetof(struct facts, secure_boot), FACTS_SWITCH_SIZE },
    { "tpm", check_switch, offsetof(struct facts, tpm), FACTS_SWITCH_SIZE },
};

static int take_fact(struct json_object *object, const struct fact *fact, struct facts *facts,
                     struct failure *f)
{
    char *place = (char *)facts + fact->offset;
    struct json_object *value;
    const char *text;
    size_t length;

    if (!json_object_object_get_ex(object, fact->key, &value))
        return failure_set(f, CODE_FACTS, -EBADMSG, "the fact '%s' is missing", fact->key);
    if (!json_object_is_type(value, json_type_string))
        return failure_set(f, CODE_FACTS, -EBADMSG, "'%s' is not a string", fact->key);
    text = json_object_get_string(value);
    length = (size_t)json_object_get_string_len(value);
    if (length >= fact->capacity || !fact->check(text, length))
        return failure_set(f, CODE_FACTS, -EBADMSG, "'%s' has a bad value", fact->key);
    memcpy(place, text, length);
    place[length] = '\0';
    return 0;
}

/* null, or not there in the facts of an older stage 1: started from no partition. */
static int take_partuuid(struct json_object *object, struct facts *facts, struct failure *f)
{
    struct json_object *value;
    const char *text;

    if (!json_object_object_get_ex(object, "partuuid", &value) ||
        json_object_is_type(value, json_type_null))
        return 0;
    text = json_object_get_string(value);
    if (!json_object_is_type(value, json_type_string) || !text ||
        strlen(text) >= sizeof(facts->partuuid) ||
        strspn(text, "0123456789abcdef-") != strlen(text))
        return failure_set(f, CODE_FACTS, -EBADMSG, "'partuuid' has a bad value");
    memcpy(facts->partuuid, text, strlen(text) + 1);
    return 0;
}

/* A text that may be null or not there at all. */
static int take_optional(struct json_object *object, const char *key, char *ret, size_t capacity,
                         struct failure *f)
{
    struct json_object *value;
    size_t length;

    if (!json_object_object_get_ex(object, key, &value) || !value)
        return 0;
    length = (size_t)json_object_get_string_len(value);
    if (!json_object_is_type(value, json_type_string) || length >= capacity)
        return failure_set(f, CODE_FACTS, -EBADMSG, "'%s' has a bad value", key);
    memcpy(ret, json_object_get_string(value), length);
    ret[length] = '\0';
    return 0;
}

/* The encrypted disk; facts without it are those of a machine that has none. */
static int take_persist(struct json_object *object, struct facts *facts, struct failure *f)
{
    struct json_object *persist, *state;

    if (!json_object_object_get_ex(object, "persist", &persist) ||
        !json_object_is_type(persist, json_type_object))
        return 0;
    facts->persist_open = json_object_object_get_ex(persist, "state", &state) &&
                          json_object_is_type(state, json_type_string) &&
                          strcmp(json_object_get_string(state), "open") == 0;
    return take_optional(persist, "uuid", facts->persist_uuid, sizeof(facts->persist_uuid), f);
}

static int take_epoch(struct json_object *object, struct facts *facts, struct failure *f)
{
    struct json_object *value;

    if (!json_object_object_get_ex(object, "epoch", &value))
        return 0;
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return failure_set(f, CODE_FACTS, -EBADMSG, "'epoch' has a bad value");
    facts->epoch = (uint64_t)json_object_get_int64(value);
    return 0;
}

/* 0 for what is no small number: then nothing is concluded from it. */
static unsigned take_attempts(struct json_object *object)
{
    struct json_object *value;
    int64_t number = 0;

    if (json_object_object_get_ex(object, "attempts", &value) &&
        json_object_is_type(value, json_type_int))
        number = json_object_get_int64(value);
    return number > 0 && number <= UINT8_MAX ? (unsigned)number : 0;
}

static int check_schema(struct json_object *object, struct failure *f)
{
    struct json_object *value;

    if (!json_object_object_get_ex(object, "schema", &value) ||
        !json_object_is_type(value, json_type_int) ||
        json_object_get_int64(value) != FACTS_SCHEMA_KNOWN)
        return failure_set(f, CODE_FACTS, -EBADMSG, "the schema is not %d", FACTS_SCHEMA_KNOWN);
    return 0;
}

/* One complete JSON object and nothing after it; NULL otherwise. json-c itself lets the later of
 * two equal keys win; stage 1 writes each key once. */
static struct json_object *parse_object(const char *text, size_t size)
{
    struct json_tokener *tokener = json_tokener_new_ex(FACTS_DEPTH_MAX);
    struct json_object *object = NULL;

    if (!tokener || size == 0 || size > FACTS_FILE_SIZE_MAX)
        goto out;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, text, (int)size);
    if (object && (json_tokener_get_parse_end(tokener) != size ||
                   !json_object_is_type(object, json_type_object))) {
        (void)json_object_put(object); /* freed here */
        object = NULL;
    }
out:
    if (tokener)
        json_tokener_free(tokener);
    return object;
}

int facts_parse(const char *text, size_t size, struct facts *ret, struct failure *f)
{
    struct facts facts = { .slot = "" };
    struct json_object *object;
    int r;

    /* The newline at the end of the file is not JSON's business. */
    while (size > 0 && text[size - 1] == '\n')
        size--;
    object = parse_object(text, size);
    if (!object)
        return failure_set(f, CODE_FACTS, -EBADMSG, "the facts are not one JSON object");
    r = check_schema(object, f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(table); i++)
        r = take_fact(object, &table[i], &facts, f);
    if (r == 0)
        r = take_partuuid(object, &facts, f);
    if (r == 0)
        r = take_optional(object, "last_failure", facts.last_failure, sizeof(facts.last_failure),
                          f);
    if (r == 0)
        r = take_persist(object, &facts, f);
    if (r == 0)
        r = take_epoch(object, &facts, f);
    facts.attempts = take_attempts(object);
    (void)json_object_put(object); /* freed here */
    if (r == 0)
        *ret = facts;
    return r;
}

int facts_read(const char *path, struct facts *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, FACTS_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return failure_set(f, CODE_FACTS, r, "cannot read '%s'", path);
    r = facts_parse((const char *)bytes, size, ret, f);
    if (r < 0)
        failure_prefix(f, "%s", path);
    return r;
}
