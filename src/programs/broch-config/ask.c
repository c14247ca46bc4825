#include "programs/broch-config/ask.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"

enum { REQUEST_SIZE = 256, REPLY_SIZE = 64 * 1024, WAIT_S = 30 };

static int connect_to(const char *path, int *ret_fd, struct failure *f)
{
    const struct timeval wait = { .tv_sec = WAIT_S };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    CHECK(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return failure_set(f, CODE_IO, -errno, "nobody answers at '%s'", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* {"ok": true, ...}, or false with a "message". */
static int judge(const char *reply, struct failure *f)
{
    struct json_object *object = json_tokener_parse(reply), *ok = NULL, *message = NULL;
    int r = 0;

    if (!json_object_object_get_ex(object, "ok", &ok) || !json_object_get_boolean(ok)) {
        (void)json_object_object_get_ex(object, "message", &message);
        r = failure_set(f, CODE_IO, -EPROTO, "the orchestrator refuses: %s",
                        message ? json_object_get_string(message) : "without a reason");
    }
    (void)json_object_put(object); /* accepts NULL */
    return r;
}

int ask_orchestrator(const char *path, const char *request, const char *service, struct failure *f)
{
    static char reply[REPLY_SIZE + 1];
    char words[REQUEST_SIZE];
    _cleanup_close_ int fd = -1;
    ssize_t got;
    int length = service ? snprintf(words, sizeof(words), "{\"request\":\"%s\",\"service\":\"%s\"}",
                                    request, service)
                         : snprintf(words, sizeof(words), "{\"request\":\"%s\"}", request);
    int r = connect_to(path, &fd, f);

    CHECK(length > 0 && (size_t)length < sizeof(words));
    if (r < 0)
        return r;
    if (send(fd, words, (size_t)length, MSG_NOSIGNAL) < 0 ||
        (got = recv(fd, reply, REPLY_SIZE, 0)) < 0)
        return failure_set(f, CODE_IO, -errno, "the orchestrator does not answer");
    reply[got] = '\0';
    return judge(reply, f);
}
