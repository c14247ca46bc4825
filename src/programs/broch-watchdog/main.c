/* Keeps the hardware watchdog quiet for as long as this program runs. It never disarms the device:
 * when it ends, in order or not, the machine has one timeout to restart it or to finish going down.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "node/kernel_log.h"
#include "node/notify.h"
#include "sys/watchdog.h"

static const char device[] = "/dev/watchdog0";

enum {
    TIMEOUT_S_DEFAULT = 60,
    TIMEOUT_S_MAX = 3600,
    PETS_PER_TIMEOUT = 3, /* two may be late */
};

static int start_timer(unsigned timeout_s, int *ret_fd, struct failure *f)
{
    const struct itimerspec period = {
        .it_interval.tv_sec = (time_t)timeout_s / PETS_PER_TIMEOUT,
        .it_value.tv_nsec = 1, /* the first one at once */
    };
    _cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    if (fd < 0 || timerfd_settime(fd, 0, &period, NULL) < 0)
        return failure_set(f, CODE_WATCHDOG, -errno, "cannot make a timer");
    *ret_fd = take_fd(&fd);
    return 0;
}

/* Returns only on failure. SIGTERM ends the program wherever it is, with the device armed. */
static int pet_for_ever(const struct watchdog *watchdog, int timer_fd, struct failure *f)
{
    uint64_t expirations;

    for (;;) {
        if (read(timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EINTR)
            return failure_set(f, CODE_WATCHDOG, -errno, "cannot read the timer");
        watchdog_keep_alive(watchdog);
    }
}

static int guard(unsigned timeout_s, uint64_t notify_fd, struct failure *f)
{
    struct watchdog watchdog = { .fd = -1 };
    int timer_fd = -1, r;

    r = watchdog_open(device, timeout_s, &watchdog);
    if (r == -ENOENT || r == -ENODEV) {
        kernel_log(KERNEL_LOG_INFO, "broch watchdog status=absent");
        notify_ready(notify_fd);
        for (;;)
            (void)pause(); /* until the signal that ends the program */
    }
    if (r < 0)
        return failure_set(f, CODE_WATCHDOG, r, "cannot open '%s'", device);
    /* From here on both descriptors live as long as the process. */
    if (watchdog.timeout_s < PETS_PER_TIMEOUT)
        return failure_set(f, CODE_WATCHDOG, -ERANGE, "'%s' has a timeout of %u s", device,
                           watchdog.timeout_s);
    r = watchdog_panic_before(&watchdog, WATCHDOG_GOVERNOR);
    if (r < 0)
        kernel_log(KERNEL_LOG_INFO, "broch watchdog status=no-record");
    r = start_timer(watchdog.timeout_s, &timer_fd, f);
    if (r < 0)
        return r;
    notify_ready(notify_fd);
    return pet_for_ever(&watchdog, timer_fd, f);
}

static uint64_t arg_timeout_s = TIMEOUT_S_DEFAULT, arg_notify_fd = NOTIFY_FD_NONE;

static int run(const struct operands *operands, struct failure *f)
{
    (void)operands; /* there are none */
    return guard((unsigned)arg_timeout_s, arg_notify_fd, f);
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        { "timeout", OPTION_NUMBER, &arg_timeout_s, "SECONDS", "restart the machine after so long",
          PETS_PER_TIMEOUT, TIMEOUT_S_MAX },
        NOTIFY_OPTION(&arg_notify_fd),
    };
    const struct options options = {
        .program = "broch-watchdog",
        .synopsis = "[options]",
        .purpose = "Keeps the hardware watchdog quiet while the system runs.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
