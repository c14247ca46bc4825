#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/varint.h"
#include "org/chain_internal.h"

/* A decoded batch; views into the received bytes, and the hashes computed along it. */
struct batch {
    const uint8_t *author;
    const uint8_t *signature;
    uint64_t instance;
    uint64_t first;
    uint64_t last;
    struct digest before;
    uint32_t bodies; /* how many of the `total` links come with their body */
    uint32_t total;
    const uint8_t *body[CHAIN_SPAN];
    uint32_t body_size[CHAIN_SPAN];
    struct digest digest[CHAIN_SPAN];
    struct digest hash[CHAIN_SPAN];
};

static int read_bodies(struct cursor *c, struct batch *b)
{
    struct entry e;

    b->bodies = (uint32_t)varint_read(c, CHAIN_SPAN);
    for (uint32_t i = 0; i < b->bodies; i++) {
        b->body_size[i] = (uint32_t)varint_read(c, ENTRY_SIZE_MAX);
        b->body[i] = cursor_take(c, b->body_size[i]);
        if (c->failed || entry_decode(b->body[i], b->body_size[i], &e) < 0)
            return -EBADMSG;
        b->digest[i] = digest_bytes(b->body[i], b->body_size[i]);
    }
    return 0;
}

static int read_batch(const void *bytes, size_t size, struct batch *b)
{
    struct cursor c = cursor_make(bytes, size);
    uint32_t tail;

    b->author = cursor_take(&c, ENTRY_AUTHOR_SIZE);
    b->instance = cursor_le64(&c);
    b->first = varint_read(&c, UINT64_MAX - CHAIN_SPAN);
    cursor_copy(&c, b->before.bytes, DIGEST_SIZE);
    if (c.failed || b->first == 0 || read_bodies(&c, b) < 0)
        return -EBADMSG;
    tail = (uint32_t)varint_read(&c, CHAIN_SPAN);
    b->total = b->bodies + tail;
    if (c.failed || b->total == 0 || b->first + b->total - 1 > chain_span_end(b->first))
        return -EBADMSG;
    for (uint32_t i = b->bodies; i < b->total; i++)
        cursor_copy(&c, b->digest[i].bytes, DIGEST_SIZE);
    b->signature = cursor_take(&c, CHAIN_SIGNATURE_SIZE);
    if (!cursor_finished(&c))
        return -EBADMSG;
    b->last = b->first + b->total - 1;
    b->hash[0] = chain_step(&b->before, b->digest[0].bytes);
    for (uint32_t i = 1; i < b->total; i++)
        b->hash[i] = chain_step(&b->hash[i - 1], b->digest[i].bytes);
    return 0;
}

/* True when our own link at the batch's end has its hash: then every byte of it is known good. */
static bool ends_where_we_are(const struct chain_set *set, uint32_t chain, const struct batch *b)
{
    struct digest hash;

    if (chain == CHAIN_NONE || b->last > set->chains[chain].linked ||
        b->last < set->chains[chain].base)
        return false;
    hash = chain_hash(set, chain, b->last);
    return memcmp(hash.bytes, b->hash[b->total - 1].bytes, DIGEST_SIZE) == 0;
}

static bool signature_holds(const struct chain_set *set, const struct batch *b)
{
    uint8_t message[CHAIN_MESSAGE_SIZE];

    chain_message(&set->org, b->author, b->instance, b->last, &b->hash[b->total - 1], message);
    return set->rules.verify(set->rules.context, b->author, message, sizeof(message), b->signature);
}

/* Where to look for a fork that lies before `first`: a span back, then half way to the start, so
 * that any fork is found in a logarithmic number of questions. */
static uint64_t search_before(uint64_t first)
{
    uint64_t back = first / 2 < first - 1 ? first / 2 : first - 1;

    if (back == 0)
        return 1;
    return (back - 1) / CHAIN_SPAN * CHAIN_SPAN + 1;
}

/* The index within the batch of the first link that differs from ours; b->total when none does. */
static uint32_t first_difference(const struct chain_set *set, uint32_t chain, const struct batch *b)
{
    for (uint32_t i = 0; i < b->total && b->first + i <= set->chains[chain].linked; i++) {
        struct digest hash = chain_hash(set, chain, b->first + i);

        if (memcmp(hash.bytes, b->hash[i].bytes, DIGEST_SIZE) != 0)
            return i;
    }
    return b->total;
}

/* How many leading bodies are worth storing, and how many bytes of them are new: up to the quota of
 * the chain, which ends it at the same entry everywhere. */
