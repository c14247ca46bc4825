/* Unpacks what zstd packed, all frames of it, as one run of bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/span.h"

enum { UNPACK_SIZE_MAX = 1 << 30 };

/* Appends to *ret; bytes that are not packed are appended as they are. -EBADMSG for damaged ones,
 * -ERANGE above the limit, -ENOMEM. */
MUST_USE int unpack_zstd(struct span packed, struct text *ret);
