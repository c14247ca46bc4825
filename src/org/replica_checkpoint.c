#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "org/replica_internal.h"

static struct digest statement_id(const struct replica *r, const struct checkpoint_statement *s)
{
    uint8_t message[CHECKPOINT_MESSAGE_SIZE];
    struct digest id;
    int result = checkpoint_message(s, &r->org, message);

    CHECK(result == 0);
    memcpy(id.bytes, message + CHECKPOINT_MESSAGE_SIZE - DIGEST_SIZE, DIGEST_SIZE);
    return id;
}

static struct digest element_of(const struct digest *id, bool segment)
{
    static const char checkpoint_domain[] = "broch element checkpoint";
    static const char segment_domain[] = "broch element segment";

    if (segment)
        return digest_pair(segment_domain, sizeof(segment_domain), id->bytes, DIGEST_SIZE);
    return digest_pair(checkpoint_domain, sizeof(checkpoint_domain), id->bytes, DIGEST_SIZE);
}

static bool is_void(const struct replica *r, const struct checkpoint_statement *s)
{
    return revoke_set_covers(r->revocations, REVOKE_ADMIN, s->signer);
}

static struct replica_segment *find_segment(const struct replica *r, const struct digest *digest)
{
    for (uint32_t i = 0; i < r->segment_count; i++) {
        if (memcmp(r->segments[i].digest.bytes, digest->bytes, DIGEST_SIZE) == 0)
            return &r->segments[i];
    }
    return NULL;
}

static bool is_complete(const struct replica *r, const struct checkpoint_statement *s)
{
    for (uint32_t i = 0; i < s->segment_count; i++) {
        if (!find_segment(r, &s->segments[i]))
            return false;
    }
    return true;
}

/* True when another one that is complete and not void reaches all of its heads. */
static bool is_replaced(const struct replica *r, const struct checkpoint_statement *s)
{
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        const struct replica_checkpoint *other = &r->checkpoints[i];

        if (other->used && !is_void(r, &other->statement) &&
            checkpoint_replaces(&other->statement, s) && is_complete(r, &other->statement))
            return true;
    }
    return false;
}

static bool names(const struct checkpoint_statement *s, const struct digest *segment)
{
    for (uint32_t i = 0; i < s->segment_count; i++) {
        if (memcmp(s->segments[i].bytes, segment->bytes, DIGEST_SIZE) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const struct replica *r, const struct digest *segment)
{
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        if (r->checkpoints[i].listed && names(&r->checkpoints[i].statement, segment))
            return true;
    }
    return false;
}

/* A free slot, or that of a checkpoint that has ended; NULL without one. */
static struct replica_checkpoint *free_slot(struct replica *r)
{
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        if (!r->checkpoints[i].used)
            return &r->checkpoints[i];
    }
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        if (!r->checkpoints[i].listed && !r->checkpoints[i].effective)
            return &r->checkpoints[i];
    }
    return NULL;
}

/* The chains of roots say who may write at all. Only a key of the genesis document may cover them:
 * whoever starts with nothing could check no other signature without them. */
static bool may_name(const struct replica *r, const uint8_t *signer, const uint8_t *author)
{
    return tree_is_genesis_root(r->tree, signer) ||
           !(tree_scope(r->tree, author) & RECORD_SCOPE_ROOT);
}

static bool may_sign(const struct replica *r, const struct checkpoint_statement *s)
{
    if (is_void(r, s) ||
        !(tree_scope(r->tree, s->signer) & (RECORD_SCOPE_ROOT | RECORD_SCOPE_COMPACT)))
        return false;
    for (uint32_t i = 0; i < s->head_count; i++) {
        if (!may_name(r, s->signer, s->heads[i].author))
            return false;
    }
    return true;
}

int replica_take_checkpoint(struct replica *r, const uint8_t *bytes, size_t size)
{
    struct checkpoint_statement *s = &r->scratch->statement;
    uint8_t message[CHECKPOINT_MESSAGE_SIZE];
    struct replica_checkpoint *slot;
    struct digest id;

    if (checkpoint_decode(bytes, size, s) < 0 || checkpoint_message(s, &r->org, message) < 0)
        return -EBADMSG;
    id = statement_id(r, s);
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        if (r->checkpoints[i].used &&
            memcmp(r->checkpoints[i].id.bytes, id.bytes, DIGEST_SIZE) == 0)
            return 0;
    }
    if (!may_sign(r, s))
        return -EACCES;
    if (!replica_verify(r, s->signer, message, sizeof(message), s->signature))
        return -EKEYREJECTED;
    if (is_replaced(r, s))
        return 0;
    slot = free_slot(r);
    if (!slot)
        return -ENOSPC;
    *slot = (struct replica_checkpoint){ .used = true, .id = id };
    slot->statement = *s;
    return 1;
}

