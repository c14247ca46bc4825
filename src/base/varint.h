/* Unsigned numbers of variable length: seven bits a byte, least significant first, the top bit says
 * that another byte follows. Only the shortest form of a number is valid, so that every record has
 * exactly one encoding. */
#pragma once

#include "base/cursor.h"
#include "base/output.h"

enum { VARINT_SIZE_MAX = 10 };

void varint_write(struct output *o, uint64_t value);

/* Reads one number. A longer form than needed, more than 64 bits, a number above `limit` or the end
 * of the input sets c->failed and yields 0. */
uint64_t varint_read(struct cursor *c, uint64_t limit);

/* The number of bytes that varint_write() needs. */
size_t varint_size(uint64_t value);
