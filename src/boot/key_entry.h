/* Typing a recovery key: one console's line of digits, group by group. Pure.
 *
 * A key has RECOVERY_KEY_GROUPS groups of RECOVERY_KEY_GROUP_DIGITS digits (disk/recovery_key.h). A
 * group is checked when its last digit is there; a wrong one is wiped and typed again, so that a
 * slip of the finger costs nothing. Blanks, dashes and every other character are passed over. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "disk/recovery_key.h"

struct key_entry {
    size_t count;
    uint8_t digits[RECOVERY_KEY_DIGITS];
};

enum key_entry_result {
    KEY_ENTRY_NOTHING,
    KEY_ENTRY_DIGIT,     /* one more */
    KEY_ENTRY_GROUP,     /* one more, and it ended a group that is right */
    KEY_ENTRY_BAD_GROUP, /* it ended a group that is mistyped; that group is gone */
    KEY_ENTRY_ERASED,    /* one less */
    KEY_ENTRY_CLEARED,   /* none is left (Ctrl-U, Ctrl-C) */
    KEY_ENTRY_SHORT,     /* Enter before the end */
    KEY_ENTRY_DONE,      /* the last group is there and right */
};

/* Takes one byte from the console. After KEY_ENTRY_DONE the entry is full and the caller takes the
 * digits. */
enum key_entry_result key_entry_feed(struct key_entry *e, uint8_t byte);

/* Which group is being typed, from 1. */
unsigned key_entry_group(const struct key_entry *e);

void key_entry_wipe(struct key_entry *e);
