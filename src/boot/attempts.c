#include "boot/attempts.h"

bool attempts_start(unsigned found, unsigned *ret_next)
{
    if (found >= ATTEMPTS_MAX)
        return false;
    *ret_next = found + 1;
    return true;
}

enum attempts_ending attempts_after_failure(const struct attempts *a)
{
    return a->known && a->current < ATTEMPTS_MAX ? ATTEMPTS_REBOOT : ATTEMPTS_HALT;
}
