#include "org/chain.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"
#include "org/chain_internal.h"

struct digest chain_origin(const struct digest *org, const uint8_t *author, uint64_t instance)
{
    static const char domain[] = "broch chain 1";
    uint8_t bytes[sizeof(domain) + DIGEST_SIZE + ENTRY_AUTHOR_SIZE + 8];
    struct output o = output_make(bytes, sizeof(bytes));

    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, org->bytes, DIGEST_SIZE);
    output_copy(&o, author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, instance);
    CHECK(output_fits(&o) && o.size == sizeof(bytes));
    return digest_bytes(bytes, sizeof(bytes));
}

struct digest chain_step(const struct digest *before, const uint8_t digest[static DIGEST_SIZE])
{
    return digest_pair(before->bytes, DIGEST_SIZE, digest, DIGEST_SIZE);
}

void chain_message(const struct digest *org, const uint8_t *author, uint64_t instance, uint64_t seq,
                   const struct digest *hash, uint8_t message[static CHAIN_MESSAGE_SIZE])
{
    static const char domain[13] = "broch head 1";
    struct output o = output_make(message, CHAIN_MESSAGE_SIZE);

    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, org->bytes, DIGEST_SIZE);
    output_copy(&o, author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, instance);
    output_le64(&o, seq);
    output_copy(&o, hash->bytes, DIGEST_SIZE);
    CHECK(output_fits(&o) && o.size == CHAIN_MESSAGE_SIZE);
}

int chain_set_new(const struct chain_limits *limits, const struct chain_rules *rules,
                  const struct digest *org, const struct revoke_set *revocations,
                  struct chain_set **ret)
{
    struct chain_set *set = heap_take(1, sizeof(*set));
    uint32_t slots = 16;

    CHECK(limits->chains_max > 0 && limits->entries_max > 0);
    CHECK(limits->entries_max < UINT32_MAX / 4);
    if (!set)
        return -ENOMEM;
    while (slots < 2 * limits->entries_max)
        slots *= 2;
    set->limits = *limits;
    set->rules = *rules;
    set->org = *org;
    set->revocations = revocations;
    set->slot_mask = slots - 1;
    set->signatures_max = limits->entries_max / CHAIN_SPAN + limits->chains_max;
    set->chains = heap_take(limits->chains_max, sizeof(set->chains[0]));
    set->links = heap_take(limits->entries_max, sizeof(set->links[0]));
    set->slots = heap_take(slots, sizeof(set->slots[0]));
    set->bodies = heap_take(1, limits->bytes_max > 0 ? limits->bytes_max : 1);
    set->signatures = heap_take(set->signatures_max, sizeof(set->signatures[0]));
    set->evidence = heap_take(limits->evidence_max + 1u, sizeof(set->evidence[0]));
    if (!set->chains || !set->links || !set->slots || !set->bodies || !set->signatures ||
        !set->evidence) {
        (void)chain_set_free(set);
        return -ENOMEM;
    }
    *ret = set;
    return 0;
}

struct chain_set *chain_set_free(struct chain_set *set)
{
    if (!set)
        return NULL;
    heap_release(set->chains);
    heap_release(set->links);
    heap_release(set->slots);
    heap_release(set->bodies);
    heap_release(set->signatures);
    heap_release(set->evidence);
    heap_release(set);
    return NULL;
}

/* Eight neighbours share half a cache line: chains are read and written in order. */
uint32_t chain_slot_start(const struct chain_set *set, uint32_t chain, uint64_t seq)
{
    uint64_t mixed = (seq / 8 ^ ((uint64_t)chain << 40)) * 0x9e3779b97f4a7c15ull;

    return ((uint32_t)(mixed >> 32) * 8 + (uint32_t)(seq % 8)) & set->slot_mask;
}

uint32_t chain_link_find(const struct chain_set *set, uint32_t chain, uint64_t seq)
{
    uint32_t slot = chain_slot_start(set, chain, seq);

    while (set->slots[slot] != 0) {
        const struct chain_link *link = &set->links[set->slots[slot] - 1];

        if (link->chain == chain && link->seq == seq && !link->kept)
            return set->slots[slot] - 1;
        slot = (slot + 1) & set->slot_mask;
    }
    return CHAIN_NONE;
}

void chain_add_link(struct chain_set *set, uint32_t chain, const struct digest *digest,
                    const struct digest *hash)
{
    struct chain_record *record = &set->chains[chain];
    uint64_t seq = ++record->linked;
    uint32_t slot = chain_slot_start(set, chain, seq);

    CHECK(set->link_count < set->limits.entries_max);
    while (set->slots[slot] != 0)
        slot = (slot + 1) & set->slot_mask;
    set->links[set->link_count] =
        (struct chain_link){ .hash = *hash, .digest = *digest, .seq = seq, .chain = chain };
    set->slots[slot] = ++set->link_count;
}

