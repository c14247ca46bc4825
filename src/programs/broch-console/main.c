/* The login on one terminal line. Becomes agetty when the line exists, and idles when it does not:
 * a machine without a serial port is whole, and agetty would be restarted for ever there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "node/kernel_log.h"
#include "node/names.h"
#include "node/notify.h"

static const char program[] = "broch-console";
static const char getty[] = "/usr/sbin/agetty";

enum { DEVICE_PATH_SIZE = NAME_SIZE + 8 };

/* The driver of 8250 ports makes nodes for ports that are not there; asking for the line's settings
 * tells. */
static bool line_exists(const char *name)
{
    char path[DEVICE_PATH_SIZE];
    struct line l = line_make(path, sizeof(path));
    struct termios settings;
    _cleanup_close_ int fd = -1;

    line_addf(&l, "/dev/%s", name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 && tcgetattr(fd, &settings) == 0;
}

static void idle(const char *name)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add(&l, "broch console");
    line_add_pair(&l, "line", name);
    line_add_pair(&l, "status", "absent");
    kernel_log(KERNEL_LOG_INFO, buffer);
    for (;;)
        (void)pause(); /* until the signal that ends the program */
}

static int serve(const char *name, uint64_t notify_fd, struct failure *f)
{
    bool is_virtual = strncmp(name, "tty", 3) == 0 && name[3] >= '0' && name[3] <= '9';
    char *const terminal = is_virtual ? (char[]){ "linux" } : (char[]){ "vt220" };
    char *const speed = (char[]){ "115200,57600,38400,9600" };
    char name_copy[NAME_SIZE];
    /* --hangup takes the line away from whatever an earlier login left behind: it would go on
     * reading what the next person types. */
    char *const on_serial[] = { (char[]){ "agetty" },
                                (char[]){ "--hangup" },
                                (char[]){ "--keep-baud" },
                                (char[]){ "--local-line" },
                                name_copy,
                                speed,
                                terminal,
                                NULL };
    char *const on_virtual[] = { (char[]){ "agetty" },
                                 (char[]){ "--hangup" },
                                 (char[]){ "--noclear" },
                                 name_copy,
                                 terminal,
                                 NULL };

    memcpy(name_copy, name, strlen(name) + 1);
    /* The prompt itself cannot tell; from here on only the user's typing is missing. */
    notify_ready(notify_fd);
    if (!line_exists(name))
        idle(name);
    (void)execv(getty, is_virtual ? on_virtual : on_serial);
    return failure_set(f, CODE_TOOL_MISSING, -errno, "cannot run '%s'", getty);
}

int main(int argc, char **argv)
{
    uint64_t notify_fd = NOTIFY_FD_NONE;
    const struct option_spec specs[] = { NOTIFY_OPTION(&notify_fd) };
    const struct options options = {
        .program = program,
        .synopsis = "LINE [options]",
        .purpose = "Serves the login on a terminal line such as ttyS0 or tty1.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_min = 1,
        .operand_max = 1,
    };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && !name_is_valid(operands.list[0], strlen(operands.list[0])))
        r = failure_set(&f, CODE_USAGE, -EINVAL, "'%s' is no terminal line", operands.list[0]);
    if (r == 0)
        r = serve(operands.list[0], notify_fd, &f);
    CHECK(r < 0);
    return (int)failure_print(&f, program, stderr);
}
