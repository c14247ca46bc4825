#include <errno.h>
#include <string.h>

#include "org/chain_internal.h"
#include "org/checkpoint.h"

/* A kept link of this very entry, whatever checkpoints say of it; CHAIN_NONE when there is none. */
static uint32_t find_kept(const struct chain_set *set, uint32_t chain, uint64_t seq,
                          const struct digest *digest)
{
    uint32_t slot = chain_slot_start(set, chain, seq);

    for (; set->slots[slot] != 0; slot = (slot + 1) & set->slot_mask) {
        const struct chain_link *link = &set->links[set->slots[slot] - 1];

        if (link->kept && link->chain == chain && link->seq == seq &&
            memcmp(link->digest.bytes, digest->bytes, DIGEST_SIZE) == 0)
            return set->slots[slot] - 1;
    }
    return CHAIN_NONE;
}

uint32_t chain_kept_find(const struct chain_set *set, uint32_t chain, uint64_t seq)
{
    uint32_t slot = chain_slot_start(set, chain, seq);

    for (; set->slots[slot] != 0; slot = (slot + 1) & set->slot_mask) {
        const struct chain_link *link = &set->links[set->slots[slot] - 1];

        if (link->kept && link->chain == chain && link->seq == seq && chain_link_current(set, link))
            return set->slots[slot] - 1;
    }
    return CHAIN_NONE;
}

/* True when the set has room for all that the segment brings; -EBADMSG for a malformed one. */
static int segment_room(const struct chain_set *set, const void *bytes, size_t size)
{
    struct checkpoint_reader r = checkpoint_read(bytes, size);
    uint32_t chains = 0, links = 0;
    const uint8_t *group = NULL;
    struct checkpoint_kept kept;
    int result;

    while ((result = checkpoint_next(&r, &kept)) > 0) {
        chains += kept.author != group && chain_find(set, kept.author, kept.instance) == CHAIN_NONE;
        group = kept.author; /* a view: one for each group */
        links++;
    }
    if (result < 0)
        return result;
    return size <= set->limits.bytes_max - set->body_bytes &&
                   links <= set->limits.entries_max - set->link_count &&
                   chains <= set->limits.chains_max - set->chain_count
               ? 0
               : -ENOSPC;
}

int chain_take_segment(struct chain_set *set, const void *bytes, size_t size, uint32_t *ret_place)
{
    int result = segment_room(set, bytes, size);
    struct checkpoint_reader r;
    struct checkpoint_kept kept;
    uint8_t *copy;

    if (result < 0)
        return result;
    copy = set->bodies + set->body_bytes;
    memcpy(copy, bytes, size);
    r = checkpoint_read(copy, size);
    while (checkpoint_next(&r, &kept) > 0) {
        struct digest digest = digest_bytes(kept.body, kept.body_size);
        uint32_t chain = chain_find(set, kept.author, kept.instance);

        if (chain == CHAIN_NONE)
            chain = chain_create(set, kept.author, kept.instance);
        if (find_kept(set, chain, kept.seq, &digest) == CHAIN_NONE)
            chain_add_kept(set, chain, kept.seq, &digest, (uint32_t)(kept.body - set->bodies),
                           kept.body_size);
    }
    *ret_place = set->body_bytes;
    set->body_bytes += (uint32_t)size;
    return 0;
}

const uint8_t *chain_segment(const struct chain_set *set, uint32_t place)
{
    CHECK(place < set->body_bytes);
    return set->bodies + place;
}

static void find_covered(struct chain_record *record)
{
    struct chain_head *best = &record->covered;

    *best = (struct chain_head){ 0 };
    for (unsigned i = 0; i < CHAIN_CHECKPOINTS_MAX; i++) {
        const struct chain_head *head = &record->heads[i];

        if (head->seq > best->seq || (head->seq == best->seq && head->seq > 0 &&
                                      memcmp(head->hash.bytes, best->hash.bytes, DIGEST_SIZE) < 0))
            *best = *head;
    }
}

/* Where we have less than the head, or another past than it names, the chain goes on from it. What
 * we know above it goes, and comes again. */
static void begin_at_covered(struct chain_set *set, uint32_t chain)
{
    struct chain_record *record = &set->chains[chain];
    const struct chain_head *head = &record->covered;
    struct digest own;

    if (head->seq < record->base)
        return;
    if (head->seq <= record->view.held) {
        own = chain_hash(set, chain, head->seq);
        if (memcmp(own.bytes, head->hash.bytes, DIGEST_SIZE) == 0)
            return;
    }
    for (uint64_t seq = head->seq + 1; seq <= record->linked; seq++)
        set->links[chain_link_find(set, chain, seq)].seq = 0;
    record->base = head->seq;
    record->base_hash = head->hash;
    record->linked = record->view.held = record->view.proved = head->seq;
}

