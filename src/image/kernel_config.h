/* The kernel's configuration: what was asked for, compared with what Kconfig made of it. Kconfig
 * drops an option without a word when something that it depends on is missing. Pure.
 *
 * Grammar of a list (kernel/common.config and the others): LF after every line; an empty line, a
 * line that begins with '#', or
 *
 *     NAME=VALUE      NAME begins with CONFIG_; VALUE is y, n, a number or a quoted text
 *
 * A resolved configuration is the same with "# NAME is not set" for n; an option that it does not
 * name at all is n as well. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

enum { KERNEL_CONFIG_MAX = 1 << 20 }; /* bytes of one file */

/* 0 when `resolved` has every option of the list `wanted` with its value. CODE_KERNEL_OPTION names
 * the first that it has not, with both values and the list's `name`; CODE_SYNTAX a line of the list
 * that is none, or an option that stands in it twice. */
MUST_USE int kernel_config_check(const char *name, const char *wanted, const char *resolved,
                                 struct failure *f);
