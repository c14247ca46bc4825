#include "base/test_death.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"

static void run_child(void (*function)(void), int output)
{
    static const struct rlimit none = { 0, 0 };
    char path[32];
    struct line l = line_make(path, sizeof(path));

    (void)setrlimit(RLIMIT_CORE, &none); /* a core file would only be litter */
    line_addf(&l, "/proc/self/fd/%d", output);
    if (!freopen(path, "we", stderr) || setvbuf(stderr, NULL, _IONBF, 0) != 0)
        _exit(1); /* unbuffered, as standard error is: abort() flushes nothing */
    function();
    _exit(0);
}

bool test_death_by_abort(void (*function)(void), char *message, unsigned size)
{
    _cleanup_close_ int output = memfd_create("stderr", MFD_CLOEXEC);
    ssize_t length;
    int status;
    pid_t child;

    if (output < 0)
        return false;
    child = fork();
    if (child == 0)
        run_child(function, output);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (message) {
        length = pread(output, message, size - 1, 0);
        message[length > 0 ? length : 0] = '\0';
    }
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
