#include "sys/test_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { REQUEST_MAX = 4096, BACKLOG = 16 };

static pid_t server = -1;
static unsigned *request_count; /* shared with the server */

/* Until the client has had enough. */
static void hold(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void drip(int fd, const char *body)
{
    for (; *body; body++) {
        (void)!send(fd, body, 1, MSG_NOSIGNAL);
        (void)poll(NULL, 0, TEST_DRIP_MS); /* slowness is what the test is about */
    }
}

static void answer(int fd, const struct test_answer *answers)
{
    char request[REQUEST_MAX + 1], head[REQUEST_MAX];
    const struct test_answer *found = answers;
    ssize_t size = recv(fd, request, REQUEST_MAX, 0);
    size_t length;

    request[size > 0 ? size : 0] = '\0';
    if (strncmp(request, "GET ", 4) != 0)
        return;
    ++*request_count;
    length = strcspn(request + 4, " ");
    while (found->path &&
           (strlen(found->path) != length || strncmp(found->path, request + 4, length) != 0))
        found++;
    if (!found->path) {
        (void)!send(fd, "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n", 41, MSG_NOSIGNAL);
        return;
    }
    if (found->pace == TEST_PACE_MUTE) {
        hold(fd);
        return;
    }
    length = (size_t)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n",
                              found->status, found->header);
    (void)!send(fd, head, length, MSG_NOSIGNAL);
    if (found->pace == TEST_PACE_DRIP) {
        drip(fd, found->body);
        return;
    }
    length = strlen(found->body);
    (void)!send(fd, found->body, found->cut > 0 && found->cut < length ? found->cut : length,
                MSG_NOSIGNAL);
    if (found->pace == TEST_PACE_STALL)
        hold(fd);
}

__attribute__((noreturn)) static void serve(int fd, const struct test_answer *answers)
{
    for (;;) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (connection < 0)
            _exit(1);
        answer(connection, answers);
        (void)shutdown(connection, SHUT_WR); /* the other side reads to the end, then closes */
        (void)close(connection);
    }
}

const char *test_server_start(const struct test_answer *answers)
{
    static char address[64];
    struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(local);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(server, -1);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(listen(fd, BACKLOG), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &size), 0);
    (void)snprintf(address, sizeof(address), "http://127.0.0.1:%u", ntohs(local.sin_port));
    request_count = mmap(NULL, sizeof(*request_count), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(request_count, MAP_FAILED);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            _exit(1);
        serve(fd, answers);
    }
    assert_int_equal(close(fd), 0);
    return address;
}

unsigned test_server_stop(void)
{
    unsigned count = *request_count;

    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(waitpid(server, NULL, 0), server);
    assert_int_equal(munmap(request_count, sizeof(*request_count)), 0);
    server = -1;
    return count;
}