void chain_add_kept(struct chain_set *set, uint32_t chain, uint64_t seq,
                    const struct digest *digest, uint32_t place, size_t size)
{
    uint32_t slot = chain_slot_start(set, chain, seq);

    CHECK(set->link_count < set->limits.entries_max);
    while (set->slots[slot] != 0)
        slot = (slot + 1) & set->slot_mask;
    set->links[set->link_count] = (struct chain_link){ .digest = *digest,
                                                       .seq = seq,
                                                       .chain = chain,
                                                       .body_offset = place,
                                                       .body_size = (uint16_t)size,
                                                       .kept = true };
    set->slots[slot] = ++set->link_count;
}

void chain_add_body(struct chain_set *set, struct chain_link *link, const uint8_t *body,
                    size_t size)
{
    CHECK(link->body_size == 0 && size > 0);
    CHECK(size <= set->limits.bytes_max - set->body_bytes);
    memcpy(set->bodies + set->body_bytes, body, size);
    link->body_offset = set->body_bytes;
    link->body_size = (uint16_t)size;
    set->body_bytes += (uint32_t)size;
    set->chains[link->chain].bytes += (uint32_t)size;
}

int chain_room_chain(const struct chain_set *set, const uint8_t *author)
{
    uint32_t own = 0;

    for (uint32_t i = 0; i < set->chain_count; i++)
        own += memcmp(set->chains[i].view.author, author, ENTRY_AUTHOR_SIZE) == 0;
    if (own >= set->limits.author_chains_max)
        return -EDQUOT;
    return set->chain_count < set->limits.chains_max ? 0 : -ENOSPC;
}

int chain_room(const struct chain_set *set, const uint8_t *author, uint32_t chain, uint32_t entries,
               size_t bytes)
{
    if (entries > set->limits.entries_max - set->link_count ||
        bytes > set->limits.bytes_max - set->body_bytes ||
        set->signature_count == set->signatures_max)
        return -ENOSPC;
    return chain == CHAIN_NONE ? chain_room_chain(set, author) : 0;
}

uint32_t chain_create(struct chain_set *set, const uint8_t *author, uint64_t instance)
{
    struct chain_record *record = &set->chains[set->chain_count];

    CHECK(set->chain_count < set->limits.chains_max);
    CHECK(chain_find(set, author, instance) == CHAIN_NONE);
    memset(record, 0, sizeof(*record));
    memcpy(record->view.author, author, ENTRY_AUTHOR_SIZE);
    record->view.instance = instance;
    record->view.frontier = revoke_set_frontier(set->revocations, author, instance);
    record->origin = chain_origin(&set->org, author, instance);
    return set->chain_count++;
}

void chain_set_revoked(struct chain_set *set, const uint8_t subject[static ENTRY_AUTHOR_SIZE])
{
    for (uint32_t i = 0; i < set->chain_count; i++) {
        struct chain_view *view = &set->chains[i].view;

        if (memcmp(view->author, subject, ENTRY_AUTHOR_SIZE) == 0)
            view->frontier = revoke_set_frontier(set->revocations, subject, view->instance);
    }
}

int chain_append(struct chain_set *set, const uint8_t author[static ENTRY_AUTHOR_SIZE],
                 uint64_t instance, const void *body, size_t size, uint32_t *ret_chain)
{
    uint32_t chain = chain_find(set, author, instance);
    struct chain_record *record;
    struct digest digest, hash;
    struct entry e;
    int r;

    if (entry_decode(body, size, &e) < 0)
        return -EBADMSG;
    if (revoke_set_frontier(set->revocations, author, instance) != UINT64_MAX)
        return -EKEYREVOKED;
    /* What nobody would take must not be written either: on our own disk it would be a stranger's.
     */
    if (!set->rules.admits(set->rules.context, author))
        return -EACCES;
    if (chain != CHAIN_NONE) {
        record = &set->chains[chain];
        if (record->view.fork != 0 || record->linked != record->view.held)
            return -EKEYREVOKED;
        if (record->view.held % CHAIN_SPAN == 0 && record->view.proved != record->view.held)
            return -EAGAIN;
        if (record->view.held >= set->limits.chain_entries_max ||
            record->bytes + (uint64_t)size > set->limits.chain_bytes_max)
            return -EDQUOT;
    }
    r = chain_room(set, author, chain, 1, size);
    if (r < 0)
        return r;
    if (chain == CHAIN_NONE)
        chain = chain_create(set, author, instance);
    record = &set->chains[chain];
    digest = digest_bytes(body, size);
    hash = chain_hash(set, chain, record->view.held);
    hash = chain_step(&hash, digest.bytes);
    chain_add_link(set, chain, &digest, &hash);
    chain_add_body(set, &set->links[set->link_count - 1], body, size);
    record->view.held = record->linked;
    *ret_chain = chain;
    return 0;
}

void chain_head_message(const struct chain_set *set, uint32_t chain,
                        uint8_t message[static CHAIN_MESSAGE_SIZE])
{
    const struct chain_view *view = chain_at(set, chain);
    struct digest hash = chain_hash(set, chain, view->held);

    chain_message(&set->org, view->author, view->instance, view->held, &hash, message);
}

