/* persist's LUKS2 volume, through libcryptsetup. To be used after the TPM was capped: from here on
 * a header is parsed that an attacker may have written.
 *
 * Keyslots: one for the recovery key (argon2id, bounded so that a machine with 512 MiB can run it),
 * one for each TPM token (pbkdf2 with the least that the library takes: its passphrase has 256
 * random bits). Nothing is benchmarked, so a header does not depend on the machine's mood.
 *
 * A volume key is always passed as a struct secret of BINDING_KEY_SIZE bytes. Failures:
 * CODE_PERSIST_BINDING, CODE_PERSIST_KEY (this key opens nothing), CODE_PERSIST_HEADER. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "base/secret.h"
#include "disk/binding.h"
#include "disk/token.h"

/* Labels say how far making it got (LUKS2: label, 48 bytes). */
#define VOLUME_LABEL_UNFINISHED "broch-unfinished"
#define VOLUME_LABEL_DONE       "broch-persist"
#define VOLUME_LABEL_WIPING     "broch-wiping"
#define VOLUME_NAME             "broch-persist" /* of the mapped device */

struct volume;

/* Loads the header of a device ("/dev/vda3"). Opens nothing. Freed by volume_close(). */
MUST_USE int volume_open(const char *device, struct volume **ret, struct failure *f);

/* Makes a new header with a new volume key, which goes to *ret_key, and without keyslots; labelled
 * unfinished. What the device held is lost. */
MUST_USE int volume_format(const char *device, struct volume **ret, struct secret *ret_key,
                           struct failure *f);

/* Frees; accepts NULL. An active device stays active. */
void volume_close(struct volume *v);
static inline void volume_close_at(struct volume **v)
{
    volume_close(*v);
}
#define _cleanup_volume_ __attribute__((cleanup(volume_close_at)))

/* The text of the header's UUID, lower case. Valid as long as the volume is open. */
const char *volume_uuid(const struct volume *v);
bool volume_is_finished(struct volume *v);
MUST_USE int volume_finish(struct volume *v, struct failure *f);

/* Labels it as one that is being wiped. */
MUST_USE int volume_doom(struct volume *v, struct failure *f);

/* What the header says the volume is; refused when it is not what Broch makes. */
MUST_USE int volume_binding(struct volume *v, struct binding *ret, struct failure *f);

/* The volume key, by a passphrase. `keyslot` is a number, or VOLUME_ANY: any of those that
 * binding_keyslots() takes for ours, one after the other. A number that it does not is
 * CODE_PERSIST_BINDING. Only for what
 * volume_open() opened: of a volume that it just formatted, the library gives the key to anybody.
 */
enum { VOLUME_ANY = -1 };
MUST_USE int volume_unlock(struct volume *v, const struct secret *passphrase, int keyslot,
                           struct secret *ret_key, struct failure *f);

/* The same by the recovery key alone: no other keyslot is tried. CODE_PERSIST_KEY, also when the
 * volume has no recovery key. */
MUST_USE int volume_unlock_recovery(struct volume *v, const struct secret *digits,
                                    struct secret *ret_key, struct failure *f);

/* Maps the volume as VOLUME_NAME and compares the kernel's live table with the binding; a device
 * that differs is unmapped again. *ret_node is "dm-<minor>". */
enum { VOLUME_NODE_SIZE = 16 };
MUST_USE int volume_activate(struct volume *v, const struct binding *b, const struct secret *key,
                             char ret_node[static VOLUME_NODE_SIZE], struct failure *f);

/* Unmaps it. Nothing may use it any more. CODE_PERSIST_MOUNT. */
MUST_USE int volume_deactivate(struct volume *v, struct failure *f);

/* Gives the TPM's route(s) anew: for each token a keyslot with its passphrase, then the token;
 * after all of them, every other keyslot and token of this kind goes. A power cut leaves the old
 * ones, the new ones, or both. token->keyslot is filled in. */
struct volume_route {
    struct token_tpm2 *token;
    const struct secret *passphrase;
};
MUST_USE int volume_set_tpm(struct volume *v, const struct secret *key,
                            const struct volume_route *routes, size_t count, struct failure *f);

/* The same for the recovery key, of which there is one. */
MUST_USE int volume_set_recovery(struct volume *v, const struct secret *key,
                                 const struct secret *digits, struct failure *f);

/* Keyslots of a kind, or without a token of ours: for people. */
struct volume_slots {
    unsigned tpm;
    unsigned recovery;
    unsigned other;
};
MUST_USE int volume_count_slots(struct volume *v, struct volume_slots *ret, struct failure *f);

/* Makes the volume unreadable for ever: every keyslot destroyed, then the whole area of headers and
 * keyslots overwritten with random bytes and then with zeros, so that the next start takes the
 * partition for a new one. The volume must not be active. */
MUST_USE int volume_wipe(struct volume *v, struct failure *f);
