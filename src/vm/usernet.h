/* What QEMU's user network says about its connections (the monitor's `info usernet`). Pure. */
#pragma once

#include <stdint.h>

#include "vm/config.h"

/* Finds the host's port of a forward in that text: a table with one connection per line, as
 * "  TCP[HOST_FORWARD]  15  127.0.0.1 40123  10.0.2.15    22     0     0". Returns 0, or -ENOENT
 * when no line tells. */
MUST_USE int usernet_find_port(const char *text, const struct vm_forward *forward,
                               uint16_t *ret_port);
