#include "node/notify.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

void notify_ready(uint64_t fd)
{
    sighandler_t former;

    if (fd > INT_MAX || fd <= STDERR_FILENO)
        return;
    former = signal(SIGPIPE, SIG_IGN);
    if (write((int)fd, "\n", 1) == 1)
        (void)close((int)fd);
    (void)signal(SIGPIPE, former); /* a valid signal number */
}
