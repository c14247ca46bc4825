/* The LUKS2 header of persist, as far as it has to be read before the TPM is capped: which disk
 * says it is what, and the sealed secrets in it. Pure.
 *
 * Everything here was perhaps written by an attacker, and is read while the TPM would still give
 * the secret away. So this looks for our own tokens and for nothing else; libcryptsetup, which
 * understands the rest, comes after the cap. What is found is believed by nobody: a sealed secret
 * is checked by the TPM, and what it says the disk has to be is compared with what libcryptsetup
 * finds (disk/binding.h).
 *
 * A header stands twice, at 0 and behind the first (on-disk format of LUKS2, revision 1.1.2, 2):
 *
 *     binary part   4,096 bytes: magic, version, size, sequence, checksum, UUID, label, subsystem
 *     JSON part     the rest of `size`, a text ended by zero
 *
 * Of two whole ones that with the higher sequence counts, as for libcryptsetup. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "disk/token.h"

enum {
    LUKS_HEADER_SIZE_MIN = 16 * 1024,
    LUKS_HEADER_SIZE_MAX = 64 * 1024,
    LUKS_HEADER_SCAN_SIZE =
        2 * LUKS_HEADER_SIZE_MAX, /* bytes of the partition that are looked at */
    LUKS_HEADER_UUID_SIZE = 37,   /* with the zero */
    LUKS_HEADER_LABEL_SIZE = 48,
    LUKS_HEADER_TOKENS_MAX = 4, /* of ours; more are left alone */
};

struct luks_header {
    uint64_t sequence;
    char uuid[LUKS_HEADER_UUID_SIZE]; /* lower case */
    char label[LUKS_HEADER_LABEL_SIZE];
    char subsystem[LUKS_HEADER_LABEL_SIZE];
    size_t token_count, tokens_unread; /* of a TPM: those that are not understood are counted */
    struct token_tpm2 tokens[LUKS_HEADER_TOKENS_MAX]; /* in the order of the header */
};

/* Looks at the first `size` bytes of the partition; LUKS_HEADER_SCAN_SIZE of them show all. Returns
 * 0; -ENOENT when there is no LUKS2 header at either place; -EBADMSG when there is one, but none
 * that is whole and of this form. Tokens of another type or form are skipped. *ret is large: keep
 * it in static memory. */
MUST_USE int luks_header_scan(const void *bytes, size_t size, struct luks_header *ret);
