#include "work/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "work/json.h"

enum { TIME_SIZE = 32, PATH_SIZE = 256 };

static struct json_object *begin(const struct events_moment *moment, const char *event)
{
    struct json_object *object = json_object_new_object();
    char text[TIME_SIZE] = "";
    struct tm tm;

    /* RFC 3339, UTC; a clock beyond the calendar leaves it empty. */
    if (gmtime_r(&moment->seconds, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (object && json_put_text(object, "time", text) &&
        json_put_number(object, "us", moment->us) && json_put_text(object, "event", event))
        return object;
    (void)json_object_put(object); /* accepts NULL */
    return NULL;
}

static void end(struct json_object *object, bool whole, struct text *t)
{
    json_finish(object, whole, t);
    text_add(t, "\n");
}

void events_add_change(const struct events_moment *moment, const struct snapshot_service *service,
                       enum snapshot_state from, struct text *t)
{
    struct json_object *object = begin(moment, "state");
    bool whole = object && json_put_text(object, "service", service->name) &&
                 json_put_text(object, "from", snapshot_state_name(from)) &&
                 json_put_text(object, "to", snapshot_state_name(service->state)) &&
                 json_put_text(object, "reason", service->reason);

    end(object, whole, t);
}

void events_add_request(const struct events_moment *moment, const char *request,
                        const char *service, uint64_t uid, struct text *t)
{
    struct json_object *object = begin(moment, "request");
    bool whole = object && json_put_text(object, "service", service) &&
                 json_put_text(object, "request", request) && json_put_number(object, "uid", uid);

    end(object, whole, t);
}

void events_add_complaint(const struct events_moment *moment, const char *service,
                          const struct failure *complaint, struct text *t)
{
    struct json_object *object = begin(moment, "complaint");
    bool whole = object && json_put_text(object, "service", service) &&
                 json_put_text(object, "code", code_entry(complaint->code)->id) &&
                 json_put_text(object, "message", complaint->text);

    end(object, whole, t);
}

void events_add_note(const struct events_moment *moment, const char *what, struct text *t)
{
    struct json_object *object = begin(moment, "orchestrator");

    end(object, object && json_put_text(object, "message", what), t);
}

/* A full file makes way; when that fails the lines go where they can. */
static void rotate(const char *path, int fd, size_t more)
{
    char former[PATH_SIZE];
    struct stat status;

    if (fstat(fd, &status) < 0 || (size_t)status.st_size + more <= EVENTS_FILE_SIZE_MAX)
        return;
    (void)snprintf(former, sizeof(former), "%s.1", path);
    (void)rename(path, former);
}

int events_append(const char *path, const struct text *lines, struct failure *f)
{
    _cleanup_close_ int fd = -1;

    if (text_status(lines) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) {
        rotate(path, fd, lines->length);
        (void)close(take_fd(&fd)); /* nothing was written yet */
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    }
    if (fd < 0)
        return failure_set(f, CODE_IO, -errno, "cannot open '%s'", path);
    if (write(fd, text_string(lines), lines->length) != (ssize_t)lines->length)
        return failure_set(f, CODE_IO, errno ? -errno : -EIO, "cannot write to '%s'", path);
    return 0;
}

static const char *text_of(struct json_object *object, const char *key)
{
    const char *text;

    return json_get_text(object, key, &text) ? text : "";
}

static void add_object(struct json_object *object, struct text *t)
{
    const char *event = text_of(object, "event"), *reason = text_of(object, "reason");
    uint64_t uid = 0;

    text_addf(t, "%s  ", text_of(object, "time"));
    if (strcmp(event, "state") == 0) {
        text_addf(t, "%s: %s -> %s", text_of(object, "service"), text_of(object, "from"),
                  text_of(object, "to"));
        if (reason[0] != '\0')
            text_addf(t, " (%s)", reason);
    } else if (strcmp(event, "request") == 0 && json_get_number(object, "uid", &uid)) {
        text_addf(t, "user %llu asked: %s %s", (unsigned long long)uid, text_of(object, "request"),
                  text_of(object, "service"));
    } else if (strcmp(event, "complaint") == 0) {
        text_addf(t, "%s: left out, %s: %s", text_of(object, "service"), text_of(object, "code"),
                  text_of(object, "message"));
    } else {
        text_addf(t, "%s: %s", event, text_of(object, "message"));
    }
    text_add(t, "\n");
}

void events_add_words(const char *line, size_t length, struct text *t)
{
    struct json_object *object = json_parse(line, length);

    if (object) {
        add_object(object, t);
    } else {
        text_add_bytes(t, line, length);
        text_add(t, "\n");
    }
    (void)json_object_put(object); /* accepts NULL */
}
