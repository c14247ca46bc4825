#include "programs/broch-disk/typed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What ends a program that a person has enough of. */
static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

static volatile sig_atomic_t caught;

static void catch (int number)
{
    caught = number;
}

/* They are held back but while we wait, so that none comes between a look and the wait. */
struct guard {
    sigset_t mask;
    struct sigaction actions[ARRAY_SIZE(signals)];
};

static void guard_set(struct guard *g)
{
    struct sigaction action = { .sa_handler = catch };
    sigset_t held;

    caught = 0;
    (void)sigemptyset(&held); /* this and the next cannot fail for numbers that there are */
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        (void)sigaddset(&held, signals[i]);
    CHECK(sigprocmask(SIG_BLOCK, &held, &g->mask) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        CHECK(sigaction(signals[i], &action, &g->actions[i]) == 0);
}

static void guard_lift(const struct guard *g)
{
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        CHECK(sigaction(signals[i], &g->actions[i], NULL) == 0);
    if (caught)
        (void)raise(caught);
    CHECK(sigprocmask(SIG_SETMASK, &g->mask, NULL) == 0);
}

static int read_line(int fd, const struct guard *g, char *ret, size_t capacity)
{
    size_t size = 0;

    while (size < capacity) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        if (ppoll(&wait, 1, NULL, &g->mask) < 0)
            return -errno;
        if (read(fd, ret + size, 1) != 1 || ret[size] == '\n')
            break;
        size++;
    }
    return (int)size;
}

int typed_read(int fd, const char *prompt, char *ret, size_t capacity)
{
    struct termios before, quiet;
    bool terminal = tcgetattr(fd, &before) == 0;
    struct guard g;
    int r;

    guard_set(&g);
    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs(prompt, stderr);
        (void)tcsetattr(fd, TCSAFLUSH, &quiet);
    }
    r = read_line(fd, &g, ret, capacity);
    if (terminal) {
        (void)tcsetattr(fd, TCSAFLUSH, &before);
        (void)fputs("\n", stderr);
    }
    if (r < 0)
        explicit_bzero(ret, capacity);
    guard_lift(&g);
    return r;
}
