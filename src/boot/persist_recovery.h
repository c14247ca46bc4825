/* The recovery key: made here, shown on the consoles, and kept nowhere. */
#pragma once

#include "boot/opening.h"
#include "boot/stage1.h"

/* The first one of a disk that is being made. One that nobody could see is noted;
 * without a way by the TPM it is CODE_PERSIST_MAKE, because nobody would ever open the disk. */
MUST_USE int persist_recovery_make(struct stage1 *s, const struct opening *o, struct failure *f);

/* Another one in place of the former, which opens the disk until the new one is in. Where there is
 * no console nothing is changed: CODE_PERSIST_PROMPT. `fd` is the mounted file system, whose note
 * that the former key was typed back goes first. Done again after a power cut, it makes another
 * key: the one that was shown last is the one that opens. */
MUST_USE int persist_recovery_renew(struct stage1 *s, const struct opening *o, int fd,
                                    struct failure *f);
