/* Keys that follow from others: HKDF-SHA256 (RFC 5869).
 *
 *     keyslot's passphrase  IKM  preboot secret || org share (empty with the local policy)
 *                           salt org id; without an org, SHA-256 of the release key's file
 *                           info "broch persist" 0x00 LUKS UUID
 *     TPM owner             IKM  volume key, salt LUKS UUID, info "broch tpm owner"
 *     TPM lockout           IKM  volume key, salt LUKS UUID, info "broch tpm lockout"
 *
 * The TPM's authorizations are kept nowhere: only stage 1 holds the volume key, so that not even
 * root of the running system can lower the epoch. */
#pragma once

#include "base/failure.h"
#include "base/secret.h"

enum { DERIVE_SIZE = 32, DERIVE_ORG_SIZE = 32, DERIVE_PREBOOT_SIZE = 32 };

/* All of them fill *ret with DERIVE_SIZE bytes. `uuid` is the text of the LUKS UUID in lower case.
 * They fail only when the library does (CODE_INTERNAL). */
MUST_USE int derive_passphrase(const uint8_t preboot[static DERIVE_PREBOOT_SIZE],
                               const uint8_t org[static DERIVE_ORG_SIZE], const char *uuid,
                               struct secret *ret, struct failure *f);
MUST_USE int derive_owner(const struct secret *volume_key, const char *uuid, struct secret *ret,
                          struct failure *f);
MUST_USE int derive_lockout(const struct secret *volume_key, const char *uuid, struct secret *ret,
                            struct failure *f);
