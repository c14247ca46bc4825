#include "boot/clock.h"

#include <time.h>

#include "base/check.h"
#include "base/number.h"

uint64_t clock_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_us(void)
{
    return clock_ns() / NS_PER_US;
}
