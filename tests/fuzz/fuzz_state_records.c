/* Records of the replicated state: the first byte chooses the decoder. What is accepted encodes to
 * the very same bytes; batches and evidence go into chains whose authors are all known and whose
 * signatures all hold, so that the code behind the signature is reached. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "org/chain.h"
#include "org/checkpoint.h"
#include "org/leaf.h"
#include "org/revoke.h"
#include "org/topology.h"

static bool anything_holds(void *context, const uint8_t *author, const void *message, size_t size,
                           const uint8_t *signature)
{
    return true;
}

static bool everybody_is_admitted(void *context, const uint8_t *author)
{
    return true;
}

static void try_entry(const uint8_t *data, size_t size)
{
    uint8_t again[ENTRY_SIZE_MAX];
    size_t again_size;
    struct entry e;

    if (entry_decode(data, size, &e) < 0)
        return;
    CHECK(entry_encode(&e, again, &again_size) == 0);
    CHECK(again_size == size && memcmp(again, data, size) == 0);
}

static void try_leaf(const uint8_t *data, size_t size)
{
    uint8_t again[LEAF_SIZE_MAX];
    struct leaf_statement s;
    size_t again_size;

    if (leaf_decode(data, size, &s) < 0)
        return;
    CHECK(leaf_encode(&s, again, &again_size) == 0);
    CHECK(again_size == size && memcmp(again, data, size) == 0);
}

static void try_revocation(const uint8_t *data, size_t size)
{
    uint8_t again[REVOKE_SIZE_MAX];
    struct revoke_statement s;
    size_t again_size;

    if (revoke_decode(data, size, &s) < 0)
        return;
    CHECK(revoke_encode(&s, again, &again_size) == 0);
    CHECK(again_size == size && memcmp(again, data, size) == 0);
}

static void try_checkpoint(const uint8_t *data, size_t size)
{
    static struct checkpoint_statement s; /* large */
    uint8_t again[CHECKPOINT_SIZE_MAX];
    size_t again_size;

    if (checkpoint_decode(data, size, &s) < 0)
        return;
    CHECK(checkpoint_encode(&s, again, &again_size) == 0);
    CHECK(again_size == size && memcmp(again, data, size) == 0);
    CHECK(!checkpoint_replaces(&s, &s));
}

/* A segment goes into chains, and comes out of them as it is. */
static void try_segment(const uint8_t *data, size_t size)
{
    static const struct chain_limits limits = { 4, 50, 4000, 1, 3, 190, 19000 };
    static const struct chain_rules rules = { anything_holds, everybody_is_admitted, NULL };
    struct digest org = { { 0 } };
    struct revoke_set *revocations;
    struct chain_set *set;
    uint32_t place;
    int r;

    CHECK(revoke_set_new(1, &revocations) == 0);
    CHECK(chain_set_new(&limits, &rules, &org, revocations, &set) == 0);
    r = chain_take_segment(set, data, size, &place);
    CHECK(r == 0 || r == -EBADMSG || r == -ENOSPC);
    if (r == 0) {
        CHECK(memcmp(chain_segment(set, place), data, size) == 0);
        CHECK(chain_set_entries(set) > 0 && chain_set_count(set) > 0);
    }
    (void)chain_set_free(set);
    (void)revoke_set_free(revocations);
}

/* What a chain lists must be packed again, and known to whoever has it. */
static void check_chain(struct chain_set *set, uint32_t chain)
{
    static uint8_t bytes[1 << 18];
    struct chain_outcome outcome;

    CHECK(chain_valid(set, chain) <= chain_listed(set, chain));
    for (uint64_t seq = 1; seq <= chain_listed(set, chain);) {
        struct output o = output_make(bytes, sizeof(bytes));

        CHECK(chain_pack(set, chain, seq, &o, &seq) == 0);
        CHECK(chain_take(set, bytes, o.size, &outcome) == 0);
        CHECK(outcome.result == CHAIN_KNOWN);
    }
}

/* Two-byte sizes cut the input into batches and evidence (the top bit of the size). */
static void try_chains(const uint8_t *data, size_t size)
{
    static const struct chain_limits limits = { 4, 200, 20000, 4, 3, 190, 19000 };
    static const struct chain_rules rules = { anything_holds, everybody_is_admitted, NULL };
    struct digest org = { { 0 } };
    struct revoke_set *revocations;
    struct chain_set *set;

    CHECK(revoke_set_new(1, &revocations) == 0);
    CHECK(chain_set_new(&limits, &rules, &org, revocations, &set) == 0);
    while (size >= 2) {
        size_t length = (size_t)(data[0] & 0x7f) << 8 | data[1];
        bool evidence = data[0] >> 7;
        struct chain_outcome outcome;
        int r;

        data += 2;
        size -= 2;
        length = length < size ? length : size;
        r = evidence ? chain_take_evidence(set, data, length, &outcome)
                     : chain_take(set, data, length, &outcome);
        CHECK(r == 0 || r == -EBADMSG || r == -EDQUOT || r == -ENOSPC);
        data += length;
        size -= length;
    }
    for (uint32_t i = 0; i < chain_set_count(set); i++)
        check_chain(set, i);
    (void)chain_set_free(set);
    (void)revoke_set_free(revocations);
}

static void try_topology(const char *text, size_t size)
{
    struct topology t;
    size_t length = 0;

    if (topology_parse(text, size, &t) < 0)
        return;
    for (unsigned i = 0; i < TOPOLOGY_DEPTH_MAX; i++)
        length += i < (unsigned)t.level ? strlen(t.labels[i]) + 1 : strlen(t.labels[i]);
    CHECK(length == size + 1);
    CHECK(topology_shared(&t, &t) == t.level);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0xff) {
        try_checkpoint(data + 1, size - 1);
        return 0;
    }
    if (data[0] == 0xfe) {
        try_segment(data + 1, size - 1);
        return 0;
    }
    switch (data[0] % 5) {
    case 0:
        try_entry(data + 1, size - 1);
        break;
    case 1:
        try_leaf(data + 1, size - 1);
        break;
    case 2:
        try_revocation(data + 1, size - 1);
        break;
    case 3:
        try_chains(data + 1, size - 1);
        break;
    default:
        try_topology((const char *)data + 1, size - 1);
        break;
    }
    return 0;
}
