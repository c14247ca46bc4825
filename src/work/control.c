#include "work/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { ANSWER_WAIT_S = 30 };

static const struct {
    const char *name;
    bool wants_service;
    bool root_only;
} verbs[] = {
    [CONTROL_START] = { "start", true, true },
    [CONTROL_STOP] = { "stop", true, true },
    [CONTROL_RESTART] = { "restart", true, true },
    [CONTROL_RELOAD] = { "reload", false, true },
};
_Static_assert(ARRAY_SIZE(verbs) == CONTROL_VERB_MAX_, "every verb is described");

const char *control_verb_name(enum control_verb verb)
{
    CHECK(verb < CONTROL_VERB_MAX_);
    return verbs[verb].name;
}

static int refuse(struct failure *f, const char *why)
{
    return failure_set(f, CODE_CONTROL, -EBADMSG, "%s", why);
}

static int take_request(struct json_object *object, struct control_request *ret, struct failure *f)
{
    const char *verb, *service = "";
    size_t i = 0;

    if (!object || !json_get_text(object, "request", &verb))
        return refuse(f, "the message is no request");
    while (i < CONTROL_VERB_MAX_ && strcmp(verbs[i].name, verb) != 0)
        i++;
    if (i == CONTROL_VERB_MAX_)
        return refuse(f, "there is no such request");
    if (json_get_text(object, "service", &service) != verbs[i].wants_service)
        return refuse(f, verbs[i].wants_service ? "the request names no service"
                                                : "the request takes no service");
    if (strlen(service) >= sizeof(ret->service))
        return refuse(f, "no service has such a long name");
    *ret = (struct control_request){ .verb = (enum control_verb)i };
    memcpy(ret->service, service, strlen(service) + 1);
    return 0;
}

int control_parse(const void *bytes, size_t size, struct control_request *ret, struct failure *f)
{
    struct json_object *object = json_parse(bytes, size);
    int r = take_request(object, ret, f);

    (void)json_object_put(object); /* accepts NULL */
    return r;
}

int control_judge(const struct control_request *request, uid_t uid, struct failure *f)
{
    if (verbs[request->verb].root_only && uid != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot %s%s%s", verbs[request->verb].name,
                           request->service[0] ? " " : " services", request->service);
    return 0;
}

void control_add_request(const struct control_request *request, struct text *t)
{
    struct json_object *object = json_object_new_object();
    bool whole =
        object && json_put_text(object, "request", verbs[request->verb].name) &&
        (!verbs[request->verb].wants_service || json_put_text(object, "service", request->service));

    json_finish(object, whole, t);
}

void control_add_refusal(const struct failure *refusal, struct text *t)
{
    struct json_object *object = json_object_new_object();
    bool whole = object && json_put_flag(object, "ok", false) &&
                 json_put_text(object, "code", code_entry(refusal->code)->id) &&
                 json_put_text(object, "message", refusal->text);

    json_finish(object, whole, t);
}

static int take_reply(struct json_object *object, struct failure *f)
{
    const char *code = "", *message = "";
    enum code found;
    bool ok;

    if (!object || !json_get_flag(object, "ok", &ok))
        return failure_set(f, CODE_SUPERVISOR, -EBADMSG, "the orchestrator's answer is none");
    if (ok)
        return 0;
    if (!json_get_text(object, "message", &message))
        message = "the orchestrator refused";
    found = json_get_text(object, "code", &code) ? code_find(code) : CODE_MAX_;
    return failure_set(f, found == CODE_MAX_ ? CODE_SUPERVISOR : found, -EPROTO, "%s", message);
}

static int open_socket(const char *path, int *ret_fd, struct failure *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval wait = { .tv_sec = ANSWER_WAIT_S };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    CHECK(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return failure_set(f, CODE_SUPERVISOR, -errno, "the orchestrator does not answer at '%s'",
                           path);
    *ret_fd = take_fd(&fd);
    return 0;
}

int control_call(const char *path, const struct control_request *request,
                 struct json_object **ret_reply, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    _cleanup_free_ char *reply = malloc(CONTROL_REPLY_SIZE_MAX);
    _cleanup_close_ int fd = -1;
    struct json_object *object;
    ssize_t got;
    int r = open_socket(path, &fd, f);

    if (r < 0)
        return r;
    control_add_request(request, &t);
    if (!reply || text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (send(fd, text_string(&t), t.length, MSG_NOSIGNAL) < 0 ||
        (got = recv(fd, reply, CONTROL_REPLY_SIZE_MAX, 0)) < 0)
        return failure_set(f, CODE_SUPERVISOR, -errno, "the orchestrator does not answer");
    object = json_parse(reply, (size_t)got);
    r = take_reply(object, f);
    if (r < 0)
        (void)json_object_put(object); /* accepts NULL */
    else
        *ret_reply = object;
    return r;
}
