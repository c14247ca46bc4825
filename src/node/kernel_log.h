/* Lines in the kernel log: what the programs of the first user space say about the machine itself.
 * The kernel puts them on every console and keeps them across the programs' lives. */
#pragma once

#include <stdint.h>

#include "base/code.h"
#include "base/line.h"

/* syslog levels. The command line lowers the console's level to 5, so that LEVEL_WARNING is the
 * least one that is seen on the serial line. */
enum kernel_log_level {
    KERNEL_LOG_CRITICAL = 2,
    KERNEL_LOG_ERROR = 3,
    KERNEL_LOG_WARNING = 4,
    KERNEL_LOG_INFO = 6,
};

enum { KERNEL_LOG_LINE_MAX = 900 }; /* the kernel cuts a record at about 1000 bytes */

/* Writes one record to /dev/kmsg in one write, which is atomic; to standard error when there is no
 * kernel log. Never fails: nobody could be told. */
void kernel_log(enum kernel_log_level level, const char *text);

/* "broch PROGRAM step=STEP status=fail code=BR-... detail=\"...\"", in the form of stage 1's own.
 */
void kernel_log_word_failure(struct line *l, const char *program, const char *step, enum code code,
                             const char *detail);

/* Words and writes it. */
void kernel_log_failure(enum kernel_log_level level, const char *program, const char *step,
                        enum code code, const char *detail);

/* Microseconds since the kernel started (CLOCK_MONOTONIC). */
uint64_t kernel_log_now_us(void);
