/* Signatures of kernel modules, as the kernel's own sign-file appends them:
 *
 *     module bytes | CMS SignedData (DER, detached) | struct module_signature |
 * MODULE_SIGNATURE_MAGIC
 *
 * (Linux: include/linux/module_signature.h, Documentation/admin-guide/module-signing.rst; CMS: RFC
 * 5652.) The modules of an initrd are signed anew with the key that signs the boot file they lie
 * in: whoever has it decides over them anyway. The kernel knows it from the firmware's db, and
 * checks RSA-2048 in a hundredth of the time that Debian's ECDSA P-384 takes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/keys.h"

#define MODULE_SIGNATURE_MAGIC "~Module signature appended~\n"

/* The length of a module without the signature behind it, which is all of it when it has none.
 * Returns 0, or -EBADMSG when the magic stands there and what is before it makes no sense. Pure. */
MUST_USE int module_signature_strip(const uint8_t *bytes, size_t size, size_t *ret_size);

struct module_signer;

/* Reads db.key and db.crt once for many modules. Freed with module_signer_free(). CODE_KEYS_BAD. */
MUST_USE int module_signer_open(const struct keys *keys, struct module_signer **ret,
                                struct failure *f);

/* Accepts NULL. Returns NULL. */
struct module_signer *module_signer_free(struct module_signer *signer);

/* Appends the module to `ret` with this signer's signature in place of any it had. The same module
 * and key give the same bytes. -EBADMSG (CODE_STEP_FAILED) for a module that cannot be stripped,
 * CODE_KEYS_BAD when the library refuses to sign. */
MUST_USE int module_sign(const struct module_signer *signer, const uint8_t *bytes, size_t size,
                         struct text *ret, struct failure *f);
