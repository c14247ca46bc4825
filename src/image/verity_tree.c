#include "image/verity_tree.h"

#include <errno.h>
#include <string.h>

#include "trust/digest.h"

enum {
    BLOCK = SUPERBLOCK_BLOCK_SIZE,
    PER_BLOCK = BLOCK / DIGEST_SIZE,
    LEVELS_MAX = 6, /* 128 to the power of 6 blocks are more than any image has */
};

/* Level 0 has the digests of the data, each next one those of the level below; the root is the
 * digest of the one block of the last. In the image the last level comes first. */
struct tree {
    struct span image;
    const struct superblock *superblock;
    uint64_t first[LEVELS_MAX], count[LEVELS_MAX]; /* blocks */
    unsigned levels;
};

static void lay_out(struct tree *t)
{
    uint64_t below = t->superblock->data_blocks, at = t->superblock->data_blocks + 1;

    do {
        CHECK(t->levels < LEVELS_MAX);
        t->count[t->levels] = (below + PER_BLOCK - 1) / PER_BLOCK;
        below = t->count[t->levels++];
    } while (below > 1);
    for (unsigned level = t->levels; level-- > 0;) {
        t->first[level] = at;
        at += t->count[level];
    }
}

static const uint8_t *block(const struct tree *t, uint64_t number)
{
    return t->image.bytes + number * BLOCK;
}

static struct digest hash(const struct tree *t, uint64_t number)
{
    return digest_two(t->superblock->salt, t->superblock->salt_size, block(t, number), BLOCK);
}

/* `count` blocks from `first` on against the digests in the level above them. */
static int check_level(const struct tree *t, uint64_t first, uint64_t count, unsigned level,
                       const char *what, struct failure *f)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct digest found = hash(t, first + i);
        const uint8_t *wanted =
            block(t, t->first[level] + i / PER_BLOCK) + (i % PER_BLOCK) * DIGEST_SIZE;

        if (memcmp(found.bytes, wanted, DIGEST_SIZE) != 0)
            return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "%s %llu does not fit its sum", what,
                               (unsigned long long)i);
    }
    return 0;
}

int verity_tree_check(struct span image, const struct superblock *s,
                      const uint8_t root[static CMDLINE_HASH_SIZE], struct failure *f)
{
    struct tree t = { .image = image, .superblock = s };
    struct digest top;
    int r = 0;

    if (image.size != superblock_image_size(s))
        return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "it has %zu bytes instead of %llu",
                           image.size, (unsigned long long)superblock_image_size(s));
    for (size_t i = SUPERBLOCK_SIZE; i < BLOCK; i++) {
        if (image.bytes[superblock_offset(s) + i] != 0)
            return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "something follows the superblock");
    }
    lay_out(&t);
    /* One block has no tree: its own sum is the root hash. */
    if (s->data_blocks == 1)
        t.first[0] = 0;
    top = hash(&t, t.first[t.levels - 1]);
    if (memcmp(top.bytes, root, DIGEST_SIZE) != 0)
        return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG,
                           "the hash tree does not lead to the root hash");
    /* From the top: what lies higher was checked before it decides. */
    for (unsigned level = t.levels; r == 0 && level-- > 1;)
        r = check_level(&t, t.first[level - 1], t.count[level - 1], level, "block of the hash tree",
                        f);
    return r < 0 || s->data_blocks == 1 ? r : check_level(&t, 0, s->data_blocks, 0, "block", f);
}
