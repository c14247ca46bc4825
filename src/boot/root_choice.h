/* Which root the machine is to start with: the one line of a file on the encrypted disk, where
 * nobody writes who cannot open it. Pure.
 *
 *     system           the verified system image, read-only
 *     subvol:<name>    a writable root of the machine's own: a name that is kept free, and refused
 *
 * There is no choice yet: `system` is the one kind. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

/* In the folder of the whole filesystem; the running system sees /var/lib/broch/root. */
#define ROOT_CHOICE_FILE "@broch/root"
enum { ROOT_CHOICE_MAX = 128 };

/* `text` has `size` bytes, and may end with a newline. *ret is one of the names above and lives for
 * ever. CODE_BOOT_ROOT when it is another word, with the word. */
MUST_USE int root_choice_parse(const char *text, size_t size, const char **ret, struct failure *f);
