/* The developer's terminal as the guest's console: raw mode, and one key that is ours. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* --- The key, pure --- */

enum { TERMINAL_PREFIX = 0x01 }; /* Ctrl-A */

struct terminal_filter {
    bool prefix; /* Ctrl-A was the last byte */
};

/* Filters what was typed: Ctrl-A X leaves (true; what follows is dropped), Ctrl-A Ctrl-A sends one
 * Ctrl-A, Ctrl-A and anything else sends both. `ret_bytes` holds at least 2 * size bytes. */
MUST_USE bool terminal_filter(struct terminal_filter *filter, const uint8_t *bytes, size_t size,
                              uint8_t *ret_bytes, size_t *ret_size);

/* --- The mode --- */

/* Puts standard input into raw mode when it is a terminal; true when it is. Restored by
 * terminal_restore() and at exit. */
MUST_USE bool terminal_raw(void);
void terminal_restore(void);