int replica_take_segment(struct replica *r, const uint8_t *bytes, size_t size)
{
    struct digest digest = digest_bytes(bytes, size);
    uint32_t place;
    int result;

    if (size > CHECKPOINT_SEGMENT_SIZE_MAX)
        return -EBADMSG;
    if (find_segment(r, &digest))
        return 0;
    if (!is_wanted(r, &digest))
        return -EACCES;
    if (r->segment_count == r->segments_max)
        return -ENOSPC;
    result = chain_take_segment(r->chains, bytes, size, &place);
    if (result < 0)
        return result;
    r->segments[r->segment_count++] =
        (struct replica_segment){ .digest = digest, .place = place, .size = (uint32_t)size };
    return 1;
}

int replica_pack_checkpoint(const struct replica *r, uint32_t number, struct output *o)
{
    uint8_t *bytes;
    size_t size;

    output_u8(o, REPLICA_CHECKPOINT);
    bytes = output_reserve(o, CHECKPOINT_SIZE_MAX);
    if (!bytes || checkpoint_encode(&r->checkpoints[number].statement, bytes, &size) < 0)
        return -ENOSPC;
    o->size -= CHECKPOINT_SIZE_MAX - size;
    return 0;
}

int replica_pack_segment(const struct replica *r, uint32_t number, struct output *o)
{
    const struct replica_segment *segment = &r->segments[number];

    output_u8(o, REPLICA_SEGMENT);
    output_copy(o, chain_segment(r->chains, segment->place), segment->size);
    return output_fits(o) ? 0 : -ENOSPC;
}

static bool put_into_effect(struct replica *r, unsigned slot)
{
    struct replica_checkpoint *c = &r->checkpoints[slot];

    if (chain_cover(r->chains, slot, &c->statement) < 0) {
        r->counters.full++;
        return false;
    }
    for (uint32_t i = 0; i < c->statement.segment_count; i++) {
        const struct replica_segment *segment = find_segment(r, &c->statement.segments[i]);

        CHECK(segment); /* it is complete */
        chain_mark_kept(r->chains, slot, segment->place, segment->size);
    }
    c->effective = true;
    return true;
}

/* Brings the index in line with what is to be listed; true when it changed. */
static bool list(struct replica *r, const struct digest *id, uint8_t kind, uint32_t number,
                 bool wanted, bool *listed)
{
    struct digest element;

    if (*listed == wanted)
        return false;
    element = element_of(id, kind == REPLICA_SEGMENT);
    if (wanted)
        replica_put_element(r, &element, &element, kind, number);
    else
        (void)index_delete(r->index, &element); /* it was there */
    *listed = wanted;
    return true;
}

bool replica_update_checkpoints(struct replica *r)
{
    bool wanted[REPLICA_CHECKPOINTS_MAX], changed = false;

    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        struct replica_checkpoint *c = &r->checkpoints[i];

        wanted[i] = c->used && !is_void(r, &c->statement) && !is_replaced(r, &c->statement);
        changed |= list(r, &c->id, REPLICA_CHECKPOINT, i, wanted[i], &c->listed);
    }
    for (uint32_t i = 0; i < r->segment_count; i++)
        changed |= list(r, &r->segments[i].digest, REPLICA_SEGMENT, i,
                        is_wanted(r, &r->segments[i].digest), &r->segments[i].listed);
    /* The new ones first, so that a chain that began at an old head is never without ground. */
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        struct replica_checkpoint *c = &r->checkpoints[i];

        if (wanted[i] && !c->effective && is_complete(r, &c->statement))
            changed |= put_into_effect(r, i);
    }
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        struct replica_checkpoint *c = &r->checkpoints[i];

        if (wanted[i] || !c->effective)
            continue;
        r->stale |= !chain_uncover(r->chains, i);
        c->effective = false;
        changed = true;
    }
    return changed;
}

bool replica_stale(const struct replica *r)
{
    return r->stale;
}

enum { GROUP_HEAD_SIZE_MAX = 32 + 8 + 3 };

static void begin_segment(struct replica_packer *p)
{
    p->o = output_make(p->bytes, sizeof(p->bytes));
    output_u8(&p->o, REPLICA_SEGMENT);
}

static void begin_packing(struct replica_packer *p,
                          int (*emit)(void *context, const uint8_t *bytes, size_t size),
                          void *context, struct checkpoint_statement *statement)
{
    p->emit = emit;
    p->context = context;
    p->statement = statement;
    p->group = output_make(p->group_bytes, sizeof(p->group_bytes));
    p->group_count = 0;
    p->group_seq = 0;
    begin_segment(p);
}

static void end_group(struct replica_packer *p)
{
    if (p->group_count == 0)
        return;
    output_copy(&p->o, p->chain->author, ENTRY_AUTHOR_SIZE);
    output_le64(&p->o, p->chain->instance);
    varint_write(&p->o, p->group_count);
    output_copy(&p->o, p->group_bytes, p->group.size);
    CHECK(output_fits(&p->o));
    p->group = output_make(p->group_bytes, sizeof(p->group_bytes));
    p->group_count = 0;
    p->group_seq = 0;
}

