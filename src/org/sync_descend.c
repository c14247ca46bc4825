#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "org/sync_internal.h"

static void queue_prefix(struct sync *s, const struct digest *key, unsigned depth, uint8_t kind)
{
    if (s->prefix_count == s->limits.prefixes_max)
        return; /* left for the next session */
    s->prefixes[s->prefix_count++] =
        (struct sync_prefix){ .key = *key, .depth = (uint8_t)depth, .kind = kind };
}

void sync_descend(struct sync *s)
{
    struct digest root = { { 0 } };

    s->path = SYNC_PATH_TRIE;
    queue_prefix(s, &root, 0, SYNC_GROUPS);
    sync_my_turn(s);
}

static void set_nibble(struct digest *key, unsigned depth, unsigned value)
{
    if (depth % 2 == 0)
        key->bytes[depth / 2] = (uint8_t)(value << 4);
    else
        key->bytes[depth / 2] |= (uint8_t)value;
}

static int read_prefix(struct cursor *c, struct digest *key, unsigned *ret_depth)
{
    unsigned depth = cursor_u8(c);

    memset(key, 0, sizeof(*key));
    if (c->failed || depth > MERKLE_DEPTH_MAX)
        return -EBADMSG;
    cursor_copy(c, key->bytes, (depth + 1) / 2);
    if (c->failed || (depth % 2 == 1 && (key->bytes[depth / 2] & 15) != 0))
        return -EBADMSG;
    *ret_depth = depth;
    return 0;
}

static void write_groups(struct sync *s, const struct sync_prefix *p, struct output *o)
{
    struct merkle_group groups[MERKLE_FAN_OUT];
    uint16_t which = 0;

    (void)merkle_groups(index_trie(s->owner.index), &p->key, p->depth, groups); /* count unused */
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++)
        which |= (uint16_t)((groups[g].count > 0) << g);
    output_le16(o, which);
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        if (groups[g].count > 0)
            output_copy(o, groups[g].hash.bytes, 8);
    }
}

static void write_list(struct sync *s, const struct sync_prefix *p, struct output *o)
{
    uint64_t ids[SYNC_LIST_MAX];
    uint32_t slots[SYNC_LIST_MAX];
    uint32_t count =
        merkle_list(index_trie(s->owner.index), &p->key, p->depth, slots, SYNC_LIST_MAX);

    if (count > SYNC_LIST_MAX)
        count = SYNC_LIST_MAX; /* grew meanwhile: the rest shows in the root check */
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = sync_id(s, slots[i]);
        uint32_t k = i;

        for (; k > 0 && ids[k - 1] > id; k--)
            ids[k] = ids[k - 1];
        ids[k] = id;
    }
    varint_write(o, count);
    for (uint32_t i = 0; i < count; i++)
        output_le64(o, ids[i]);
}

void sync_write_prefix(struct sync *s, struct output *o)
{
    const struct sync_prefix *p = &s->prefixes[s->prefix_sent++];

    output_u8(o, p->kind);
    output_u8(o, p->depth);
    output_copy(o, p->key.bytes, (p->depth + 1u) / 2);
    if (p->kind == SYNC_GROUPS)
        write_groups(s, p, o);
    else
        write_list(s, p, o);
}

static void give_all(struct sync *s, const struct digest *key, unsigned depth)
{
    uint32_t count =
        merkle_list(index_trie(s->owner.index), key, depth, s->slots, s->limits.elements_max);

    CHECK(count <= s->limits.elements_max);
    for (uint32_t i = 0; i < count; i++)
        sync_queue_give(s, s->slots[i]);
}

int sync_on_groups(struct sync *s, struct cursor *c)
{
    struct merkle_group ours[MERKLE_FAN_OUT];
    struct digest key;
    unsigned depth;
    uint16_t which;

    if (read_prefix(c, &key, &depth) < 0 || depth >= MERKLE_DEPTH_MAX)
        return -EBADMSG;
    which = cursor_le16(c);
    if (s->phase == PHASE_CELLS)
        s->phase = PHASE_THEIRS;
    s->path = SYNC_PATH_TRIE;
    (void)merkle_groups(index_trie(s->owner.index), &key, depth, ours); /* count unused */
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        const uint8_t *hash = which >> g & 1 ? cursor_take(c, 8) : NULL;
        struct digest child = key;

        if (c->failed)
            return -EBADMSG;
        if (!hash && ours[g].count == 0)
            continue;
        if (hash && ours[g].count > 0 && memcmp(hash, ours[g].hash.bytes, 8) == 0)
            continue;
        set_nibble(&child, depth, g);
        if (!hash)
            give_all(s, &child, depth + 1);
        else if (ours[g].count <= SYNC_LIST_MAX || depth + 1 == MERKLE_DEPTH_MAX)
            queue_prefix(s, &child, depth + 1, SYNC_LIST);
        else
            queue_prefix(s, &child, depth + 1, SYNC_GROUPS);
    }
    return 0;
}

static bool take_from_list(uint64_t *ids, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            ids[i] = 0; /* both sides have it */
            return true;
        }
    }
    return false;
}

int sync_on_list(struct sync *s, struct cursor *c)
{
    uint64_t ids[SYNC_LIST_MAX];
    struct digest key;
    unsigned depth;
    uint32_t count, ours;

    if (read_prefix(c, &key, &depth) < 0 || depth == 0)
        return -EBADMSG;
    count = (uint32_t)varint_read(c, SYNC_LIST_MAX);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = cursor_le64(c);
    if (c->failed)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == 0 || (i > 0 && ids[i] <= ids[i - 1]))
            return -EBADMSG;
    }
    ours = merkle_list(index_trie(s->owner.index), &key, depth, s->slots, s->limits.elements_max);
    CHECK(ours <= s->limits.elements_max);
    for (uint32_t i = 0; i < ours; i++) {
        if (!take_from_list(ids, count, sync_id(s, s->slots[i])))
            sync_queue_give(s, s->slots[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == 0)
            continue;
        sync_queue_want(s, ids[i]);
        sync_note_theirs(s, ids[i]);
    }
    return 0;
}
