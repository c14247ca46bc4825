/* How long after its death does a supervised program run again? Statically linked, so that every
 * supervisor starts the same bytes. Runs inside a guest; tests/bench/guest.py words the result.
 *
 *     restart_probe run FILE        the service: notes the time of its first instruction, is ready
 *                                   (a newline to descriptor 3, if there is one), waits
 *     restart_probe measure FILE N  kills it N times and prints the times in microseconds, sorted
 *
 * FILE holds the last start: when, and by which process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"

struct start {
    uint64_t ns; /* CLOCK_MONOTONIC */
    int64_t pid;
};

enum {
    KILLS_MAX = 10000,
    PATIENCE_MS = 60000,
    /* Supervisors hold back a program that lived for less than a second; that is another question.
     */
    LIFE_NS = 1200000000,
};

static uint64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* never fails for this clock */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int run(const char *path, uint64_t first_ns)
{
    const struct start start = { .ns = first_ns, .pid = getpid() };
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0 || write(fd, &start, sizeof(start)) != sizeof(start) || close(fd) < 0)
        return 1;
    (void)!write(3, "\n", 1);
    for (;;)
        (void)pause();
}

static int read_start(const char *path, struct start *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, ret, sizeof(*ret));

    if (fd >= 0)
        (void)close(fd);
    return size == sizeof(*ret) ? 0 : -EAGAIN;
}

/* Waits until another process than `pid` has noted its start. */
static int wait_start(int watch, const char *path, int64_t pid, struct start *ret)
{
    char events[4096];
    struct pollfd fds = { .fd = watch, .events = POLLIN };

    for (;;) {
        if (read_start(path, ret) == 0 && ret->pid != pid)
            return 0;
        if (poll(&fds, 1, PATIENCE_MS) != 1)
            return -ETIMEDOUT;
        if (read(watch, events, sizeof(events)) < 0)
            return -errno;
    }
}

static void live(uint64_t since)
{
    uint64_t lived = now() - since;

    if (lived < LIFE_NS)
        (void)poll(NULL, 0, (int)((LIFE_NS - lived) / 1000000) + 1);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

static int measure(const char *path, uint64_t count)
{
    static uint64_t times[KILLS_MAX];
    int watch = inotify_init1(IN_CLOEXEC);
    struct start start;

    if (watch < 0 || inotify_add_watch(watch, path, IN_CLOSE_WRITE) < 0 ||
        wait_start(watch, path, 0, &start) < 0)
        return 1;
    for (uint64_t i = 0; i < count; i++) {
        struct start next;
        uint64_t killed;

        live(start.ns);
        killed = now();
        if (kill((pid_t)start.pid, SIGKILL) < 0 || wait_start(watch, path, start.pid, &next) < 0) {
            (void)fprintf(stderr, "restart_probe: no start after kill %llu\n",
                          (unsigned long long)i + 1);
            return 1;
        }
        times[i] = (next.ns - killed) / 1000;
        start = next;
    }
    qsort(times, count, sizeof(times[0]), by_size);
    (void)printf("p50=%llu p99=%llu max=%llu n=%llu\n", (unsigned long long)times[count / 2],
                 (unsigned long long)times[(count * 99 - 1) / 100],
                 (unsigned long long)times[count - 1], (unsigned long long)count);
    return 0;
}

int main(int argc, char **argv)
{
    const uint64_t first_ns = now();
    uint64_t count;

    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run(argv[2], first_ns);
    if (argc == 4 && strcmp(argv[1], "measure") == 0 &&
        number_parse(argv[3], strlen(argv[3]), KILLS_MAX, &count) == 0 && count > 0)
        return measure(argv[2], count);
    (void)fprintf(stderr, "usage: restart_probe run FILE | measure FILE N\n");
    return 2;
}