static int end_segment(struct replica_packer *p)
{
    struct checkpoint_statement *s = p->statement;
    int result = 0;

    end_group(p);
    if (p->o.size <= 1)
        return 0;
    if (s->segment_count == CHECKPOINT_SEGMENTS_MAX)
        return -E2BIG;
    s->segments[s->segment_count++] = digest_bytes(p->bytes + 1, p->o.size - 1);
    if (p->emit)
        result = p->emit(p->context, p->bytes, p->o.size);
    begin_segment(p);
    return result;
}

static int pack_kept(struct replica_packer *p, const uint8_t *body, size_t size, uint64_t seq)
{
    size_t more = GROUP_HEAD_SIZE_MAX + p->group.size + 10 + 3 + size;
    int result;

    if (p->group_count == CHECKPOINT_GROUP_MAX || more > sizeof(p->bytes) - p->o.size) {
        result = end_segment(p);
        if (result < 0)
            return result;
    }
    varint_write(&p->group, seq - p->group_seq);
    varint_write(&p->group, size);
    output_copy(&p->group, body, size);
    CHECK(output_fits(&p->group));
    p->group_seq = seq;
    p->group_count++;
    return 0;
}

static int pack_chain(struct replica *r, struct replica_packer *p, uint32_t chain)
{
    uint64_t covered = chain_covered(r->chains, chain), head = chain_valid(r->chains, chain);
    int result = 0;

    p->chain = chain_at(r->chains, chain);
    for (uint64_t seq = 1; seq <= head && result == 0; seq++) {
        uint32_t number = seq <= covered ? chain_kept_find(r->chains, chain, seq)
                                         : chain_link_find(r->chains, chain, seq);
        const struct chain_link *link;

        if (number == CHAIN_NONE || !r->marks[number])
            continue;
        link = chain_link_at(r->chains, number);
        result = pack_kept(p, chain_link_body(r->chains, link), link->body_size, seq);
    }
    end_group(p);
    return result;
}

/* The chains to name, that have something valid or are covered, rising by (author, instance). */
static int sort_chains(const struct replica *r, const uint8_t *signer,
                       uint32_t order[static CHECKPOINT_HEADS_MAX], uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < chain_set_count(r->chains); i++) {
        const struct chain_view *view = chain_at(r->chains, i);
        uint32_t k = *ret_count;

        r->named[i] = (chain_valid(r->chains, i) > 0 || chain_covered(r->chains, i) > 0) &&
                      may_name(r, signer, view->author);
        if (!r->named[i])
            continue;
        if (k == CHECKPOINT_HEADS_MAX)
            return -E2BIG;
        for (; k > 0; k--) {
            const struct chain_view *before = chain_at(r->chains, order[k - 1]);

            if (entry_chain_compare(before->author, before->instance, view->author,
                                    view->instance) < 0)
                break;
            order[k] = order[k - 1];
        }
        order[k] = i;
        ++*ret_count;
    }
    return *ret_count > 0 ? 0 : -ENOENT;
}

/* A chain that was revoked or forked below an earlier head keeps that one. */
static struct checkpoint_head head_of(const struct replica *r, uint32_t chain)
{
    const struct chain_view *view = chain_at(r->chains, chain);
    struct checkpoint_head head = { .instance = view->instance,
                                    .seq = chain_valid(r->chains, chain) };

    memcpy(head.author, view->author, sizeof(head.author));
    if (head.seq > chain_covered(r->chains, chain)) {
        head.hash = chain_hash(r->chains, chain, head.seq);
    } else {
        head.seq = chain_covered(r->chains, chain);
        head.hash = chain_covered_hash(r->chains, chain);
    }
    return head;
}

int replica_checkpoint(struct replica *r, const uint8_t signer[static 32], uint64_t stamp,
                       int (*emit)(void *context, const uint8_t *bytes, size_t size), void *context,
                       struct checkpoint_statement *ret)
{
    struct replica_packer *p = &r->scratch->packer;
    uint32_t order[CHECKPOINT_HEADS_MAX], count;
    int result = r->stale ? -ESTALE : sort_chains(r, signer, order, &count);

    if (result < 0)
        return result;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->signer, signer, sizeof(ret->signer));
    ret->stamp = stamp;
    begin_packing(p, emit, context, ret);
    memset(r->marks, 0, chain_set_entries(r->chains) * sizeof(r->marks[0]));
    tree_mark_needed(r->tree, r->named, r->marks);
    for (uint32_t i = 0; i < count && result == 0; i++) {
        ret->heads[ret->head_count++] = head_of(r, order[i]);
        result = pack_chain(r, p, order[i]);
    }
    return result < 0 ? result : end_segment(p);
}