int chain_seal(struct chain_set *set, uint32_t chain,
               const uint8_t signature[static CHAIN_SIGNATURE_SIZE])
{
    struct chain_record *record = &set->chains[chain];
    uint8_t message[CHAIN_MESSAGE_SIZE];

    CHECK(chain < set->chain_count && record->view.held > 0);
    CHECK(record->view.held == record->linked);
    chain_head_message(set, chain, message);
    if (!set->rules.verify(set->rules.context, record->view.author, message, sizeof(message),
                           signature))
        return -EKEYREJECTED;
    record->view.proved = record->view.held;
    memcpy(record->signature, signature, CHAIN_SIGNATURE_SIZE);
    if (record->view.held % CHAIN_SPAN == 0) {
        struct chain_link *link = &set->links[chain_link_find(set, chain, record->view.held)];

        if (link->mark == 0) {
            CHECK(set->signature_count < set->signatures_max);
            memcpy(set->signatures[set->signature_count], signature, CHAIN_SIGNATURE_SIZE);
            link->mark = ++set->signature_count;
        }
    }
    return 0;
}

const uint8_t *chain_signature_after(const struct chain_set *set, uint32_t chain, uint64_t seq,
                                     uint64_t *ret_signed)
{
    const struct chain_record *record = &set->chains[chain];
    uint64_t end = chain_span_end(seq);

    if (record->view.proved >= end) {
        const struct chain_link *link = &set->links[chain_link_find(set, chain, end)];

        CHECK(link->mark != 0);
        *ret_signed = end;
        return set->signatures[link->mark - 1];
    }
    if (record->view.proved < seq)
        return NULL;
    *ret_signed = record->view.proved;
    return record->signature;
}

uint32_t chain_set_count(const struct chain_set *set)
{
    return set->chain_count;
}

uint32_t chain_set_entries(const struct chain_set *set)
{
    return set->link_count;
}

const struct chain_view *chain_at(const struct chain_set *set, uint32_t index)
{
    CHECK(index < set->chain_count);
    return &set->chains[index].view;
}

uint32_t chain_find(const struct chain_set *set, const uint8_t author[static ENTRY_AUTHOR_SIZE],
                    uint64_t instance)
{
    for (uint32_t i = 0; i < set->chain_count; i++) {
        const struct chain_view *view = &set->chains[i].view;

        if (view->instance == instance && memcmp(view->author, author, ENTRY_AUTHOR_SIZE) == 0)
            return i;
    }
    return CHAIN_NONE;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t chain_allowed(const struct chain_set *set, uint32_t chain)
{
    const struct chain_view *view = chain_at(set, chain);
    uint64_t limit = min_u64(view->frontier, set->limits.chain_entries_max);

    return view->fork != 0 ? min_u64(limit, view->fork - 1) : limit;
}

uint64_t chain_listed(const struct chain_set *set, uint32_t chain)
{
    const struct chain_view *view = chain_at(set, chain);

    return min_u64(min_u64(view->held, view->proved), chain_allowed(set, chain));
}

uint64_t chain_valid(const struct chain_set *set, uint32_t chain)
{
    const struct chain_view *view = chain_at(set, chain);
    uint64_t listed = chain_listed(set, chain);

    for (uint32_t i = 0; view->frontier != UINT64_MAX && i < revoke_set_count(set->revocations);
         i++) {
        const struct revoke_statement *s = revoke_set_at(set->revocations, i);

        if (s->role != REVOKE_ADMIN || memcmp(s->subject, view->author, ENTRY_AUTHOR_SIZE) != 0)
            continue;
        for (size_t f = 0; f < s->frontier_count; f++) {
            struct digest hash;

            /* Below a checkpoint nobody needs to have the chain, so nobody compares. */
            if (s->frontiers[f].instance != view->instance || s->frontiers[f].seq > listed ||
                s->frontiers[f].seq < chain_floor(&set->chains[chain]))
                continue;
            hash = chain_hash(set, chain, s->frontiers[f].seq);
            if (memcmp(hash.bytes, s->frontiers[f].hash.bytes, DIGEST_SIZE) != 0)
                return 0; /* the copied key's branch; the true one will show the fork */
        }
    }
    return listed;
}

struct digest chain_hash(const struct chain_set *set, uint32_t chain, uint64_t seq)
{
    uint32_t link;

    CHECK(chain < set->chain_count && seq <= set->chains[chain].linked);
    if (seq == 0)
        return set->chains[chain].origin;
    if (seq == set->chains[chain].base)
        return set->chains[chain].base_hash;
    link = chain_link_find(set, chain, seq);
    CHECK(link != CHAIN_NONE);
    return set->links[link].hash;
}

const struct chain_link *chain_link_at(const struct chain_set *set, uint32_t number)
{
    CHECK(number < set->link_count);
    return &set->links[number];
}

const uint8_t *chain_link_body(const struct chain_set *set, const struct chain_link *link)
{
    return link->body_size > 0 ? set->bodies + link->body_offset : NULL;
}