static uint32_t wanted_bodies(const struct chain_set *set, uint32_t chain, const struct batch *b,
                              uint64_t limit, size_t *ret_bytes)
{
    uint64_t held = chain == CHAIN_NONE ? 0 : set->chains[chain].view.held;
    uint64_t bytes = chain == CHAIN_NONE ? 0 : set->chains[chain].bytes;
    uint32_t wanted = 0;

    *ret_bytes = 0;
    while (wanted < b->bodies && b->first + wanted <= limit) {
        size_t more = b->first + wanted > held ? b->body_size[wanted] : 0;

        if (bytes + *ret_bytes + more > set->limits.chain_bytes_max)
            break;
        *ret_bytes += more;
        wanted++;
    }
    return wanted;
}

static void keep_signature(struct chain_set *set, uint32_t chain, const struct batch *b)
{
    struct chain_record *record = &set->chains[chain];
    struct chain_link *link = &set->links[chain_link_find(set, chain, b->last)];

    if (b->last > record->view.proved) {
        record->view.proved = b->last;
        memcpy(record->signature, b->signature, CHAIN_SIGNATURE_SIZE);
    }
    if (b->last % CHAIN_SPAN == 0 && link->mark == 0) {
        CHECK(set->signature_count < set->signatures_max);
        memcpy(set->signatures[set->signature_count], b->signature, CHAIN_SIGNATURE_SIZE);
        link->mark = ++set->signature_count;
    }
}

static void store(struct chain_set *set, uint32_t chain, const struct batch *b, uint32_t wanted,
                  uint32_t same)
{
    struct chain_record *record = &set->chains[chain];

    for (uint32_t i = 0; i < same; i++) {
        uint64_t seq = b->first + i;
        struct chain_link *link;

        if (seq > record->linked)
            chain_add_link(set, chain, &b->digest[i], &b->hash[i]);
        link = &set->links[chain_link_find(set, chain, seq)];
        if (i < wanted && link->body_size == 0)
            chain_add_body(set, link, b->body[i], b->body_size[i]);
        if (i < wanted && seq == record->view.held + 1)
            record->view.held = seq;
    }
}

/* The last seq that no fork, frontier or limit voids. */
static uint64_t last_allowed(const struct chain_set *set, uint32_t chain, const struct batch *b)
{
    uint64_t frontier;

    if (chain != CHAIN_NONE)
        return chain_allowed(set, chain);
    frontier = revoke_set_frontier(set->revocations, b->author, b->instance);
    return frontier < set->limits.chain_entries_max ? frontier : set->limits.chain_entries_max;
}

/* Leaves out of a batch what lies at or below the head where the chain begins here. False when it
 * leads somewhere else: the author signed another past than the one that the checkpoint names. */
static bool cut_to_base(const struct chain_record *record, struct batch *b)
{
    uint32_t cut = (uint32_t)(record->base + 1 - b->first);

    if (memcmp(b->hash[cut - 1].bytes, record->base_hash.bytes, DIGEST_SIZE) != 0)
        return false;
    b->before = record->base_hash;
    b->first += cut;
    b->total -= cut;
    b->bodies = b->bodies > cut ? b->bodies - cut : 0;
    memmove(b->body, b->body + cut, b->bodies * sizeof(b->body[0]));
    memmove(b->body_size, b->body_size + cut, b->bodies * sizeof(b->body_size[0]));
    memmove(b->digest, b->digest + cut, b->total * sizeof(b->digest[0]));
    memmove(b->hash, b->hash + cut, b->total * sizeof(b->hash[0]));
    return true;
}

/* The part of chain_take() that changes things: everything that can refuse has not refused. */
static int take_checked(struct chain_set *set, uint32_t chain, const struct batch *b,
                        struct chain_outcome *ret)
{
    uint64_t linked = chain == CHAIN_NONE ? 0 : set->chains[chain].linked;
    uint64_t held = chain == CHAIN_NONE ? 0 : set->chains[chain].view.held;
    uint32_t same = chain == CHAIN_NONE ? b->total : first_difference(set, chain, b);
    size_t bytes;
    uint32_t wanted = wanted_bodies(set, chain, b, last_allowed(set, chain, b), &bytes);
    int r;

    if (wanted < b->bodies && b->first + wanted <= last_allowed(set, chain, b) &&
        b->first + wanted <= held + 1 && same == b->total)
        return -EDQUOT; /* the next body does not fit into the chain's quota */
    if (wanted > same)
        wanted = same;
    r = chain_room(set, b->author, chain,
                   b->last > linked && same == b->total ? (uint32_t)(b->last - linked) : 0, bytes);
    if (r < 0)
        return r;
    ret->result = CHAIN_KNOWN;
    if (same < b->total) {
        struct chain_branch theirs = { b->digest[same].bytes, b->total - same, b->signature };

        r = chain_record_fork(set, chain, b->first + same, &theirs);
        if (r < 0)
            return r;
        ret->result = (enum chain_result)r;
    }
    if (chain == CHAIN_NONE)
        chain = chain_create(set, b->author, b->instance);
    store(set, chain, b, wanted, same);
    if (same == b->total)
        keep_signature(set, chain, b);
    ret->chain = chain;
    ret->first = held + 1;
    ret->last = set->chains[chain].view.held;
    if (ret->result == CHAIN_KNOWN && ret->last > held)
        ret->result = CHAIN_TOOK;
    return 0;
}

