/* Preloaded into a program: the calendar is 400 days ahead (another year, month and weekday), and
 * nothing else is. What stat() says of a file stays as it is; libfaketime would shift that as well,
 * and to stop it takes a variable that the build's sandbox does not let through. */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const time_t ahead_s = (time_t)400 * 24 * 60 * 60;

static int read_clock(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += ahead_s;
    return r;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    return read_clock(clock, ret);
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (read_clock(CLOCK_REALTIME, &now) < 0)
        return -1;
    *ret = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;

    if (read_clock(CLOCK_REALTIME, &now) < 0)
        return (time_t)-1;
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *ret, int base)
{
    return base == TIME_UTC && read_clock(CLOCK_REALTIME, ret) == 0 ? base : 0;
}
