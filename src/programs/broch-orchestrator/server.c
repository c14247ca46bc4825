#include "programs/broch-orchestrator/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "programs/broch-orchestrator/orchestrator.h"

enum { BACKLOG = 8 };

/* A client that asks nothing holds a place until it goes. Root has its own, so nobody else keeps it
 * away; of others only so many are heard at a time. */
struct places {
    size_t taken, max;
};
static struct places roots = { .max = 8 }, others = { .max = 8 };
static struct event_source *listener;

static void answer(int fd, const void *bytes, size_t size)
{
    _cleanup_text_ struct text reply = TEXT_INIT;
    struct control_request request;
    struct ucred peer;
    socklen_t length = sizeof(peer);
    struct failure f = FAILURE_NONE;
    int r = control_parse(bytes, size, &request, &f);

    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        r = failure_set(&f, CODE_PRIVILEGE, -errno, "cannot tell who asks");
    if (r == 0)
        r = control_judge(&request, peer.uid, &f);
    if (r == 0)
        orchestrator_answer(&request, peer.uid, &reply);
    else
        control_add_refusal(&f, &reply);
    /* A client that has gone needs no answer; SOCK_SEQPACKET takes a message whole or not. */
    if (text_status(&reply) == 0)
        (void)send(fd, text_string(&reply), reply.length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int on_client(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct places *places = context;
    char bytes[CONTROL_REQUEST_SIZE_MAX];
    ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got > 0 && (size_t)got <= sizeof(bytes))
        answer(fd, bytes, (size_t)got);
    (void)event_source_free(source);
    (void)close(fd); /* nothing is written to it any more */
    if (places->taken-- == places->max && places == &roots)
        return event_fd_set(listener, EPOLLIN);
    return 0;
}

/* Where a new client sits; NULL when it is not heard: the places of its kind are taken. */
static struct places *find_place(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    struct places *places;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return NULL;
    places = peer.uid == 0 ? &roots : &others;
    return places->taken < places->max ? places : NULL;
}

static int on_connection(struct event_source *source, int fd, uint32_t events, void *context)
{
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct event_source *added;
    struct places *places;

    if (client < 0)
        return 0; /* it went away, or the next turn sees it again */
    places = find_place(client);
    if (!places || event_add_fd(context, client, EPOLLIN, on_client, places, &added) < 0) {
        (void)close(client);
        return 0;
    }
    /* The next of root waits for a place instead of being sent away. */
    if (++places->taken == places->max && places == &roots)
        return event_fd_set(source, 0);
    return 0;
}

int server_start(struct event_loop *loop, struct failure *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CONTROL_PATH };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0 || (unlink(CONTROL_PATH) < 0 && errno != ENOENT) ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(CONTROL_PATH, 0666) < 0 || listen(fd, BACKLOG) < 0)
        return failure_set(f, CODE_IO, -errno, "cannot listen at '%s'", CONTROL_PATH);
    r = event_add_fd(loop, fd, EPOLLIN, on_connection, loop, &listener);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot make the event loop") : 0;
}
