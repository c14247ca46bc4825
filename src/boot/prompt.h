/* A person at one of the machine's consoles: serial line and screen alike, all that the kernel
 * prints to. What is said here goes to the consoles only, never into the kernel's log, because a
 * new recovery key is said here. */
#pragma once

#include "base/failure.h"
#include "base/secret.h"
#include "boot/stage1.h"

/* Loads drivers of keyboards and opens the consoles, as they are now. Returns 0, or -ENODEV when
 * there is none: then nobody can be asked. */
MUST_USE int prompt_open(struct stage1 *s, struct failure *f);

/* Shows a text, whose lines end with "\n", on every console. */
void prompt_say(const char *text);

/* Reads a whole recovery key, RECOVERY_KEY_DIGITS digits without anything between. Every group was
 * checked. Waits as long as it takes, feeds the watchdog, and takes keyboards that are plugged in
 * meanwhile. Returns 0 or a negative errno with the failure. */
MUST_USE int prompt_read_key(struct stage1 *s, struct secret *ret, struct failure *f);

/* Gives the consoles back as they were. */
void prompt_close(void);
