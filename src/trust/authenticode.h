/* Who signed a boot file: Microsoft's "Windows Authenticode Portable Executable Signature Format"
 * 1.0, as firmware checks it (UEFI 2.10, 32.2.4). Pure.
 *
 * The hash goes over headers and sections in the order in which they lie in the file, and over what
 * follows them; left out are the checksum, the entry of the certificate table, and that table,
 * which ends the file. A signature is PKCS #7, and what it signs ends in this hash. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/span.h"
#include "trust/digest.h"

enum { AUTHENTICODE_NAME_MAX = 256 };

struct authenticode {
    struct digest digest; /* of this very file */
    struct span pkcs7;    /* a view into the file; empty when nobody signed */
};

/* The signature as the library has it, or NULL when it is none of PKCS #7 about a PE file. */
struct pkcs7_st;
struct pkcs7_st *authenticode_parse(const struct authenticode *a);

/* Whether what that signature is about is this very file. */
bool authenticode_covers(const struct authenticode *a, struct pkcs7_st *message);

struct authenticode_signer {
    char name[AUTHENTICODE_NAME_MAX]; /* subject of the certificate */
    struct digest certificate;        /* SHA-256 of its DER form */
};

/* Hashes the file and finds its first signature. Returns 0, or -EBADMSG for what is no PE32+ file
 * or has a certificate table that does not end it. */
MUST_USE int authenticode_read(const void *bytes, size_t size, struct authenticode *ret);

/* Whom the signature names as its maker, from the certificate that it brings along: a name, no
 * proof. -EBADMSG, -ENODATA without a signature. */
MUST_USE int authenticode_name(const struct authenticode *a, struct authenticode_signer *ret);

/* Whether the file is signed by the key of this certificate (PEM). CODE_SIGNATURE says what does
 * not fit; CODE_KEYS_BAD when the certificate cannot be read. */
MUST_USE int authenticode_verify(const struct authenticode *a, const void *pem, size_t pem_size,
                                 struct failure *f);
