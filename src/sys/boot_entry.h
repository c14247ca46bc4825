/* What a Boot#### variable holds: EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) with a device path (10.3).
 * Pure.
 *
 *     attributes        u32, little endian as everything here
 *     size of the path  u16, in bytes
 *     description       UTF-16 with a terminating zero
 *     device path       nodes: type u8, subtype u8, size u16 with these four bytes, content
 *     optional data     the rest: what the program gets as load options
 *
 * Of the path two kinds of node matter: the partition (media 1, "HD") by its GUID, and the file
 * (media 4). Firmware that was handed the short form, these two alone, may keep it with its own way
 * to the disk in front, so other nodes are skipped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    BOOT_ENTRY_SIZE_MAX = 4096, /* of the variable */
    BOOT_ENTRY_TEXT_SIZE = 128, /* of a text here, with its terminating zero */
    BOOT_ENTRY_GUID_SIZE = 16,
    BOOT_ENTRY_GUID_TEXT_SIZE = 37,
    BOOT_ENTRY_ACTIVE = 1, /* of the attributes: firmware tries it by itself */
};

/* Where a partition lies, as the node for it has it: blocks are those of the disk. */
struct boot_partition {
    uint8_t guid[BOOT_ENTRY_GUID_SIZE]; /* as on the disk: the first three fields little endian */
    uint32_t number;                    /* in the table, from 1 */
    uint64_t first_block;
    uint64_t block_count;
};

struct boot_entry {
    uint32_t attributes;
    char description[BOOT_ENTRY_TEXT_SIZE]; /* ASCII; decoded, what is none of it is '?' */
    bool on_partition;                      /* there is a node for a GPT partition */
    struct boot_partition partition;        /* zeros without one */
    char file[BOOT_ENTRY_TEXT_SIZE];        /* "\\EFI\\broch\\linux.efi"; empty: none */
    const uint8_t *options;                 /* borrowed; decoded, from the bytes that were given */
    size_t options_size;
};

/* Writes the short form. Returns 0; -EINVAL for text that is not printable ASCII or an empty file;
 * -ERANGE when it is over BOOT_ENTRY_SIZE_MAX. */
MUST_USE int boot_entry_encode(const struct boot_entry *entry,
                               uint8_t ret_bytes[static BOOT_ENTRY_SIZE_MAX], size_t *ret_size);

/* Reads any entry of which the first path, up to its first end node, is well-formed. A partition of
 * another kind than GPT counts as none; of several file nodes the path is the sum. Returns 0;
 * -EBADMSG for anything malformed; -ERANGE when a text is longer than BOOT_ENTRY_TEXT_SIZE. */
MUST_USE int boot_entry_decode(const void *bytes, size_t size, struct boot_entry *ret);

/* True when the entry starts this file of this partition; a file's letters are the same in either
 * case, as FAT has it. */
bool boot_entry_starts(const struct boot_entry *entry,
                       const uint8_t guid[static BOOT_ENTRY_GUID_SIZE], const char *file);

/* A GUID from its text, exactly that form in either case. -EBADMSG. */
MUST_USE int boot_entry_guid_parse(const char *text, uint8_t ret_guid[static BOOT_ENTRY_GUID_SIZE]);

/* The number of a variable's name, "Boot" and four upper-case hexadecimal digits; -EBADMSG for any
 * other name. And the name of a number. */
enum { BOOT_ENTRY_NAME_SIZE = 9 };
MUST_USE int boot_entry_name_parse(const char *name, uint16_t *ret_number);
void boot_entry_name(uint16_t number, char ret_name[static BOOT_ENTRY_NAME_SIZE]);
