#include "sys/console.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/line.h"

/* For the standard descriptors alone, which are meant to be inherited. */
static int open_standard(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0) {
        (void)close(fd); /* nothing was written to it */
        return -1;
    }
    return fd;
}

int console_standard(void)
{
    for (int i = 0; i <= STDERR_FILENO; i++) {
        int fd;

        (void)close(i); /* it may not be open, and nothing is buffered */
        fd = open_standard();
        if (fd != i)
            return fd < 0 ? -errno : -EBADF;
    }
    return 0;
}

int console_open(void)
{
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);

    return fd < 0 ? -errno : fd;
}

void console_line(int kmsg_fd, enum console_level level, const char *text)
{
    char buffer[CONSOLE_LINE_MAX + 8];
    struct line l = line_make(buffer, sizeof(buffer));

    line_addf(&l, "<%d>%.*s\n", (int)level, CONSOLE_LINE_MAX, text);
    if (write(kmsg_fd, buffer, l.length) < 0)
        return; /* no console, no words */
}
