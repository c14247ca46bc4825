/* Names some of somebody else's numbers by their ranks: when both know the same set of n numbers, w
 * of them are named in about w * (log2(n / w) + 1.5) bits, whatever the numbers are.
 *
 *   ranks = count:varint (1..limit), first:varint, and for more than one: k:u8, bits
 *   bits  = for each rank after the first, with g = its distance to the one before it minus 1:
 *           g >> k times a 1, a 0, then the k low bits of g, the lowest first. Bits fill bytes from
 *           the lowest on; those that are left in the last byte are 0 (Rice's code)
 *   k     = floor(log2(m)) for m = floor((last - first) / (count - 1)) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/output.h"

/* Writes `count` (at least 1) ranks, which rise. */
void ranks_write(struct output *o, const uint32_t *ranks, uint32_t count);

/* Reads up to `limit` ranks, each below `below`. Returns 0, or -EBADMSG for anything that
 * ranks_write() would not have written. Whatever follows is the caller's. */
MUST_USE int ranks_read(struct cursor *c, uint32_t limit, uint32_t below, uint32_t *ret,
                        uint32_t *ret_count);
