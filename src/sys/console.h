/* The console of PID 1. Everything goes through /dev/kmsg: the kernel prints whole records, so the
 * lines of stage 1 never interleave with the kernel's own, and they are in dmesg afterwards. */
#pragma once

#include <stddef.h>

#include "base/check.h"

/* printk levels; with loglevel=5 the console shows those below 5. */
enum console_level { CONSOLE_ERROR = 3, CONSOLE_NOTICE = 4 };

/* The kernel refuses a record of more than 1,024 bytes (PRINTKRB_RECORD_MAX) with EINVAL; the level
 * in front and the line's end take a few of them. */
enum { CONSOLE_LINE_MAX = 1000 };

/* Opens descriptors 0, 1 and 2 anew, on /dev/console or else on /dev/null. The kernel opened them
 * on a node of the initramfs, which is going to be deleted; and a kernel that could not open its
 * console starts PID 1 without them, so that the next file opened would become standard output.
 * Descriptors above 2 must not be relied on before. Returns 0 or a negative errno. */
MUST_USE int console_standard(void);

/* Opens /dev/kmsg for writing. Returns the descriptor or a negative errno. */
MUST_USE int console_open(void);

/* Writes one line (without newline; what is above CONSOLE_LINE_MAX is cut). A result is not
 * returned: there is nobody else to tell. */
void console_line(int kmsg_fd, enum console_level level, const char *text);
