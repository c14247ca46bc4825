/* The verity superblock that veritysetup puts between the data and the hash tree of an image, and
 * the device-mapper table that follows from it. Pure.
 *
 * Layout, 512 bytes, integers little endian (cryptsetup, docs/on-disk-format-verity and
 * lib/verity/verity.c; the kernel never reads it):
 *
 *   offset  size
 *        0     8  "verity" and two zero bytes
 *        8     4  version of the superblock: 1
 *       12     4  version of the hash tree: 1 (salt first)
 *       16    16  UUID
 *       32    32  hash algorithm, padded with zeros: "sha256"
 *       64     4  data block size: 4096
 *       68     4  hash block size: 4096
 *       72     8  number of data blocks
 *       80     2  size of the salt, at most 256
 *       82     6  zero
 *       88   256  salt, padded with zeros
 *      344   168  zero
 *
 * Broch knows one form only, the values after the colons. The image is: data blocks, then one block
 * that starts with the superblock, then the tree, its root level first. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/line.h"
#include "boot/cmdline.h"

enum {
    SUPERBLOCK_SIZE = 512,
    SUPERBLOCK_BLOCK_SIZE = 4096,
    SUPERBLOCK_SALT_MAX = 256,
    SUPERBLOCK_TABLE_MAX = 1024, /* bytes of a table line, with the zero */
};
/* 1 TiB of data: far above any image, and far below where sizes overflow. */
#define SUPERBLOCK_DATA_BLOCKS_MAX (1ull << 28)

struct superblock {
    uint8_t uuid[16];
    uint64_t data_blocks; /* 1 to SUPERBLOCK_DATA_BLOCKS_MAX */
    uint16_t salt_size;
    uint8_t salt[SUPERBLOCK_SALT_MAX];
};

/* Returns 0, or -EBADMSG when any byte is not what the layout above wants. */
MUST_USE int superblock_parse(const uint8_t bytes[static SUPERBLOCK_SIZE], struct superblock *ret);

/* Where in the image the superblock lies, in bytes. */
uint64_t superblock_offset(const struct superblock *s);

/* The bytes of data, superblock's block and tree: what an image has at least. */
uint64_t superblock_image_size(const struct superblock *s);

/* Adds the parameters of the target "verity" (Linux: admin-guide/device-mapper/verity.rst) for an
 * image on the block device `device` ("major:minor"). They are written exactly as the kernel gives
 * them back, so that the live table can be compared byte for byte. Corruption restarts the machine.
 */
void superblock_table(const struct superblock *s, const uint8_t root_hash[static CMDLINE_HASH_SIZE],
                      const char *device, struct line *l);
