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

#include "base/number.h"

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

static size_t body_size(const struct test_answer *answer)
{
    return answer->size > 0 ? answer->size : strlen(answer->body);
}

/* Where the part begins that was asked for. False without a Range line. */
static bool find_start(const char *request, size_t *ret)
{
    static const char mark[] = "\r\nRange: bytes=";
    const char *at = strstr(request, mark);
    uint64_t start = 0;

    if (!at)
        return false;
    at += strlen(mark);
    if (number_parse(at, strspn(at, "0123456789"), SIZE_MAX, &start) < 0)
        return false;
    *ret = (size_t)start;
    return true;
}

static void answer_part(int fd, const struct test_answer *found, size_t start)
{
    size_t size = body_size(found), end = found->cut > 0 && found->cut < size ? found->cut : size;
    char head[REQUEST_MAX];
    int length;

    if (start >= size)
        length = snprintf(head, sizeof(head),
                          "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n"
                          "Connection: close\r\n\r\n",
                          size);
    else
        length = snprintf(head, sizeof(head),
                          "HTTP/1.1 206 Part\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                          start, size - 1, size, size - start);
    (void)!send(fd, head, (size_t)length, MSG_NOSIGNAL);
    if (start < end)
        (void)!send(fd, found->body + start, end - start, MSG_NOSIGNAL);
    if (found->pace == TEST_PACE_STALL)
        hold(fd);
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
    size_t length, start;

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
    if (found->ranges && find_start(request, &start)) {
        answer_part(fd, found, start);
        return;
    }
    length = (size_t)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n",
                              found->status, found->header);
    (void)!send(fd, head, length, MSG_NOSIGNAL);
    if (found->pace == TEST_PACE_DRIP) {
        drip(fd, found->body);
        return;
    }
    length = body_size(found);
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