int chain_cover(struct chain_set *set, unsigned slot, const struct checkpoint_statement *s)
{
    uint32_t new_chains = 0;

    CHECK(slot < CHAIN_CHECKPOINTS_MAX);
    for (uint32_t i = 0; i < s->head_count; i++)
        new_chains += chain_find(set, s->heads[i].author, s->heads[i].instance) == CHAIN_NONE;
    if (new_chains > set->limits.chains_max - set->chain_count)
        return -ENOSPC;
    for (uint32_t i = 0; i < s->head_count; i++) {
        const struct checkpoint_head *head = &s->heads[i];
        uint32_t chain = chain_find(set, head->author, head->instance);

        if (chain == CHAIN_NONE)
            chain = chain_create(set, head->author, head->instance);
        CHECK(set->chains[chain].heads[slot].seq == 0);
        set->chains[chain].heads[slot] = (struct chain_head){ head->seq, head->hash };
        find_covered(&set->chains[chain]);
        begin_at_covered(set, chain);
    }
    return 0;
}

void chain_mark_kept(struct chain_set *set, unsigned slot, uint32_t place, size_t size)
{
    struct checkpoint_reader r = checkpoint_read(set->bodies + place, size);
    struct checkpoint_kept kept;

    while (checkpoint_next(&r, &kept) > 0) {
        struct digest digest = digest_bytes(kept.body, kept.body_size);
        uint32_t chain = chain_find(set, kept.author, kept.instance);
        uint32_t number = find_kept(set, chain, kept.seq, &digest);

        CHECK(number != CHAIN_NONE); /* the segment was taken */
        set->links[number].mark |= 1u << slot;
    }
}

bool chain_uncover(struct chain_set *set, unsigned slot)
{
    bool whole = true;

    CHECK(slot < CHAIN_CHECKPOINTS_MAX);
    for (uint32_t i = 0; i < set->chain_count; i++) {
        struct chain_record *record = &set->chains[i];

        record->heads[slot] = (struct chain_head){ 0 };
        find_covered(record);
        if (record->base <= record->covered.seq && record->covered.seq > 0)
            begin_at_covered(set, i); /* the next head may name another past */
        whole &= record->base <= record->covered.seq;
    }
    for (uint32_t i = 0; i < set->link_count; i++) {
        if (set->links[i].kept)
            set->links[i].mark &= ~(1u << slot);
    }
    return whole;
}

uint64_t chain_covered(const struct chain_set *set, uint32_t chain)
{
    CHECK(chain < set->chain_count);
    return set->chains[chain].covered.seq;
}

struct digest chain_covered_hash(const struct chain_set *set, uint32_t chain)
{
    CHECK(chain < set->chain_count);
    return set->chains[chain].covered.hash;
}

uint64_t chain_base(const struct chain_set *set, uint32_t chain)
{
    CHECK(chain < set->chain_count);
    return set->chains[chain].base;
}

bool chain_link_current(const struct chain_set *set, const struct chain_link *link)
{
    const struct chain_record *record = &set->chains[link->chain];

    if (!link->kept)
        return link->seq > record->covered.seq;
    for (unsigned i = 0; i < CHAIN_CHECKPOINTS_MAX; i++) {
        if (record->heads[i].seq >= link->seq && !(link->mark >> i & 1))
            return false;
    }
    return link->seq <= record->covered.seq;
}

/* The hash that the lowest of the revocations names for this place; of several the smallest. */
static struct digest stated_hash(const struct chain_set *set, const struct chain_view *view,
                                 uint64_t seq)
{
    struct digest hash = { { 0 } };
    bool found = false;

    for (uint32_t i = 0; i < revoke_set_count(set->revocations); i++) {
        const struct revoke_statement *s = revoke_set_at(set->revocations, i);

        if (s->role != REVOKE_ADMIN || memcmp(s->subject, view->author, ENTRY_AUTHOR_SIZE) != 0)
            continue;
        for (size_t f = 0; f < s->frontier_count; f++) {
            if (s->frontiers[f].instance != view->instance || s->frontiers[f].seq != seq)
                continue;
            if (!found || memcmp(s->frontiers[f].hash.bytes, hash.bytes, DIGEST_SIZE) < 0)
                hash = s->frontiers[f].hash;
            found = true;
        }
    }
    return hash;
}

struct digest chain_listed_hash(const struct chain_set *set, uint32_t chain)
{
    const struct chain_record *record = &set->chains[chain];
    uint64_t listed = chain_listed(set, chain);

    if (listed == 0 || listed >= chain_floor(record))
        return chain_hash(set, chain, listed);
    if (listed == record->view.frontier)
        return stated_hash(set, &record->view, listed);
    if (listed == record->view.fork - 1)
        return chain_fork_before(set, record);
    return chain_hash(set, chain, listed); /* our own, not signed up to the head yet */
}
