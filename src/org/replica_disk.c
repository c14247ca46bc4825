#include <errno.h>
#include <string.h>

#include "org/replica_internal.h"

/* What one pass over the disk did. */
struct pass {
    struct replica *replica;
    bool refused; /* something that may be taken later */
    bool gap;     /* something before it is missing */
    bool took;
    bool left_out; /* a void checkpoint, in any pass */
};

/* The keys whose revocations the disk holds: their checkpoints are void, wherever they stand. */
static int note_revoked(void *owner, const uint8_t *bytes, size_t size)
{
    struct replica *r = owner;
    struct revoke_statement s;

    if (size == 0 || bytes[0] != REPLICA_REVOCATION)
        return 0;
    if (revoke_decode(bytes + 1, size - 1, &s) < 0)
        return -EUCLEAN;
    if (s.role == REVOKE_ADMIN && r->noted_count < r->noted_max)
        memcpy(r->noted[r->noted_count++], s.subject, sizeof(s.subject));
    return 0;
}

static bool is_noted(const struct replica *r, const uint8_t *bytes, size_t size)
{
    if (size < 2 + sizeof(r->noted[0]) || bytes[0] != REPLICA_CHECKPOINT)
        return false;
    for (uint32_t i = 0; i < r->noted_count; i++) {
        if (memcmp(r->noted[i], bytes + 2, sizeof(r->noted[i])) == 0)
            return true;
    }
    return false;
}

static int take_stored(void *owner, const uint8_t *bytes, size_t size)
{
    struct pass *p = owner;
    uint64_t gaps = replica_counters(p->replica)->gaps;
    int r;

    if (is_noted(p->replica, bytes, size)) {
        p->left_out = true;
        return 0;
    }
    r = replica_take(p->replica, bytes, size);
    if (r == -EBADMSG || r == -EKEYREJECTED)
        return -EUCLEAN;
    if (r == -ENOSPC)
        return r;
    p->took |= r == 1;
    p->gap |= replica_counters(p->replica)->gaps > gaps;
    p->refused |= r < 0 || p->gap;
    return 0;
}

int replica_load(struct replica *r, const struct store *s)
{
    struct pass p = { .replica = r };
    int result;

    r->noted_count = 0;
    result = store_load(s, note_revoked, r);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < REPLICA_LOADS_MAX; i++) {
        p.refused = p.gap = p.took = false;
        result = store_load(s, take_stored, &p);
        if (result < 0)
            return result;
        if (!p.refused || !p.took)
            break;
    }
    r->incomplete = p.left_out && p.gap;
    return p.left_out;
}

bool replica_incomplete(const struct replica *r)
{
    return r->incomplete;
}

/* Where replica_write_all() writes. */
struct writer {
    int (*emit)(void *context, const uint8_t *bytes, size_t size);
    void *context;
};

/* The scratch as an empty output. */
static struct output parcel(struct replica *r)
{
    return output_make(r->scratch->parcel, sizeof(r->scratch->parcel));
}

static int write_chain(struct replica *r, const struct writer *w, uint32_t chain)
{
    uint64_t covered = chain_covered(r->chains, chain), next = covered + 1;
    struct output o = parcel(r);
    int result = 0;

    output_u8(&o, REPLICA_EVIDENCE);
    if (chain_pack_evidence(r->chains, chain, &o) == 0)
        result = w->emit(w->context, o.bytes, o.size);
    while (result == 0 && next <= chain_listed(r->chains, chain)) {
        o = parcel(r);
        output_u8(&o, REPLICA_BATCH);
        result = chain_pack(r->chains, chain, next, &o, &next);
        CHECK(result == 0);
        result = w->emit(w->context, o.bytes, o.size);
    }
    return result;
}

static int write_place(struct replica *r, const struct writer *w, uint32_t slot)
{
    struct sync_peer nobody = { .insist = true };
    struct output o = parcel(r);
    uint64_t progress = 0;
    int result;

    if (r->places[slot].kind == REPLICA_BATCH)
        return write_chain(r, w, r->places[slot].number);
    result = replica_give(r, slot, &nobody, &progress, &o);
    CHECK(result == 0); /* everything but a chain is one parcel */
    return w->emit(w->context, o.bytes, o.size);
}

int replica_write_all(struct replica *r,
                      int (*emit)(void *context, const uint8_t *bytes, size_t size), void *context)
{
    struct writer w = { emit, context };
    int result = 0;

    if (r->stale || r->incomplete)
        return -ESTALE;
    /* First what others stand on: fewer passes when it is read. */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t slot = 0; slot < index_slots(r->index) && result == 0; slot++) {
            if (index_id(r->index, slot) != 0 && replica_gives_first(r, slot) == (pass == 0))
                result = write_place(r, &w, slot);
        }
    }
    return result;
}
