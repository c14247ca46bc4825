/* For tests: a header as libcryptsetup writes it, and ways to change it as an attacker would. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "disk/luks_header.h"

/* One made by volume_format(), with a route for the TPM and a recovery key, read into `bytes`. */
void test_header_make(uint8_t bytes[static LUKS_HEADER_SCAN_SIZE]);

/* The JSON text of the header at `offset`. */
char *test_header_json(uint8_t *bytes, size_t offset);

/* Replaces the first `old` in a text with room for `capacity` bytes; fails when there is none. */
void test_header_replace(char *text, size_t capacity, const char *old, const char *new);

/* Makes the checksum of the header at `offset` fit again: it is no signature, anybody can. */
void test_header_fix(uint8_t *bytes, size_t offset);
