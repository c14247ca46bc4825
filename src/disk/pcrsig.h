/* What the boot file says about the TPM: the PCR-policy key and one policy that it signed. Pure.
 *
 * The stub unpacks two sections into /.extra, which are read strictly:
 *
 *     tpm2-pcr-public-key.pem    SubjectPublicKeyInfo of an RSA-2048 key with exponent 65537
 *     tpm2-pcr-signature.json    {"sha256":[{"pcrs":[11],"pkfp":"<hex>","pol":"<hex>",
 *                                 "sig":"<base64>","epoch":N,"nv":"0x01800100"}]}
 *
 * pkfp is SHA-256 of the key's DER form, pol the approved policy (docs/reference/uki.md), sig
 * RSASSA-PKCS1-v1_5 over SHA-256 of pol. Both are in the signed boot file; nothing is verified with
 * them here, the TPM does. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum {
    PCRSIG_MODULUS_SIZE = 256, /* RSA-2048: what every TPM takes */
    PCRSIG_DIGEST_SIZE = 32,
    PCRSIG_SIZE_MAX = 4096 /* of either file */
};

struct seal_policy {
    uint8_t modulus[PCRSIG_MODULUS_SIZE]; /* exponent 65537 */
    uint8_t fingerprint[PCRSIG_DIGEST_SIZE];
    uint8_t approved[PCRSIG_DIGEST_SIZE];
    uint8_t signature[PCRSIG_MODULUS_SIZE];
    uint64_t epoch;
};

/* CODE_UNSEAL_POLICY: malformed, of another form, or the two do not belong together. */
MUST_USE int pcrsig_parse(const void *json, size_t json_size, const void *pem, size_t pem_size,
                          struct seal_policy *ret, struct failure *f);
