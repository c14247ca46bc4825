/* Who signed a boot file, and whether Secure Boot's lists let it start. That the signature is about
 * this very file is checked; that it was made by the key of its certificate is not: whoever asks
 * has a file that the firmware starts, or that was verified as a release, and wants to know what a
 * change of keys does to it. trust/authenticode.h reads the file. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "trust/signature_list.h"

struct boot_signature; /* opaque: certificates of the library */

/* Reads it from the bytes of a PE file. CODE_SECUREBOOT_FILE: it has no signature, not of one
 * signer, or one of another file. Freed by boot_signature_free(). */
MUST_USE int boot_signature_read(const void *bytes, size_t size, struct boot_signature **ret,
                                 struct failure *f);

/* Accepts NULL. */
void boot_signature_free(struct boot_signature *s);
static inline void boot_signature_free_at(struct boot_signature **s)
{
    boot_signature_free(*s);
}
#define _cleanup_boot_signature_ __attribute__((cleanup(boot_signature_free_at)))

/* SHA-256 of the file as it was signed, and the name of who signed it. Valid as long as `s` is. */
const uint8_t *boot_signature_hash(const struct boot_signature *s);
const char *boot_signature_signer(const struct boot_signature *s);

/* db and dbx, borrowed. */
struct boot_lists {
    const void *db, *dbx;
    size_t db_size, dbx_size;
};

/* Whether the firmware starts the file with these lists. It looks at dbx first: nothing there is
 * the file's hash, a certificate of its chain or that one's hash; then at db, whose first entry
 * that allows the file goes to *ret_by: that is what it measures. CODE_SECUREBOOT_REVOKES with what
 * forbids it; CODE_SECUREBOOT_FILE when a list is malformed. */
MUST_USE int boot_signature_allowed(const struct boot_signature *s, const struct boot_lists *lists,
                                    struct signature *ret_by, struct failure *f);

/* Whether an entry of db, as the firmware measured it (owner, then certificate or hash), still
 * allows with these lists: db has it, with the same owner, and dbx has neither it nor, of a
 * certificate, its hash. CODE_SECUREBOOT_REVOKES; CODE_SECUREBOOT_FILE when a list is malformed. */
MUST_USE int boot_lists_allow(const struct boot_lists *lists, const void *entry, size_t size,
                              struct failure *f);
