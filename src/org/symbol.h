/* Rateless coded symbols: an endless sequence of cells made from a set of 64-bit ids, of which any
 * prefix that is about 1.35 times as long as the difference of two sets gives the difference.
 *
 * Every id belongs to cell 0 and to further cells whose gaps grow: an id is in cell i with
 * probability 2 / (i + 2). The mapping uses integers only:
 *
 *   i(0)   = 0
 *   r(k)   = mix(id + (k + 1) * 0x9e3779b97f4a7c15) >> 40            (24 bits)
 *   mix(z) = z ^= z >> 30, z *= 0xbf58476d1ce4e5b9, z ^= z >> 27,
 *            z *= 0x94d049bb133111eb, z ^= z >> 31                   (modulo 2^64)
 *   i(k+1) = the smallest j with (j+1)(j+2)(r(k)+1) > (i(k)+1)(i(k)+2) * 2^24
 *
 * A cell is the exclusive or of its ids, the exclusive or of their 4-byte checks, and their number
 * modulo 256: 13 bytes on the wire, id:le64 check:le32 number:u8. One id of a difference has the
 * number 1 or 255, and the check tells it from 257 and others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/output.h"
#include "org/digest.h"

enum {
    SYMBOL_INDEX_MAX = 1 << 19, /* (i+2)^2 * 2^24 stays below 2^64 */
    SYMBOL_SIZE = 8 + 4 + 1,
};

struct symbol {
    uint64_t ids;
    uint32_t checks;
    uint8_t number;
};

/* mix() above. */
uint64_t symbol_mix(uint64_t number);

/* The cell after `index` that the id belongs to, step k; SYMBOL_INDEX_MAX when it is not below it.
 */
uint32_t symbol_next(uint64_t id, uint32_t step, uint32_t index);

/* SipHash under the salt, lower half. */
uint32_t symbol_check(const uint8_t salt[static DIGEST_SALT_SIZE], uint64_t id);

void symbol_write(struct output *o, const struct symbol *s);
void symbol_read(struct cursor *c, struct symbol *ret);

/* A set of ids and how far each has come along the cells. */
struct symbol_stream;

MUST_USE int symbol_stream_new(uint32_t capacity, struct symbol_stream **ret);
struct symbol_stream *symbol_stream_free(struct symbol_stream *s);

/* Empties the stream for another set. */
void symbol_stream_clear(struct symbol_stream *s, const uint8_t salt[static DIGEST_SALT_SIZE]);

/* Adds an id before the first cell is asked for. Returns 0 or -ENOSPC. */
MUST_USE int symbol_stream_add(struct symbol_stream *s, uint64_t id);

/* Adds `weight` (1 or -1) of each id of the set to the cells first..first+count-1 in `cells`. Calls
 * must go along without a gap. */
void symbol_stream_cells(struct symbol_stream *s, uint32_t first, uint32_t count, int weight,
                         struct symbol *cells);

/* Finds what a remote set and our own do not share. */
struct symbol_decoder;

/* `difference_max`: the largest difference that it can find; it takes at most twice as many cells,
 * and 64 more. */
MUST_USE int symbol_decoder_new(uint32_t difference_max, struct symbol_decoder **ret);
struct symbol_decoder *symbol_decoder_free(struct symbol_decoder *d);

/* Starts over. `own` is borrowed until the next start, at its first cell. */
void symbol_decoder_begin(struct symbol_decoder *d, struct symbol_stream *own,
                          const uint8_t salt[static DIGEST_SALT_SIZE]);

/* Takes the next cell of the remote set. Returns 0 or -ENOSPC. */
MUST_USE int symbol_decoder_add(struct symbol_decoder *d, const struct symbol *cell);

/* Works on what was added. Returns 1 when the difference is complete, 0 when more cells are needed,
 * -EBADMSG when the cells contradict themselves (a hostile sender; the work is bounded). */
MUST_USE int symbol_decoder_run(struct symbol_decoder *d);

uint32_t symbol_decoder_cells(const struct symbol_decoder *d);
uint32_t symbol_decoder_count(const struct symbol_decoder *d);

/* Id `index` below the count; *ret_theirs says which side has it. */
uint64_t symbol_decoder_id(const struct symbol_decoder *d, uint32_t index, bool *ret_theirs);
