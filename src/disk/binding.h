/* What the encrypted disk has to be, besides opening with the right key. Pure.
 *
 * LUKS2 metadata is not authenticated: the machine's own header, edited to a null cipher, opens
 * with the true key and then shows what the attacker wrote in clear. So the hash of this text is
 * sealed together with the secret, and is compared before the volume is activated; afterwards the
 * kernel's live table is compared with the same facts.
 *
 *     broch binding 1 LF
 *     uuid=<LUKS UUID> LF
 *     segments=1 type=crypt cipher=aes-xts-plain64 key=512 iv=0 integrity=none size=dynamic LF
 *     sector=<bytes> offset=<bytes> requirements=none LF
 *     btrfs=<UUID of the filesystem> LF
 *
 * The filesystem's UUID follows from that of the header, so that all of it is known before anything
 * is activated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum {
    BINDING_HASH_SIZE = 32,
    BINDING_UUID_SIZE = 37,
    BINDING_KEY_SIZE = 64, /* bytes of the volume key: two of 256 bits for XTS */
};

#define BINDING_CIPHER "aes-xts-plain64"

struct binding {
    char uuid[BINDING_UUID_SIZE];  /* of the LUKS header, lower case */
    char btrfs[BINDING_UUID_SIZE]; /* of the filesystem that belongs in it */
    uint32_t sector_size;
    uint64_t data_offset; /* bytes */
};

/* Reads the JSON of a LUKS2 header, as libcryptsetup gives it out. Whatever is not of the one form
 * that Broch makes is refused: CODE_PERSIST_BINDING with what it was. */
MUST_USE int binding_parse(const char *json, size_t size, const char *uuid, struct binding *ret,
                           struct failure *f);

/* Which keyslots of that JSON are of the form that Broch makes, one bit for each: key and area of
 * BINDING_CIPHER, and a derivation that costs no more than ours may (a header that somebody wrote
 * must not keep stage 1 busy until the watchdog bites, or ask for memory that is not there). A
 * keyslot of another form is never tried: one of a null cipher opens with any passphrase, and gives
 * the key that its maker wrote there. Refuses only what is malformed: CODE_PERSIST_BINDING. */
enum { BINDING_KEYSLOTS_MAX = 32 };
MUST_USE int binding_keyslots(const char *json, size_t size, uint32_t *ret, struct failure *f);

/* SHA-256 of a volume key (BINDING_KEY_SIZE bytes): sealed beside the hash of the text, because the
 * header says nothing about it that whoever wrote the header could not write. */
void binding_key_hash(const uint8_t key[static BINDING_KEY_SIZE],
                      uint8_t ret[static BINDING_HASH_SIZE]);

/* SHA-256 of the text. */
void binding_hash(const struct binding *b, uint8_t ret[static BINDING_HASH_SIZE]);

/* UUID of the filesystem for a header's UUID: the first 16 bytes of SHA-256("broch btrfs" 0x00
 * uuid) in the form of RFC 9562, version 8. */
void binding_btrfs_uuid(const char *uuid, char ret[static BINDING_UUID_SIZE]);

/* Compares a live table line of dm-crypt (kernel: admin-guide/device-mapper/dm-crypt.rst) with what
 * it must be: cipher, a key of the right size in the kernel's keyring, offsets, sector size, no
 * other option. `device` is "major:minor" of the partition. Returns 0, or -EKEYREJECTED with
 * CODE_PERSIST_BINDING. */
MUST_USE int binding_check_table(const struct binding *b, const char *device, const char *type,
                                 const char *text, struct failure *f);
