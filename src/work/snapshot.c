#include "work/snapshot.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"

enum { VERSION = 1, UTF8_LENGTH_MAX = 4 };

static const char *const state_names[] = {
    [SNAPSHOT_OFF] = "off",           [SNAPSHOT_WAITING] = "waiting",
    [SNAPSHOT_STARTING] = "starting", [SNAPSHOT_UP] = "up",
    [SNAPSHOT_READY] = "ready",       [SNAPSHOT_DONE] = "done",
    [SNAPSHOT_STOPPING] = "stopping", [SNAPSHOT_DOWN] = "down",
    [SNAPSHOT_BACKOFF] = "backoff",   [SNAPSHOT_FAILED] = "failed",
};
_Static_assert(ARRAY_SIZE(state_names) == SNAPSHOT_STATE_MAX_, "every state has a name");

static const char *const end_names[] = {
    [SNAPSHOT_END_NONE] = NULL,
    [SNAPSHOT_END_EXIT] = "exit",
    [SNAPSHOT_END_SIGNAL] = "signal",
};

const char *snapshot_state_name(enum snapshot_state state)
{
    CHECK(state < SNAPSHOT_STATE_MAX_);
    return state_names[state];
}

bool snapshot_state_satisfies(enum snapshot_state state)
{
    return state == SNAPSHOT_READY || state == SNAPSHOT_DONE || state == SNAPSHOT_OFF;
}

const struct snapshot_service *snapshot_find(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (strcmp(snapshot->services[i].name, name) == 0)
            return &snapshot->services[i];
    }
    return NULL;
}

