#include "update/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/attribute.h"
#include "sys/file.h"
#include "sys/lockfile.h"

enum { SCHEMA = 1, DEPTH_MAX = 4 };

const char *trial_result_name(enum trial_result result)
{
    static const char *const names[] = { "none", "good", "failed", "fell-back" };

    CHECK((size_t)result < ARRAY_SIZE(names));
    return names[result];
}

static void copy(char *ret, size_t capacity, const char *text)
{
    struct line l = line_make(ret, capacity);

    line_add(&l, text);
}

static void end(struct trial *t, enum trial_result result, const char *reason)
{
    t->last = result;
    t->last_slot = t->slot;
    copy(t->last_generation, sizeof(t->last_generation), t->generation);
    copy(t->last_reason, sizeof(t->last_reason), reason);
    t->pending = false;
    t->tries = 0;
}

void trial_boot_id(char ret[static TRIAL_BOOT_SIZE])
{
    char text[TRIAL_BOOT_SIZE + 1]; /* and the newline */

    ret[0] = '\0';
    if (attribute_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0)
        copy(ret, TRIAL_BOOT_SIZE, text);
}

void trial_begin(struct trial *t, char slot, const char *generation, const char *id)
{
    t->pending = true;
    t->slot = slot;
    t->tries = 1;
    copy(t->ordered, sizeof(t->ordered), id);
    copy(t->generation, sizeof(t->generation), generation);
}

void trial_end(struct trial *t, const char *reason)
{
    if (reason)
        trial_refuse(t, t->generation);
    end(t, reason ? TRIAL_FAILED : TRIAL_GOOD, reason ? reason : "");
}

bool trial_is_refused(const struct trial *t, const char *generation)
{
    for (size_t i = 0; i < t->refused_count; i++) {
        if (strcmp(t->refused[i], generation) == 0)
            return true;
    }
    return false;
}

void trial_forgive(struct trial *t, const char *generation)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->refused_count; i++) {
        if (strcmp(t->refused[i], generation) != 0)
            memmove(t->refused[kept++], t->refused[i], TRIAL_NAME_SIZE);
    }
    t->refused_count = kept;
}

void trial_refuse(struct trial *t, const char *generation)
{
    if (!generation[0] || trial_is_refused(t, generation))
        return;
    if (t->refused_count == TRIAL_REFUSED_MAX) {
        memmove(t->refused[0], t->refused[1], sizeof(t->refused) - TRIAL_NAME_SIZE);
        t->refused_count--;
    }
    copy(t->refused[t->refused_count++], TRIAL_NAME_SIZE, generation);
}

/* Stage 1 and the verdict write "slot=B BR-...". */
static bool is_about(const char *reason, char slot)
{
    const char start[] = { 's', 'l', 'o', 't', '=', slot, ' ', '\0' };

    return strncmp(reason, start, strlen(start)) == 0;
}

/* The slot under trial came back to this one. */
static enum trial_act judge_return(struct trial *t, const struct trial_boot *boot)
{
    char reason[TRIAL_REASON_SIZE];
    struct line l = line_make(reason, sizeof(reason));

    if (is_about(boot->reason, t->slot)) {
        line_add(&l, boot->reason);
    } else if (boot->crash[0]) {
        line_addf(&l, "slot=%c %s", t->slot, boot->crash);
    } else if (t->tries < TRIAL_TRIES_MAX) {
        t->tries++;
        copy(t->ordered, sizeof(t->ordered), boot->id);
        return TRIAL_ACT_RETRY;
    } else {
        line_add(&l, "it ended several times without a verdict and without a reason");
    }
    trial_refuse(t, t->generation);
    end(t, TRIAL_FAILED, reason);
    return TRIAL_ACT_NOTHING;
}

