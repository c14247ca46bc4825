#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/varint.h"
#include "org/chain_internal.h"

static void write_branch(struct output *o, const struct chain_branch *b)
{
    varint_write(o, b->count);
    output_copy(o, b->digests, (size_t)b->count * DIGEST_SIZE);
    output_copy(o, b->signature, CHAIN_SIGNATURE_SIZE);
}

static size_t write_evidence(const struct chain_view *view, uint64_t seq,
                             const struct digest *before, const struct chain_branch branches[2],
                             uint8_t bytes[static CHAIN_EVIDENCE_MAX])
{
    struct output o = output_make(bytes, CHAIN_EVIDENCE_MAX);

    output_copy(&o, view->author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, view->instance);
    varint_write(&o, seq);
    output_copy(&o, before->bytes, DIGEST_SIZE);
    write_branch(&o, &branches[0]);
    write_branch(&o, &branches[1]);
    CHECK(output_fits(&o));
    return o.size;
}

/* The place for evidence about a chain: its own slot when it has one, else a new one. */
static struct chain_evidence *evidence_slot(struct chain_set *set, uint32_t chain)
{
    struct chain_record *record = &set->chains[chain];

    if (record->evidence == 0) {
        if (set->evidence_count == set->limits.evidence_max)
            return NULL;
        record->evidence = ++set->evidence_count;
    }
    return &set->evidence[record->evidence - 1];
}

int chain_record_fork(struct chain_set *set, uint32_t chain, uint64_t seq,
                      const struct chain_branch *theirs)
{
    struct chain_record *record = &set->chains[chain];
    uint8_t digests[CHAIN_SPAN][DIGEST_SIZE];
    struct chain_branch ours = { .digests = digests[0] }, both[2];
    struct chain_evidence *slot;
    struct digest before;
    uint64_t signed_seq;

    CHECK(seq > 0 && seq <= record->linked);
    if (record->view.fork != 0 && record->view.fork <= seq)
        return CHAIN_KNOWN;
    ours.signature = chain_signature_after(set, chain, seq, &signed_seq);
    if (!ours.signature)
        return -EAGAIN; /* only our own unsigned entries are against it: sign, then look again */
    slot = evidence_slot(set, chain);
    if (!slot)
        return -ENOSPC;
    ours.count = (uint32_t)(signed_seq - seq + 1);
    for (uint32_t i = 0; i < ours.count; i++)
        memcpy(digests[i], set->links[chain_link_find(set, chain, seq + i)].digest.bytes,
               DIGEST_SIZE);
    both[0] = memcmp(ours.digests, theirs->digests, DIGEST_SIZE) < 0 ? ours : *theirs;
    both[1] = both[0].digests == ours.digests ? *theirs : ours;
    before = chain_hash(set, chain, seq - 1);
    slot->size = write_evidence(&record->view, seq, &before, both, slot->bytes);
    record->view.fork = seq;
    return CHAIN_FORKED;
}

static void read_branch(struct cursor *c, uint64_t seq, struct chain_branch *ret)
{
    ret->count = (uint32_t)varint_read(c, CHAIN_SPAN);
    if (ret->count == 0 || seq + ret->count - 1 > chain_span_end(seq))
        c->failed = true;
    ret->digests = cursor_take(c, (size_t)ret->count * DIGEST_SIZE);
    ret->signature = cursor_take(c, CHAIN_SIGNATURE_SIZE);
}

static bool branch_holds(const struct chain_set *set, const uint8_t *author, uint64_t instance,
                         uint64_t seq, const struct digest *before, const struct chain_branch *b)
{
    uint8_t message[CHAIN_MESSAGE_SIZE];
    struct digest hash = *before;

    for (uint32_t i = 0; i < b->count; i++)
        hash = chain_step(&hash, b->digests + (size_t)i * DIGEST_SIZE);
    chain_message(&set->org, author, instance, seq + b->count - 1, &hash, message);
    return set->rules.verify(set->rules.context, author, message, sizeof(message), b->signature);
}

int chain_take_evidence(struct chain_set *set, const void *bytes, size_t size,
                        struct chain_outcome *ret)
{
    struct cursor c = cursor_make(bytes, size);
    const uint8_t *author = cursor_take(&c, ENTRY_AUTHOR_SIZE);
    uint64_t instance = cursor_le64(&c), seq = varint_read(&c, UINT64_MAX - CHAIN_SPAN);
    struct chain_branch branches[2];
    struct chain_evidence *slot;
    struct digest before;
    uint32_t chain;
    int r;

    cursor_copy(&c, before.bytes, DIGEST_SIZE);
    if (c.failed || seq == 0)
        return -EBADMSG;
    read_branch(&c, seq, &branches[0]);
    read_branch(&c, seq, &branches[1]);
    if (!cursor_finished(&c) || size > CHAIN_EVIDENCE_MAX ||
        memcmp(branches[0].digests, branches[1].digests, DIGEST_SIZE) >= 0)
        return -EBADMSG;
    chain = chain_find(set, author, instance);
    *ret = (struct chain_outcome){ .chain = chain, .result = CHAIN_STRANGER, .first = 1 };
    if (!set->rules.admits(set->rules.context, author))
        return 0;
    ret->result = CHAIN_KNOWN;
    if (chain != CHAIN_NONE && set->chains[chain].view.fork != 0 &&
        set->chains[chain].view.fork <= seq)
        return 0;
    if (!branch_holds(set, author, instance, seq, &before, &branches[0]) ||
        !branch_holds(set, author, instance, seq, &before, &branches[1]))
        return -EKEYREJECTED;
    if (chain == CHAIN_NONE) {
        r = chain_room_chain(set, author);
        if (r < 0)
            return r;
        if (set->evidence_count == set->limits.evidence_max)
            return -ENOSPC;
        chain = chain_create(set, author, instance);
    }
    slot = evidence_slot(set, chain);
    if (!slot)
        return -ENOSPC;
    memcpy(slot->bytes, bytes, size);
    slot->size = size;
    set->chains[chain].view.fork = seq;
    ret->result = CHAIN_FORKED;
    ret->chain = chain;
    return 0;
}

int chain_pack_evidence(const struct chain_set *set, uint32_t chain, struct output *o)
{
    const struct chain_record *record = &set->chains[chain];

    CHECK(chain < set->chain_count);
    if (record->evidence == 0)
        return -ENOENT;
    output_copy(o, set->evidence[record->evidence - 1].bytes,
                set->evidence[record->evidence - 1].size);
    return output_fits(o) ? 0 : -ENOSPC;
}

struct digest chain_fork_before(const struct chain_set *set, const struct chain_record *record)
{
    const struct chain_evidence *slot = &set->evidence[record->evidence - 1];
    struct cursor c = cursor_make(slot->bytes, slot->size);
    struct digest before;

    CHECK(record->evidence != 0);
    cursor_skip(&c, ENTRY_AUTHOR_SIZE + 8);
    (void)varint_read(&c, UINT64_MAX); /* the seq of the fork */
    cursor_copy(&c, before.bytes, DIGEST_SIZE);
    CHECK(!c.failed);
    return before;
}
