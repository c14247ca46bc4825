#include "boot/superblock.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hex.h"

enum { VERSION = 1, TREE_VERSION = 1, ALGORITHM_SIZE = 32, DIGESTS_PER_BLOCK = 4096 / 32 };

static const char signature[8] = "verity\0";
static const char algorithm[ALGORITHM_SIZE] = "sha256";

static bool take_exactly(struct cursor *c, const void *expected, size_t size)
{
    const uint8_t *view = cursor_take(c, size);

    return view && memcmp(view, expected, size) == 0;
}

static bool take_zeros(struct cursor *c, size_t size)
{
    const uint8_t *view = cursor_take(c, size);

    for (size_t i = 0; view && i < size; i++) {
        if (view[i] != 0)
            return false;
    }
    return view != NULL;
}

static bool take_salt(struct cursor *c, struct superblock *s)
{
    s->salt_size = cursor_le16(c);
    if (s->salt_size > SUPERBLOCK_SALT_MAX || !take_zeros(c, 6))
        return false;
    cursor_copy(c, s->salt, s->salt_size);
    return take_zeros(c, SUPERBLOCK_SALT_MAX - (size_t)s->salt_size);
}

int superblock_parse(const uint8_t bytes[static SUPERBLOCK_SIZE], struct superblock *ret)
{
    struct cursor c = cursor_make(bytes, SUPERBLOCK_SIZE);
    struct superblock s = { 0 };

    if (!take_exactly(&c, signature, sizeof(signature)) || cursor_le32(&c) != VERSION ||
        cursor_le32(&c) != TREE_VERSION)
        return -EBADMSG;
    cursor_copy(&c, s.uuid, sizeof(s.uuid));
    if (!take_exactly(&c, algorithm, sizeof(algorithm)) ||
        cursor_le32(&c) != SUPERBLOCK_BLOCK_SIZE || cursor_le32(&c) != SUPERBLOCK_BLOCK_SIZE)
        return -EBADMSG;
    s.data_blocks = cursor_le64(&c);
    if (s.data_blocks == 0 || s.data_blocks > SUPERBLOCK_DATA_BLOCKS_MAX)
        return -EBADMSG;
    if (!take_salt(&c, &s) || !take_zeros(&c, 168) || !cursor_finished(&c))
        return -EBADMSG;
    *ret = s;
    return 0;
}

uint64_t superblock_offset(const struct superblock *s)
{
    CHECK(s->data_blocks <= SUPERBLOCK_DATA_BLOCKS_MAX);
    return s->data_blocks * SUPERBLOCK_BLOCK_SIZE;
}

uint64_t superblock_image_size(const struct superblock *s)
{
    uint64_t blocks = s->data_blocks + 1;

    CHECK(s->data_blocks <= SUPERBLOCK_DATA_BLOCKS_MAX);
    /* A level of the tree has one digest for each block of the level below. One data block needs no
     * tree: its digest is the root hash. */
    for (uint64_t level = s->data_blocks; level > 1;) {
        level = (level + DIGESTS_PER_BLOCK - 1) / DIGESTS_PER_BLOCK;
        blocks += level;
    }
    return blocks * SUPERBLOCK_BLOCK_SIZE;
}

void superblock_table(const struct superblock *s, const uint8_t root_hash[static CMDLINE_HASH_SIZE],
                      const char *device, struct line *l)
{
    char salt[2 * SUPERBLOCK_SALT_MAX + 1] = "-";
    char digest[2 * CMDLINE_HASH_SIZE + 1];

    hex_encode(root_hash, CMDLINE_HASH_SIZE, digest);
    if (s->salt_size > 0)
        hex_encode(s->salt, s->salt_size, salt);
    line_addf(l, "%d %s %s %d %d %llu %llu sha256 %s %s 1 panic_on_corruption", TREE_VERSION,
              device, device, SUPERBLOCK_BLOCK_SIZE, SUPERBLOCK_BLOCK_SIZE,
              (unsigned long long)s->data_blocks, (unsigned long long)s->data_blocks + 1, digest,
              salt);
}
