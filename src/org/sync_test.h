/* Two flat sets that reconcile over a simulated transport: shared by sync_test.c and the bench. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "org/org_test.h"
#include "org/sync.h"

/* Kinds of messages are written out, as somebody else would read them. */
enum {
    TEST_PAYLOAD_SIZE = 1 + 2 * DIGEST_SIZE,
    TEST_ESTIMATE = 69,
    TEST_CELLS = 70,
    TEST_TOO_FEW = 72
};

static const uint8_t test_salt[DIGEST_SALT_SIZE] = { 's', 'a', 'l', 't' };

/* One side: a set whose elements are a byte that says so, their key and their value. */
struct test_side {
    struct index *index;
    struct sync *sync;
    uint32_t taken;
    size_t bytes; /* sent, elements not counted */
    size_t given; /* bytes of elements sent */
    size_t messages;
    size_t cell_bytes;
};

static inline int test_give(void *context, uint32_t slot, const struct sync_peer *peer,
                            uint64_t *progress, struct output *o)
{
    struct test_side *side = context;
    struct merkle *trie = index_trie(side->index);

    if (index_id(side->index, slot) == 0)
        return -1;
    output_u8(o, 1);
    output_copy(o, merkle_key(trie, slot)->bytes, DIGEST_SIZE);
    output_copy(o, merkle_value(trie, slot)->bytes, DIGEST_SIZE);
    return 0;
}

/* Of two values of one key the larger one holds, so that both sides end alike. */
static inline int test_take(void *context, const uint8_t *bytes, size_t size)
{
    struct test_side *side = context;
    struct merkle *trie = index_trie(side->index);
    struct digest key, value;
    uint32_t slot;
    int r;

    if (size != TEST_PAYLOAD_SIZE || bytes[0] != 1)
        return -1;
    memcpy(key.bytes, bytes + 1, DIGEST_SIZE);
    memcpy(value.bytes, bytes + 1 + DIGEST_SIZE, DIGEST_SIZE);
    slot = merkle_find(trie, &key);
    if (slot != MERKLE_NONE &&
        memcmp(merkle_value(trie, slot)->bytes, value.bytes, DIGEST_SIZE) >= 0)
        return 0;
    side->taken++;
    r = index_put(side->index, &key, &value);
    return r < 0 ? r : 0;
}

static inline void test_side_open(struct test_side *side, uint32_t elements, uint32_t difference)
{
    struct sync_limits limits = { elements, difference, 65536 };
    struct sync_owner owner = { .give = test_give, .take = test_take, .context = side };
    int r;

    memset(side, 0, sizeof(*side));
    r = index_new(elements, test_salt, &side->index);
    CHECK(r == 0);
    owner.index = side->index;
    r = sync_new(&limits, &owner, &side->sync);
    CHECK(r == 0);
}

static inline void test_side_close(struct test_side *side)
{
    (void)sync_free(side->sync);
    (void)index_free(side->index);
}

static inline void test_side_add(struct test_side *side, uint64_t number, uint64_t version)
{
    uint64_t both[2] = { number, version };
    struct digest key = digest_bytes(&number, sizeof(number));
    struct digest value = digest_bytes(both, sizeof(both));
    int r = index_put(side->index, &key, &value);

    CHECK(r >= 0);
}

static inline void test_count(struct test_side *side, const uint8_t *bytes, size_t size)
{
    side->messages++;
    if (bytes[0] < SYNC_ELEMENT_KINDS) {
        side->given += size;
        return;
    }
    side->bytes += size;
    side->cell_bytes += bytes[0] == TEST_CELLS ? size : 0;
}

/* Lets two sessions that have begun talk over a transport without delay; returns how many times the
 * speaker changed. */
static inline unsigned test_talk(struct test_side *a, struct test_side *b)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    struct test_side *speaker = NULL;
    unsigned changes = 0;

    for (;;) {
        struct output o = output_make(bytes, sizeof(bytes));
        struct test_side *from = a, *to = b;

        if (sync_send(a->sync, &o) == 0) {
            from = b;
            to = a;
            if (sync_send(b->sync, &o) == 0)
                return changes;
        }
        changes += speaker != from;
        speaker = from;
        test_count(from, bytes, o.size);
        if (sync_receive(to->sync, bytes, o.size) < 0)
            return changes;
    }
}

static inline unsigned test_session(struct test_side *a, struct test_side *b,
                                    const uint8_t *fresh_salt)
{
    sync_open(a->sync, test_salt, fresh_salt);
    sync_listen(b->sync, test_salt, true);
    return test_talk(a, b);
}
