/* The status screen: from facts to the bytes for a terminal of a given size. Pure.
 *
 * The bytes put the cursor home, write every line with the rest of it erased, and erase what is
 * below: drawing again leaves no trace of what was there before, and nothing flickers. Every text
 * of the facts is written as printable ASCII, so nothing that a log or a network says can reach the
 * terminal as a control sequence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "work/snapshot.h"

enum {
    SCREEN_ADDRESSES_MAX = 8,
    SCREEN_EVENTS_MAX = 8,
    SCREEN_TEXT_SIZE = 128,
    SCREEN_WIDTH_MIN = 20,
    SCREEN_HEIGHT_MIN = 4,
    SCREEN_SIDE_MAX = 500,
};

struct screen_facts {
    const char *name; /* of the machine; never NULL, like all texts here */
    const char *generation, *slot, *secure_boot, *tpm;
    bool ready;
    bool known_password;                                    /* a development image */
    char addresses[SCREEN_ADDRESSES_MAX][SCREEN_TEXT_SIZE]; /* "eth0 192.0.2.7/24" */
    size_t address_count;
    const struct snapshot *services;                  /* NULL when not known */
    char events[SCREEN_EVENTS_MAX][SCREEN_TEXT_SIZE]; /* oldest first */
    size_t event_count;
};

/* Appends the bytes. A terminal smaller than the minimum is taken for one of that size. */
void screen_render(const struct screen_facts *facts, unsigned width, unsigned height,
                   struct text *t);