/* The length of the UTF-8 sequence that begins here (RFC 3629), 0 when none does. */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    static const struct {
        unsigned char mask, lead, low, high; /* low and high: of the byte behind the lead */
        size_t length;
    } forms[] = {
        { 0x80, 0x00, 0x00, 0xff, 1 }, { 0xe0, 0xc0, 0x80, 0xbf, 2 }, { 0xff, 0xe0, 0xa0, 0xbf, 3 },
        { 0xff, 0xed, 0x80, 0x9f, 3 }, { 0xf0, 0xe0, 0x80, 0xbf, 3 }, { 0xff, 0xf0, 0x90, 0xbf, 4 },
        { 0xff, 0xf4, 0x80, 0x8f, 4 }, { 0xfc, 0xf0, 0x80, 0xbf, 4 },
    };

    if (bytes[0] == 0xc0 || bytes[0] == 0xc1) /* another form of ASCII */
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        size_t length = forms[i].length;

        if ((bytes[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (length > left || (length > 1 && (bytes[1] < forms[i].low || bytes[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < length; k++) {
            if ((bytes[k] & 0xc0) != 0x80)
                return 0;
        }
        return length;
    }
    return 0;
}

void snapshot_set_text(char *field, size_t size, const char *bytes, size_t length)
{
    size_t used = 0, taken;

    CHECK(size > 0);
    for (size_t i = 0; i < length; i += taken) {
        const unsigned char *at = (const unsigned char *)bytes + i;
        size_t sequence = utf8_length(at, length - i);

        taken = sequence > 0 ? sequence : 1;
        if (used + taken >= size)
            break;
        memcpy(field + used, bytes + i, taken);
        if (sequence == 0)
            field[used] = '?';
        else if (at[0] < 0x20 || at[0] == 0x7f)
            field[used] = ' ';
        used += taken;
    }
    field[used] = '\0';
}

/* json-c returns NULL or an error only without memory; the caller looks at the whole at the end. */
static bool put(struct json_object *object, const char *key, struct json_object *value)
{
    if (json_object_object_add(object, key, value) == 0)
        return true;
    (void)json_object_put(value); /* still ours */
    return false;
}

static bool put_text(struct json_object *object, const char *key, const char *value)
{
    struct json_object *string = json_object_new_string(value);

    return string && put(object, key, string);
}

static bool put_number(struct json_object *object, const char *key, uint64_t value)
{
    struct json_object *number = json_object_new_uint64(value);

    return number && put(object, key, number);
}

static bool put_flag(struct json_object *object, const char *key, bool value)
{
    struct json_object *flag = json_object_new_boolean(value);

    return flag && put(object, key, flag);
}

/* null, { "exit": 1 } or { "signal": 9 } */
static bool put_last(struct json_object *object, const struct snapshot_service *service)
{
    struct json_object *last;

    if (service->last_end == SNAPSHOT_END_NONE)
        return put(object, "last", NULL);
    last = json_object_new_object();
    return last && put(object, "last", last) &&
           put_number(last, end_names[service->last_end], service->last_code);
}

static bool put_lines(struct json_object *object, const struct snapshot_service *service)
{
    struct json_object *list = json_object_new_array();

    if (!list || !put(object, "log", list))
        return false;
    for (size_t i = 0; i < service->line_count; i++) {
        struct json_object *line = json_object_new_string(service->lines[i]);

        if (!line || json_object_array_add(list, line) < 0) {
            (void)json_object_put(line); /* accepts NULL */
            return false;
        }
    }
    return true;
}

static bool put_service(struct json_object *object, const struct snapshot_service *service)
{
    return put_text(object, "name", service->name) &&
           put_text(object, "description", service->description) &&
           put_text(object, "state", snapshot_state_name(service->state)) &&
           put_flag(object, "required", service->required) &&
           put_flag(object, "local", service->local) &&
           (service->pid > 0 ? put_number(object, "pid", service->pid)
                             : put(object, "pid", NULL)) &&
           put_number(object, "since_us", service->since_us) &&
           put_number(object, "restarts", service->restarts) && put_last(object, service) &&
           put_text(object, "reason", service->reason) && put_lines(object, service);
}

static bool put_services(struct json_object *object, const struct snapshot *snapshot)
{
    struct json_object *list = json_object_new_array();

    if (!list || !put(object, "services", list))
        return false;
    for (size_t i = 0; i < snapshot->count; i++) {
        struct json_object *service = json_object_new_object();

        if (!service || json_object_array_add(list, service) < 0) {
            (void)json_object_put(service); /* accepts NULL */
            return false;
        }
        if (!put_service(service, &snapshot->services[i]))
            return false;
    }
    return true;
}

static void add_object(struct json_object *object, bool whole, struct text *t)
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

void snapshot_add_service(const struct snapshot_service *service, struct text *t)
{
    struct json_object *object = json_object_new_object();

    add_object(object, object && put_service(object, service), t);
}

void snapshot_add_json(const struct snapshot *snapshot, struct text *t)
{
    struct json_object *object = json_object_new_object();
    bool whole = object && put_number(object, "version", VERSION) &&
                 put_number(object, "written_us", snapshot->written_us) &&
                 put_flag(object, "ready", snapshot->ready) && put_services(object, snapshot);

    add_object(object, whole, t);
    text_add(t, "\n");
}

/* The getters below return false for a missing key and for another kind of value. */
static bool get(struct json_object *object, const char *key, enum json_type type,
                struct json_object **ret)
{
    return json_object_object_get_ex(object, key, ret) && json_object_is_type(*ret, type);
}

static bool get_text(struct json_object *object, const char *key, char *field, size_t size)
{
    struct json_object *value;

    if (!get(object, key, json_type_string, &value))
        return false;
    snapshot_set_text(field, size, json_object_get_string(value),
                      (size_t)json_object_get_string_len(value));
    return true;
}

static bool get_number(struct json_object *object, const char *key, uint64_t *ret)
{
    struct json_object *value;

    /* Numbers below zero come back as 0, which no field minds. */
    if (!get(object, key, json_type_int, &value))
        return false;
    *ret = json_object_get_uint64(value);
    return true;
}

static bool get_flag(struct json_object *object, const char *key, bool *ret)
{
    struct json_object *value;

    if (!get(object, key, json_type_boolean, &value))
        return false;
    *ret = json_object_get_boolean(value);
    return true;
}

static bool get_state(struct json_object *object, enum snapshot_state *ret)
{
    struct json_object *value;

    if (!get(object, "state", json_type_string, &value))
        return false;
    for (size_t i = 0; i < SNAPSHOT_STATE_MAX_; i++) {
        if (strcmp(json_object_get_string(value), state_names[i]) == 0) {
            *ret = (enum snapshot_state)i;
            return true;
        }
    }
    return false;
}

static bool get_last(struct json_object *object, struct snapshot_service *service)
{
    struct json_object *last;

    if (!json_object_object_get_ex(object, "last", &last))
        return false;
    if (!last)
        return true;
    if (!json_object_is_type(last, json_type_object))
        return false;
    for (enum snapshot_end end = SNAPSHOT_END_EXIT; end <= SNAPSHOT_END_SIGNAL; end++) {
        if (get_number(last, end_names[end], &service->last_code)) {
            service->last_end = end;
            return true;
        }
    }
    return false;
}

static bool get_lines(struct json_object *object, struct snapshot_service *service)
{
    struct json_object *list;
    size_t count;

    if (!get(object, "log", json_type_array, &list))
        return false;
    count = json_object_array_length(list);
    if (count > SNAPSHOT_LINES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct json_object *line = json_object_array_get_idx(list, i);

        if (!json_object_is_type(line, json_type_string))
            return false;
        snapshot_set_text(service->lines[i], SNAPSHOT_LINE_SIZE, json_object_get_string(line),
                          (size_t)json_object_get_string_len(line));
    }
    service->line_count = count;
    return true;
}

static bool get_service(struct json_object *object, struct snapshot_service *service)
{
    struct json_object *pid;

    *service = (struct snapshot_service){ .pid = 0 };
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, "pid", &pid))
        return false;
    if (pid && !get_number(object, "pid", &service->pid))
        return false;
    return get_text(object, "name", service->name, sizeof(service->name)) &&
           service->name[0] != '\0' &&
           get_text(object, "description", service->description, sizeof(service->description)) &&
           get_state(object, &service->state) && get_flag(object, "required", &service->required) &&
           get_flag(object, "local", &service->local) &&
           get_number(object, "since_us", &service->since_us) &&
           get_number(object, "restarts", &service->restarts) && get_last(object, service) &&
           get_text(object, "reason", service->reason, sizeof(service->reason)) &&
           get_lines(object, service);
}

static int get_snapshot(struct json_object *object, struct snapshot *ret, struct failure *f)
{
    struct json_object *list;
    uint64_t version;
    size_t count;

    if (!json_object_is_type(object, json_type_object) ||
        !get_number(object, "version", &version) || version != VERSION)
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "it is not of version %d", VERSION);
    if (!get_number(object, "written_us", &ret->written_us) ||
        !get_flag(object, "ready", &ret->ready) || !get(object, "services", json_type_array, &list))
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "a key is missing or of another kind");
    count = json_object_array_length(list);
    if (count > SNAPSHOT_SERVICES_MAX)
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "it has more than %d services",
                           SNAPSHOT_SERVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!get_service(json_object_array_get_idx(list, i), &ret->services[i]))
            return failure_set(f, CODE_SNAPSHOT, -EBADMSG,
                               "service %zu lacks a key, or has one of another kind", i + 1);
    }
    ret->count = count;
    return 0;
}

int snapshot_parse(const void *bytes, size_t size, struct snapshot *ret, struct failure *f)
{
    struct json_tokener *tokener;
    struct json_object *object = NULL;
    int r;

    if (size > SNAPSHOT_FILE_SIZE_MAX)
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "it is larger than %d bytes",
                           SNAPSHOT_FILE_SIZE_MAX);
    tokener = json_tokener_new();
    if (!tokener)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (size > 0)
        object = json_tokener_parse_ex(tokener, bytes, (int)size);
    r = get_snapshot(object, ret, f);
    (void)json_object_put(object); /* accepts NULL */
    json_tokener_free(tokener);
    return r;
}

int snapshot_read(const char *path, struct snapshot *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, SNAPSHOT_FILE_SIZE_MAX, &bytes, &size, f);

    if (r == -ENOENT)
        return failure_set(f, CODE_SNAPSHOT, r, "'%s' is not there", path);
    if (r < 0)
        return r;
    r = snapshot_parse(bytes, size, ret, f);
    if (r < 0)
        failure_prefix(f, "%s", path);
    return r;
}

int snapshot_write(const char *path, const struct snapshot *snapshot, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    snapshot_add_json(snapshot, &t);
    if (text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(path, text_string(&t), t.length, 0644, f);
}
