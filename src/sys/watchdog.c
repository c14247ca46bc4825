#include "sys/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/attribute.h"

enum { DEVICES_MAX = 8 }; /* the chipset's, the board's, a virtual one */

static void copy_identity(const struct watchdog_info *info, char ret[static 33])
{
    struct line l = line_make(ret, 33);

    for (size_t i = 0; i < sizeof(info->identity) && info->identity[i]; i++) {
        char c = (char)info->identity[i];

        line_add_bytes(&l, c < ' ' || c > '~' ? "?" : &c, 1);
    }
}

int watchdog_open(const char *path, unsigned timeout_s, struct watchdog *ret)
{
    struct watchdog_info info = { 0 };
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    int wanted = (int)timeout_s, taken = 0;

    if (fd < 0)
        return -errno;
    /* Drivers round the timeout or refuse to change it; what counts is what they answer. */
    (void)ioctl(fd, WDIOC_SETTIMEOUT, &wanted);
    if (ioctl(fd, WDIOC_GETTIMEOUT, &taken) < 0 || ioctl(fd, WDIOC_GETSUPPORT, &info) < 0)
        return -errno;
    *ret = (struct watchdog){ .fd = take_fd(&fd), .timeout_s = taken > 0 ? (unsigned)taken : 0 };
    copy_identity(&info, ret->identity);
    watchdog_keep_alive(ret);
    return 0;
}

int watchdog_panic_before(const struct watchdog *w, const char *governor)
{
    _cleanup_close_ int fd = open(governor, O_WRONLY | O_CLOEXEC);
    static const char name[] = WATCHDOG_GOVERNOR_IS;
    int wanted = WATCHDOG_PRETIMEOUT_S;

    if (fd < 0 || write(fd, name, sizeof(name) - 1) < 0 ||
        ioctl(w->fd, WDIOC_SETPRETIMEOUT, &wanted) < 0)
        return -errno;
    watchdog_keep_alive(w); /* the time starts with it */
    return 0;
}

bool watchdog_has_bitten(const char *class)
{
    char path[128];

    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        struct line l = line_make(path, sizeof(path));
        uint64_t status;

        line_addf(&l, "%s/watchdog%u/bootstatus", class, i);
        if (!l.cut && attribute_read_number(AT_FDCWD, path, UINT32_MAX, &status) == 0 &&
            (status & WDIOF_CARDRESET))
            return true;
    }
    return false;
}

void watchdog_keep_alive(const struct watchdog *w)
{
    int unused = 0;

    if (w->fd >= 0)
        (void)ioctl(w->fd, WDIOC_KEEPALIVE, &unused); /* its silence is the message */
}
