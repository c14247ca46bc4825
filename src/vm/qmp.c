#include "vm/qmp.h"

#include <errno.h>
#include <string.h>

void qmp_done(struct qmp *q)
{
    text_done(&q->input);
    q->position = 0;
}

int qmp_feed(struct qmp *q, const uint8_t *bytes, size_t size)
{
    size_t left = q->input.length - q->position;

    if (size > QMP_MESSAGE_MAX - left)
        return -EMSGSIZE;
    if (q->position > 0) {
        memmove(q->input.data, q->input.data + q->position, left);
        q->input.length = left;
        q->position = 0;
    }
    text_add_bytes(&q->input, bytes, size);
    return text_status(&q->input);
}

/* Parses exactly the bytes of one line. */
static json_object *parse_line(const char *line, size_t length)
{
    json_tokener *tokener = json_tokener_new();
    json_object *object;

    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, line, (int)length);
    if (!object && json_tokener_get_error(tokener) == json_tokener_continue)
        object = json_tokener_parse_ex(tokener, "", -1);
    json_tokener_free(tokener);
    return object;
}

static const struct {
    const char *key;
    enum qmp_kind kind;
} kinds[] = {
    { "return", QMP_RETURN },
    { "error", QMP_ERROR },
    { "event", QMP_EVENT },
    { "QMP", QMP_GREETING },
};

static int classify(json_object *object, struct qmp_message *ret)
{
    json_object *id;

    if (!json_object_is_type(object, json_type_object))
        return -EBADMSG;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!json_object_object_get_ex(object, kinds[i].key, NULL))
            continue;
        *ret = (struct qmp_message){ .kind = kinds[i].kind, .object = object };
        if (json_object_object_get_ex(object, "id", &id) &&
            json_object_is_type(id, json_type_int) && json_object_get_int64(id) > 0)
            ret->id = (uint64_t)json_object_get_int64(id);
        return 1;
    }
    return -EBADMSG;
}

int qmp_next(struct qmp *q, struct qmp_message *ret)
{
    const char *start, *end;
    json_object *object;
    int r;

    start = text_string(&q->input) + q->position;
    end = memchr(start, '\n', q->input.length - q->position);
    if (!end)
        return 0;
    q->position += (size_t)(end - start) + 1;
    object = parse_line(start, (size_t)(end - start));
    if (!object)
        return -EBADMSG;
    r = classify(object, ret);
    if (r < 0)
        json_object_put(object);
    return r;
}

void qmp_message_done(struct qmp_message *message)
{
    json_object_put(message->object);
    *message = (struct qmp_message){ .object = NULL };
}

static const char *text_of(json_object *object, const char *key)
{
    json_object *item;

    if (!json_object_object_get_ex(object, key, &item) ||
        !json_object_is_type(item, json_type_string))
        return "";
    return json_object_get_string(item);
}

const char *qmp_event_name(const struct qmp_message *message)
{
    return text_of(message->object, "event");
}

const char *qmp_event_text(const struct qmp_message *message, const char *key)
{
    json_object *data;

    if (!json_object_object_get_ex(message->object, "data", &data))
        return "";
    return text_of(data, key);
}

const char *qmp_error_text(const struct qmp_message *message)
{
    json_object *error;

    if (!json_object_object_get_ex(message->object, "error", &error))
        return "";
    return text_of(error, "desc");
}

char *qmp_command(const char *command, json_object *arguments, uint64_t id)
{
    json_object *object = json_object_new_object();
    char *line = NULL;

    if (!object)
        return NULL;
    /* The arguments stay the caller's, so the message takes a reference of its own. */
    if (json_object_object_add(object, "execute", json_object_new_string(command)) == 0 &&
        (!arguments ||
         json_object_object_add(object, "arguments", json_object_get(arguments)) == 0) &&
        json_object_object_add(object, "id", json_object_new_int64((int64_t)id)) == 0)
        line = text_make("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return line;
}
