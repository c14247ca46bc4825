#include "sys/feeder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void feed(const struct feeder_work *work)
{
    work->prepare(work->context);
    for (unsigned ms = 0; ms < work->limit_ms; ms += work->every_ms) {
        work->speak(work->context);
        (void)poll(NULL, 0, (int)work->every_ms); /* an early end only makes the pause shorter */
    }
    _exit(0);
}

struct feeder feeder_start(const struct feeder_work *work)
{
    struct feeder f = { .pid = fork() };

    if (f.pid == 0)
        feed(work);
    if (f.pid < 0)
        f.pid = 0;
    return f;
}

void feeder_stop(struct feeder *f)
{
    if (f->pid == 0)
        return;
    (void)kill(f->pid, SIGKILL); /* it may have ended by itself */
    while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    f->pid = 0;
}
