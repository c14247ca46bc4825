/* The one place where stage 1 reads the time. */
#pragma once

#include <stdint.h>

/* Nanoseconds, and microseconds, since the kernel began to keep time (CLOCK_MONOTONIC). */
uint64_t clock_ns(void);
uint64_t clock_us(void);
