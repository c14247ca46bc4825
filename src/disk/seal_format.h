/* The bytes of what is sealed: templates, names, policies, the stored blob, the stored ticket.
 * Pure.
 *
 * Blob, numbers big-endian as the TPM's own:
 *
 *     8  "brochtpm"          2  version, 3
 *     1  place
 *     32 PCR 7 that it is sealed for
 *     32 name of the PCR-policy key, without its algorithm
 *     64 public point of the storage root key: x, y
 *     32 SHA-256 of all before
 *
 * The place's public area follows from these, so nothing that somebody else may have written goes
 * through the library's decoders. The sum finds damage; whoever changes the blob on purpose meets
 * the TPM.
 *
 * Ticket: 8 "brochtkt", 2 version (1), 2 size of the TPM's value, the value; the rest of a
 * TPMT_TK_VERIFIED is fixed. */
#pragma once

#include <tss2/tss2_esys.h>

#include "disk/seal.h"

#define SEAL_SRK_HANDLE 0x81000001u

/* NV indices of the places, one after the other. */
#define SEAL_PLACE_INDEX 0x01800101u

/* ownerwrite | policyread | no_da | written */
#define SEAL_PLACE_ATTRIBUTES 0x22080002u

enum { SEAL_POINT_SIZE = 64 };

struct seal_parts {
    uint8_t place;
    uint8_t pcr7[SEAL_PCR_SIZE];
    uint8_t key_name[PCRSIG_DIGEST_SIZE];
    uint8_t point[SEAL_POINT_SIZE];
};

void seal_blob_encode(const struct seal_parts *parts, struct seal_blob *ret);

/* 0 or -EBADMSG. */
MUST_USE int seal_blob_decode(const struct seal_blob *blob, struct seal_parts *ret);

/* `digest` is the TPM's value. */
void seal_ticket_encode(const TPMT_TK_VERIFIED *ticket, struct seal_ticket *ret);

/* 0 or -EBADMSG. */
MUST_USE int seal_ticket_decode(const struct seal_ticket *ticket, TPMT_TK_VERIFIED *ret);

/* The storage root key: template when `point` is NULL, else the key's public area. */
TPM2B_PUBLIC seal_srk_public(const uint8_t *point);

/* True when a key has that form, whatever its point, which goes to ret_point. */
MUST_USE bool seal_srk_fits(const TPM2B_PUBLIC *key, uint8_t ret_point[static SEAL_POINT_SIZE]);

/* The PCR-policy key as a TPM loads it. */
TPM2B_PUBLIC seal_key_public(const struct seal_policy *policy);

/* Public areas of indices, as they are once they were written. */
TPM2B_NV_PUBLIC seal_epoch_public(void);
TPM2B_NV_PUBLIC seal_place_public(const struct seal_parts *parts);

/* Names: the algorithm's two bytes, and the digest. */
TPM2B_NAME seal_public_name(const TPM2B_PUBLIC *area);
TPM2B_NAME seal_index_name(const TPM2B_NV_PUBLIC *area);

/* Selects PCRs of the SHA-256 bank. */
TPML_PCR_SELECTION seal_pcr_selection(uint32_t mask);
