/* Signing keys: one folder (0700), each private key 0600 in it, never inside the repository.
 *
 *     PK.key PK.crt KEK.key KEK.crt db.key db.crt
 *                            Secure Boot, RSA-2048 and X.509 (UEFI 2.10, 32.3); db signs the boot
 *                            file and the kernel modules inside it
 *     pcr.key pcr.pub        signs the PCR 11 policy of a generation, RSA-2048
 *     module.key module.crt  signs kernel modules of our own kernels, RSA-4096
 *     release.key release.pub  Ed25519 in minisign's file forms; the private one without password
 *     owner.guid             SignatureOwner in the firmware's lists
 *     development            (empty) marks development keys; db.crt says so in its name as well, so
 *                            that losing the mark makes no production keys of them
 *
 * Private keys are PEM PKCS#8. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "trust/digest.h"

struct keys {
    char *folder; /* absolute; owned */
    bool development;
    struct digest digest; /* of the public halves: what artifacts depend on */
};

#define KEYS_INIT                                                                                  \
    {                                                                                              \
        .folder = NULL                                                                             \
    }

void keys_done(struct keys *keys);

/* Makes a complete folder beside `folder` and renames it into place. CODE_KEYS_EXIST when there is
 * something already. `now` is Unix seconds: the certificates begin a day before. */
MUST_USE int keys_init(const char *folder, bool development, uint64_t now, struct failure *f);

/* Opens a folder: every file there and whole, private keys without password and readable by nobody
 * else (CODE_KEYS_OPEN), certificates belonging to their keys (CODE_KEYS_BAD). */
MUST_USE int keys_open(const char *folder, struct keys *ret, struct failure *f);

/* The user's development keys, made on first use:
 * ${XDG_DATA_HOME:-~/.local/share}/broch/development-keys. *ret_path is freed by the caller.
 * CODE_USAGE when neither variable is an absolute path. */
MUST_USE int keys_development(uint64_t now, char **ret_path, struct failure *f);

/* Signs with pcr.key: RSASSA-PKCS1-v1_5 over SHA-256 of `bytes`. *ret_signature is freed by the
 * caller. */
MUST_USE int keys_sign_pcr(const struct keys *keys, const void *bytes, size_t size,
                           uint8_t **ret_signature, size_t *ret_size, struct failure *f);

/* Reads <name>.key and <name>.crt ("db", "KEK", "PK"), for the library that signs with them. Both
 * are the caller's, who frees them with EVP_PKEY_free() and X509_free(). CODE_KEYS_BAD. */
struct evp_pkey_st;
struct x509_st;
MUST_USE int keys_read_pair(const struct keys *keys, const char *name, struct evp_pkey_st **ret_key,
                            struct x509_st **ret_certificate, struct failure *f);

/* The GUID of owner.guid, as it is in the firmware's lists. CODE_KEYS_BAD. */
enum { KEYS_OWNER_SIZE = 16 };
MUST_USE int keys_read_owner(const struct keys *keys, uint8_t ret[static KEYS_OWNER_SIZE],
                             struct failure *f);

/* SHA-256 of pcr.pub in DER form (SubjectPublicKeyInfo): "pkfp" of a .pcrsig. */
MUST_USE int keys_pcr_fingerprint(const struct keys *keys, struct digest *ret, struct failure *f);
