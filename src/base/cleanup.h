/* Scope-bound release of memory and file descriptors.
 *
 * A variable declared with _cleanup_free_ or _cleanup_close_ is released when it leaves its scope;
 * take_ptr() and take_fd() hand the value to a new owner and leave the empty value behind. The only
 * empty value of a file descriptor is -1. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *place)
{
    free(*(void **)place);
}

static inline void cleanup_close_(const int *place)
{
    if (*place >= 0)
        (void)close(*place); /* nobody is left to act on the result */
}

static inline void cleanup_fclose_(FILE **place)
{
    if (*place)
        (void)fclose(*place); /* writers call fclose() themselves and check it */
}

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_      _cleanup_(cleanup_free_)
#define _cleanup_close_     _cleanup_(cleanup_close_)
#define _cleanup_fclose_    _cleanup_(cleanup_fclose_)

/* Returns the value of `variable` and leaves the empty value in it. */
#define take_ptr(variable)                                                                         \
    __extension__({                                                                                \
        __typeof__(variable) taken_ = (variable);                                                  \
        (variable) = NULL;                                                                         \
        taken_;                                                                                    \
    })

static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}
