#include "base/test_death.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(void (*function)(void), int output)
{
    static const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none); /* a core file would only be litter */
    (void)dup2(output, STDERR_FILENO);
    function();
    _exit(0);
}

bool test_death_by_abort(void (*function)(void), char *message, unsigned size)
{
    char dropped[256];
    size_t length = 0;
    int ends[2], status;
    ssize_t n;
    pid_t child;

    if (pipe(ends) < 0)
        return false;
    child = fork();
    if (child == 0)
        run_child(function, ends[1]);
    (void)close(ends[1]);
    do {
        bool keeps = message && length + 1 < size;

        n = read(ends[0], keeps ? message + length : dropped,
                 keeps ? size - 1 - length : sizeof(dropped));
        if (keeps && n > 0)
            length += (size_t)n;
    } while (n > 0);
    if (message)
        message[length] = '\0';
    (void)close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
