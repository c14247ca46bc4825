/* Ed25519 signatures in minisign's file forms (jedisct1.github.io/minisign, "Signature format" and
 * "Public key format"): the `minisign` program verifies what this module writes and the other way
 * round. Only the prehashed form ("ED", BLAKE2b-512 of the file) is written and accepted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum {
    MINISIGN_KEY_ID_SIZE = 8,
    MINISIGN_FILE_MAX = 4096,
    MINISIGN_COMMENT_MAX = 512,
    MINISIGN_KEYS_MAX = 8,
};

/* Makes a key pair in files of minisign's form. The private one has no password (kdf "none"). */
MUST_USE int minisign_make_keys(const char *private_path, const char *public_path,
                                struct failure *f);

/* Signs bytes with the private key file; *ret_text is the whole signature file, freed by the
 * caller. `trusted_comment` is covered by the signature and must be one line. CODE_KEYS_BAD. */
MUST_USE int minisign_sign(const char *private_path, const void *bytes, size_t size,
                           const char *trusted_comment, char **ret_text, struct failure *f);

/* Verifies bytes against signature text and public keys: a key file, or several of them one behind
 * the other (while a key is replaced, both count), MINISIGN_KEYS_MAX at most. 0, or CODE_SIGNATURE:
 * malformed, another key, or wrong; one malformed key spoils the file. The trusted comment
 * (zero-terminated) is copied out after it was verified. */
MUST_USE int minisign_verify(const void *bytes, size_t size, const char *signature_text,
                             const char *public_texts,
                             char ret_comment[static MINISIGN_COMMENT_MAX], struct failure *f);

/* Which key a signature says to be of: 16 digits, as minisign shows it. A name, no proof.
 * -EBADMSG. */
enum { MINISIGN_KEY_ID_TEXT_SIZE = 2 * MINISIGN_KEY_ID_SIZE + 1 };
MUST_USE int minisign_key_id(const char *signature_text,
                             char ret_digits[static MINISIGN_KEY_ID_TEXT_SIZE]);
