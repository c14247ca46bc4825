#include "node/notify.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

void notify_ready(uint64_t fd)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct sigaction former;

    if (fd > INT_MAX || fd <= STDERR_FILENO)
        return;
    (void)sigaction(SIGPIPE, &ignore, &former); /* valid arguments, here and below */
    if (write((int)fd, "\n", 1) == 1)
        (void)close((int)fd);
    (void)sigaction(SIGPIPE, &former, NULL);
}
