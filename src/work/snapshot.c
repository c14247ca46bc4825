#include "work/snapshot.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "work/json.h"

enum { VERSION = 1 };

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

const char *snapshot_unready(const struct snapshot *snapshot, const char *except)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_service *service = &snapshot->services[i];

        if (service->required && !snapshot_state_satisfies(service->state) &&
            (!except || strcmp(service->name, except) != 0))
            return service->name;
    }
    return snapshot->count > 0 ? NULL : "any";
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

/* null, { "exit": 1 } or { "signal": 9 } */
static bool put_last(struct json_object *object, const struct snapshot_service *service)
{
    struct json_object *last;

    if (service->last_end == SNAPSHOT_END_NONE)
        return json_put(object, "last", NULL);
    last = json_put_object(object, "last");
    return last && json_put_number(last, end_names[service->last_end], service->last_code);
}

static bool put_lines(struct json_object *object, const struct snapshot_service *service)
{
    struct json_object *list = json_put_list(object, "log");
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < service->line_count; i++)
        ok = json_append(list, json_object_new_string(service->lines[i]));
    return ok;
}

static bool put_service(struct json_object *object, const struct snapshot_service *service)
{
    return json_put_text(object, "name", service->name) &&
           json_put_text(object, "description", service->description) &&
           json_put_text(object, "state", snapshot_state_name(service->state)) &&
           json_put_flag(object, "required", service->required) &&
           json_put_flag(object, "local", service->local) &&
           (service->pid > 0 ? json_put_number(object, "pid", service->pid)
                             : json_put(object, "pid", NULL)) &&
           json_put_number(object, "since_us", service->since_us) &&
           json_put_number(object, "restarts", service->restarts) && put_last(object, service) &&
           json_put_text(object, "reason", service->reason) && put_lines(object, service);
}

static bool put_services(struct json_object *object, const struct snapshot *snapshot)
{
    struct json_object *list = json_put_list(object, "services");
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < snapshot->count; i++) {
        struct json_object *service = json_object_new_object();

        ok = json_append(list, service) && put_service(service, &snapshot->services[i]);
    }
    return ok;
}

void snapshot_add_service(const struct snapshot_service *service, struct text *t)
{
    struct json_object *object = json_object_new_object();

    json_finish(object, object && put_service(object, service), t);
}

void snapshot_add_json(const struct snapshot *snapshot, struct text *t)
{
    struct json_object *object = json_object_new_object();
    bool whole = object && json_put_number(object, "version", VERSION) &&
                 json_put_number(object, "written_us", snapshot->written_us) &&
                 json_put_flag(object, "ready", snapshot->ready) && put_services(object, snapshot);

    json_finish(object, whole, t);
    text_add(t, "\n");
}

static bool get_field(struct json_object *object, const char *key, char *field, size_t size)
{
    const char *text;

    if (!json_get_text(object, key, &text))
        return false;
    snapshot_set_text(field, size, text, strlen(text));
    return true;
}

static bool get_state(struct json_object *object, enum snapshot_state *ret)
{
    struct json_object *value;

    if (!json_get(object, "state", json_type_string, &value))
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
        if (json_get_number(last, end_names[end], &service->last_code)) {
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

    if (!json_get(object, "log", json_type_array, &list))
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
    if (pid && !json_get_number(object, "pid", &service->pid))
        return false;
    return get_field(object, "name", service->name, sizeof(service->name)) &&
           service->name[0] != '\0' &&
           get_field(object, "description", service->description, sizeof(service->description)) &&
           get_state(object, &service->state) &&
           json_get_flag(object, "required", &service->required) &&
           json_get_flag(object, "local", &service->local) &&
           json_get_number(object, "since_us", &service->since_us) &&
           json_get_number(object, "restarts", &service->restarts) && get_last(object, service) &&
           get_field(object, "reason", service->reason, sizeof(service->reason)) &&
           get_lines(object, service);
}

static int get_snapshot(struct json_object *object, struct snapshot *ret, struct failure *f)
{
    struct json_object *list;
    uint64_t version;
    size_t count;

    if (!json_object_is_type(object, json_type_object) ||
        !json_get_number(object, "version", &version) || version != VERSION)
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "it is not of version %d", VERSION);
    if (!json_get_number(object, "written_us", &ret->written_us) ||
        !json_get_flag(object, "ready", &ret->ready) ||
        !json_get(object, "services", json_type_array, &list))
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
    struct json_object *object;
    int r;

    if (size > SNAPSHOT_FILE_SIZE_MAX)
        return failure_set(f, CODE_SNAPSHOT, -EBADMSG, "it is larger than %d bytes",
                           SNAPSHOT_FILE_SIZE_MAX);
    object = json_parse(bytes, size);
    r = get_snapshot(object, ret, f);
    (void)json_object_put(object); /* accepts NULL */
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