/* Without the state: whoever may be on trial is, and is judged under its own name. */
static enum trial_act decide_unremembered(struct trial *t, const struct trial_boot *boot,
                                          char other)
{
    if (boot->confirmed || is_about(boot->reason, other))
        return TRIAL_ACT_NOTHING;
    t->pending = true;
    t->slot = boot->slot;
    copy(t->generation, sizeof(t->generation), boot->generation);
    return TRIAL_ACT_JUDGE;
}

enum trial_act trial_decide(struct trial *t, const struct trial_boot *boot)
{
    char other = boot->slot == 'A' ? 'B' : 'A';

    if (!boot->remembers)
        return decide_unremembered(t, boot, other);
    if (t->pending && t->slot == boot->slot) {
        if (!t->generation[0])
            copy(t->generation, sizeof(t->generation), boot->generation);
        if (strcmp(t->generation, boot->generation) == 0)
            return TRIAL_ACT_JUDGE;
        t->pending = false; /* somebody wrote another generation there since */
    }
    if (t->pending && (!boot->id[0] || strcmp(t->ordered, boot->id) == 0))
        return TRIAL_ACT_NOTHING;
    if (t->pending)
        return judge_return(t, boot);
    if (boot->confirmed || !is_about(boot->reason, other))
        return TRIAL_ACT_NOTHING;
    t->slot = other;
    t->generation[0] = '\0'; /* whatever was confirmed */
    end(t, TRIAL_FELL_BACK, boot->reason);
    return TRIAL_ACT_CONFIRM;
}

/* --- The file --- */

static bool take_text(struct json_object *object, const char *key, char *ret, size_t capacity)
{
    struct json_object *value;
    const char *text;

    if (!json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return false;
    text = json_object_get_string(value);
    if (strlen(text) >= capacity || strlen(text) != (size_t)json_object_get_string_len(value))
        return false;
    copy(ret, capacity, text);
    return true;
}

static bool take_slot(struct json_object *object, const char *key, char *ret)
{
    char text[2];

    if (!take_text(object, key, text, sizeof(text)) || (text[0] != 'A' && text[0] != 'B'))
        return false;
    *ret = text[0];
    return true;
}

static bool take_pending(struct json_object *object, struct trial *t)
{
    struct json_object *trial, *tries, *ordered;

    if (!json_object_object_get_ex(object, "trial", &trial))
        return false;
    if (!trial) /* null: none is pending */
        return true;
    if (!json_object_is_type(trial, json_type_object) ||
        !take_text(trial, "generation", t->generation, sizeof(t->generation)) ||
        !take_slot(trial, "slot", &t->slot) || !json_object_object_get_ex(trial, "tries", &tries) ||
        !json_object_is_type(tries, json_type_int) || json_object_get_int64(tries) < 1 ||
        json_object_get_int64(tries) > TRIAL_TRIES_MAX)
        return false;
    t->tries = (unsigned)json_object_get_int64(tries);
    t->pending = true;
    return !json_object_object_get_ex(trial, "ordered", &ordered) ||
           take_text(trial, "ordered", t->ordered, sizeof(t->ordered));
}

static bool take_last(struct json_object *object, struct trial *t)
{
    struct json_object *last;
    char result[16];

    if (!json_object_object_get_ex(object, "last", &last))
        return false;
    if (!last)
        return true;
    if (!json_object_is_type(last, json_type_object) ||
        !take_text(last, "result", result, sizeof(result)) ||
        !take_slot(last, "slot", &t->last_slot) ||
        !take_text(last, "generation", t->last_generation, sizeof(t->last_generation)) ||
        !take_text(last, "reason", t->last_reason, sizeof(t->last_reason)))
        return false;
    for (enum trial_result i = TRIAL_GOOD; i < TRIAL_RESULT_MAX_; i++) {
        if (strcmp(result, trial_result_name(i)) == 0)
            t->last = i;
    }
    return t->last != TRIAL_NONE;
}

static bool take_refused(struct json_object *object, struct trial *t)
{
    struct json_object *list;

    if (!json_object_object_get_ex(object, "refused", &list) ||
        !json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > TRIAL_REFUSED_MAX)
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *name = json_object_array_get_idx(list, i);

        if (!json_object_is_type(name, json_type_string) ||
            json_object_get_string_len(name) >= TRIAL_NAME_SIZE)
            return false;
        copy(t->refused[t->refused_count++], TRIAL_NAME_SIZE, json_object_get_string(name));
    }
    return true;
}

