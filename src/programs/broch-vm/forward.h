/* The ports that --forward names. Pure. */
#pragma once

#include "base/failure.h"
#include "vm/config.h"

/* Parses "tcp/22,udp/53:5353": ports of the guest with, behind a colon, the port of 127.0.0.1 that
 * leads to it; without one a free port is taken. Fills ret_forwards from its start and ends it with
 * an empty one when there is room. Returns 0 or -EINVAL with CODE_USAGE naming the entry. */
MUST_USE int forward_parse(const char *list, struct vm_forward ret_forwards[static VM_FORWARDS_MAX],
                           struct failure *f);

/* "tcp/22" */
enum { FORWARD_TEXT_SIZE = 16 };
void forward_word(const struct vm_forward *forward, char ret_text[static FORWARD_TEXT_SIZE]);