int chain_take(struct chain_set *set, const void *bytes, size_t size, struct chain_outcome *ret)
{
    struct batch b;
    uint32_t chain;
    bool known;
    uint64_t held, base;

    if (read_batch(bytes, size, &b) < 0)
        return -EBADMSG;
    chain = chain_find(set, b.author, b.instance);
    *ret = (struct chain_outcome){ .chain = chain };
    if (!set->rules.admits(set->rules.context, b.author)) {
        ret->result = CHAIN_STRANGER;
        return 0;
    }
    if (b.first > last_allowed(set, chain, &b)) {
        ret->result = CHAIN_VOID; /* before the signature: a revoked author costs us no time */
        return 0;
    }
    held = chain == CHAIN_NONE ? 0 : set->chains[chain].view.held;
    base = chain == CHAIN_NONE ? 0 : set->chains[chain].base;
    if (b.last <= base) {
        ret->result = CHAIN_KNOWN; /* as far as we can tell: a checkpoint stands for it */
        return 0;
    }
    known = ends_where_we_are(set, chain, &b);
    if (!known && !signature_holds(set, &b))
        return -EKEYREJECTED;
    if (b.first > held + 1) {
        ret->result = CHAIN_GAP;
        ret->want = held + 1;
        return 0;
    }
    if (b.first <= base && !cut_to_base(&set->chains[chain], &b)) {
        ret->result = CHAIN_DIVERGED;
        ret->want = base + 1;
        return 0;
    }
    if (!known) {
        struct digest before = chain == CHAIN_NONE ? chain_origin(&set->org, b.author, b.instance)
                                                   : chain_hash(set, chain, b.first - 1);

        if (memcmp(before.bytes, b.before.bytes, DIGEST_SIZE) != 0) {
            if (b.first == 1)
                return -EBADMSG; /* signed, but the origin is no choice of the author's */
            ret->result = CHAIN_DIVERGED;
            ret->want = search_before(b.first);
            return 0;
        }
    }
    return take_checked(set, chain, &b, ret);
}

/* Writes bodies from `first` on, as many as fit; returns how many. */
static uint32_t pack_bodies(const struct chain_set *set, uint32_t chain, uint64_t first,
                            uint64_t end, struct output *o)
{
    uint32_t count = 0, bytes = 0;

    while (first + count <= end) {
        const struct chain_link *link = &set->links[chain_link_find(set, chain, first + count)];

        if (count > 0 && bytes + link->body_size > CHAIN_BATCH_BYTES_MAX)
            break;
        bytes += link->body_size;
        count++;
    }
    varint_write(o, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct chain_link *link = &set->links[chain_link_find(set, chain, first + i)];

        varint_write(o, link->body_size);
        output_copy(o, chain_link_body(set, link), link->body_size);
    }
    return count;
}

int chain_pack(const struct chain_set *set, uint32_t chain, uint64_t first, struct output *o,
               uint64_t *ret_next)
{
    const struct chain_view *view = chain_at(set, chain);
    uint64_t listed = chain_listed(set, chain), end, signed_seq;
    const uint8_t *signature;
    struct digest before;
    uint32_t count;

    if (first <= set->chains[chain].base || first > listed)
        return -ENOENT;
    signature = chain_signature_after(set, chain, first, &signed_seq);
    CHECK(signature); /* listed is proved */
    end = signed_seq < listed ? signed_seq : listed;
    before = chain_hash(set, chain, first - 1);
    output_copy(o, view->author, ENTRY_AUTHOR_SIZE);
    output_le64(o, view->instance);
    varint_write(o, first);
    output_copy(o, before.bytes, DIGEST_SIZE);
    count = pack_bodies(set, chain, first, end, o);
    varint_write(o, signed_seq - (first + count - 1));
    for (uint64_t seq = first + count; seq <= signed_seq; seq++)
        output_copy(o, set->links[chain_link_find(set, chain, seq)].digest.bytes, DIGEST_SIZE);
    output_copy(o, signature, CHAIN_SIGNATURE_SIZE);
    if (!output_fits(o))
        return -ENOSPC;
    *ret_next = first + count;
    return 0;
}
