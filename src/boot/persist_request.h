/* Requests of the running system (disk/request.h), carried out while the volume key is here.
 *
 * Each one in this order:
 *
 *   1. the file of the request says that one more start begins with it
 *   2. it is done; doing it twice comes to the same
 *   3. its result is written
 *   4. its file goes
 *
 * A power cut before 4 makes the next start do it again, REQUEST_STARTS_MAX times at most, so that
 * one that crashes stage 1 does not do so for ever. One that is refused, or is none, gets a result
 * and goes. No request makes a start fail. While a generation is on trial all of them wait: they
 * are for a generation that stays. */
#pragma once

#include "boot/opening.h"
#include "boot/stage1.h"

/* True when the disk is to be wiped. Then nothing else is carried out, and persist_wipe() follows.
 * `fd` is the mounted file system. */
MUST_USE bool persist_request_wants_wipe(struct stage1 *s, const struct opening *o, int fd);

/* All others, and the result of a wipe that ended in this disk. */
void persist_request_carry_out(struct stage1 *s, const struct opening *o, int fd);
