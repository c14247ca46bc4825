/* SipHash-2-4 (Aumasson, Bernstein, 2012): a short keyed hash for places where others choose the
 * input and must not be able to choose the result. Not a digest: 64 bits collide. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY_SIZE = 16 };

uint64_t siphash(const uint8_t key[static SIPHASH_KEY_SIZE], const void *bytes, size_t size);
