#include "node/kernel_log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"

void kernel_log(enum kernel_log_level level, const char *text)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer) - 1); /* room for the newline */
    _cleanup_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    size_t prefix;

    line_addf(&l, "<%d>", (int)level);
    prefix = l.length;
    line_add(&l, text);
    buffer[l.length] = '\n';
    if (fd >= 0 && write(fd, buffer, l.length + 1) >= 0)
        return;
    /* Nobody is left to be told when this fails too. */
    if (write(STDERR_FILENO, buffer + prefix, l.length + 1 - prefix) < 0)
        return;
}

void kernel_log_word_failure(struct line *l, const char *program, const char *step, enum code code,
                             const char *detail)
{
    line_addf(l, "broch %s", program);
    line_add_pair(l, "step", step);
    line_add_pair(l, "status", "fail");
    line_add_pair(l, "code", code_entry(code)->id);
    line_add_pair(l, "detail", detail);
}

void kernel_log_failure(enum kernel_log_level level, const char *program, const char *step,
                        enum code code, const char *detail)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    kernel_log_word_failure(&l, program, step, code, detail);
    kernel_log(level, buffer);
}

uint64_t kernel_log_now_us(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return ((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec) / NS_PER_US;
}
