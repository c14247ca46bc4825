/* What the TPM's ways to the disk are bound to: the tokens of the header, PCR 7 as it is, and the
 * TPM's epoch. For people: none of it decides anything. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "disk/luks_header.h"
#include "disk/seal.h"

struct sealed_way {
    uint8_t pcr7[SEAL_PCR_SIZE]; /* that it opens with */
    bool now;                    /* which is what PCR 7 is */
};

struct sealed {
    size_t count;
    struct sealed_way ways[LUKS_HEADER_TOKENS_MAX]; /* those that could be read */
    size_t unread;  /* others that this generation does not understand */
    bool has_epoch; /* the TPM has one */
    uint64_t epoch;
};

/* The ways in a header of LUKS_HEADER_SCAN_SIZE bytes or less; `pcr7` is NULL when it is not known.
 * Pure. Returns 0, or luks_header_scan()'s errno. */
MUST_USE int sealed_parse(const void *bytes, size_t size, const uint8_t *pcr7, struct sealed *ret);

/* Reads the partition's header, PCR 7 and the epoch. CODE_PERSIST_HEADER; a TPM that cannot be
 * asked leaves its part out. */
MUST_USE int sealed_read(const char *partition, struct sealed *ret, struct failure *f);