int trial_parse(const void *bytes, size_t size, struct trial *ret, struct failure *f)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *object = NULL, *schema;
    struct trial t = TRIAL_INIT;
    bool good = false;

    if (tokener && size <= TRIAL_FILE_MAX) {
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        object = json_tokener_parse_ex(tokener, bytes, (int)size);
    }
    if (object && json_object_is_type(object, json_type_object))
        good = json_object_object_get_ex(object, "schema", &schema) &&
               json_object_is_type(schema, json_type_int) &&
               json_object_get_int64(schema) == SCHEMA && take_pending(object, &t) &&
               take_last(object, &t) && take_refused(object, &t);
    (void)json_object_put(object); /* freed here */
    if (tokener)
        json_tokener_free(tokener);
    if (!good)
        return failure_set(f, CODE_UPDATE_STATE, -EBADMSG, "it is not in the form of this version");
    *ret = t;
    return 0;
}

static void add_string(struct text *text, const char *lead, const char *value)
{
    char buffer[8 * TRIAL_REASON_SIZE];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add_json_string(&l, value);
    CHECK(!l.cut);
    text_addf(text, "%s%s", lead, buffer);
}

int trial_format(const struct trial *t, struct text *ret)
{
    text_addf(ret, "{\n  \"schema\": %d,\n  \"trial\": ", SCHEMA);
    if (t->pending) {
        text_addf(ret, "{ \"slot\": \"%c\", \"tries\": %u", t->slot, t->tries);
        add_string(ret, ", \"generation\": ", t->generation);
        add_string(ret, ", \"ordered\": ", t->ordered);
        text_add(ret, " }");
    } else {
        text_add(ret, "null");
    }
    text_add(ret, ",\n  \"last\": ");
    if (t->last != TRIAL_NONE) {
        text_addf(ret, "{ \"result\": \"%s\", \"slot\": \"%c\"", trial_result_name(t->last),
                  t->last_slot);
        add_string(ret, ", \"generation\": ", t->last_generation);
        add_string(ret, ", \"reason\": ", t->last_reason);
        text_add(ret, " }");
    } else {
        text_add(ret, "null");
    }
    text_add(ret, ",\n  \"refused\": [");
    for (size_t i = 0; i < t->refused_count; i++)
        add_string(ret, i > 0 ? ", " : "", t->refused[i]);
    text_add(ret, "]\n}\n");
    return text_status(ret);
}

int trial_read(const char *path, struct trial *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, TRIAL_FILE_MAX, &bytes, &size, f);

    if (r == -ENOENT) {
        *ret = (struct trial)TRIAL_INIT;
        return 0;
    }
    if (r == 0)
        r = trial_parse(bytes, size, ret, f);
    if (r < 0)
        failure_prefix(f, "%s", path);
    return r;
}

int trial_take(const char *path, const char *lock, struct trial *ret, int *ret_lock_fd,
               struct failure *f)
{
    _cleanup_close_ int fd = -1;
    int r = lockfile_take(lock, true, &fd, f);

    if (r == 0)
        r = trial_read(path, ret, f);
    if (r == 0)
        *ret_lock_fd = take_fd(&fd);
    return r;
}

int trial_write(const char *path, const struct trial *t, struct failure *f)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    int r = trial_format(t, &text);

    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "out of memory");
    r = file_make_parent(path, f);
    if (r == 0)
        r = file_write(path, text.data, text.length, 0644, f);
    return r < 0 ? r : file_sync_parent(path, f);
}
