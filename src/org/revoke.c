#include "org/revoke.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/heap.h"
#include "base/output.h"
#include "base/varint.h"

struct revoke_set {
    uint32_t capacity;
    uint32_t count;
    struct revoke_statement statements[];
};

static bool revoke_well_formed(const struct revoke_statement *s)
{
    if (s->role != REVOKE_NODE && s->role != REVOKE_ADMIN)
        return false;
    if (s->reason_size > REVOKE_REASON_MAX || s->frontier_count > REVOKE_FRONTIERS_MAX)
        return false;
    for (size_t i = 0; i < s->frontier_count; i++) {
        if (s->frontiers[i].seq == 0)
            return false;
        if (i > 0 && s->frontiers[i - 1].instance >= s->frontiers[i].instance)
            return false;
    }
    return true;
}

int revoke_decode(const void *bytes, size_t size, struct revoke_statement *ret)
{
    struct cursor c = cursor_make(bytes, size);

    if (size > REVOKE_SIZE_MAX || cursor_u8(&c) != REVOKE_VERSION)
        return -EBADMSG;
    memset(ret, 0, sizeof(*ret)); /* statements are compared as a whole */
    ret->role = cursor_u8(&c);
    cursor_copy(&c, ret->revoker, sizeof(ret->revoker));
    cursor_copy(&c, ret->subject, sizeof(ret->subject));
    ret->stamp = cursor_le64(&c);
    ret->reason_size = (uint8_t)varint_read(&c, REVOKE_REASON_MAX);
    cursor_copy(&c, ret->reason, ret->reason_size);
    ret->frontier_count = (uint8_t)varint_read(&c, REVOKE_FRONTIERS_MAX);
    for (size_t i = 0; i < ret->frontier_count && !c.failed; i++) {
        ret->frontiers[i].instance = cursor_le64(&c);
        ret->frontiers[i].seq = varint_read(&c, UINT64_MAX);
        cursor_copy(&c, ret->frontiers[i].hash.bytes, DIGEST_SIZE);
    }
    cursor_copy(&c, ret->signature, REVOKE_SIGNATURE_SIZE);
    return cursor_finished(&c) && revoke_well_formed(ret) ? 0 : -EBADMSG;
}

static void write_signed_part(struct output *o, const struct revoke_statement *s)
{
    output_u8(o, REVOKE_VERSION);
    output_u8(o, s->role);
    output_copy(o, s->revoker, sizeof(s->revoker));
    output_copy(o, s->subject, sizeof(s->subject));
    output_le64(o, s->stamp);
    varint_write(o, s->reason_size);
    output_copy(o, s->reason, s->reason_size);
    varint_write(o, s->frontier_count);
    for (size_t i = 0; i < s->frontier_count; i++) {
        output_le64(o, s->frontiers[i].instance);
        varint_write(o, s->frontiers[i].seq);
        output_copy(o, s->frontiers[i].hash.bytes, DIGEST_SIZE);
    }
}

int revoke_encode(const struct revoke_statement *s, uint8_t bytes[static REVOKE_SIZE_MAX],
                  size_t *ret_size)
{
    struct output o = output_make(bytes, REVOKE_SIZE_MAX);

    if (!revoke_well_formed(s))
        return -EINVAL;
    write_signed_part(&o, s);
    output_copy(&o, s->signature, REVOKE_SIGNATURE_SIZE);
    CHECK(output_fits(&o));
    *ret_size = o.size;
    return 0;
}

int revoke_message(const struct revoke_statement *s, const struct digest *org,
                   uint8_t message[static REVOKE_MESSAGE_MAX], size_t *ret_size)
{
    static const char domain[] = "broch revocation 1";
    struct output o = output_make(message, REVOKE_MESSAGE_MAX);

    if (!revoke_well_formed(s))
        return -EINVAL;
    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, org->bytes, DIGEST_SIZE);
    write_signed_part(&o, s);
    CHECK(output_fits(&o));
    *ret_size = o.size;
    return 0;
}

int revoke_set_new(uint32_t capacity, struct revoke_set **ret)
{
    struct revoke_set *set = heap_take(1, sizeof(*set) + capacity * sizeof(set->statements[0]));

    if (!set)
        return -ENOMEM;
    set->capacity = capacity;
    *ret = set;
    return 0;
}

struct revoke_set *revoke_set_free(struct revoke_set *set)
{
    heap_release(set);
    return NULL;
}

/* Statements that say the same and differ in their signature only are one: otherwise an author who
 * signs again and again could fill the set with a single sentence. */
static bool same_statement(const struct revoke_statement *a, const struct revoke_statement *b)
{
    if (a->role != b->role || a->stamp != b->stamp || a->reason_size != b->reason_size ||
        a->frontier_count != b->frontier_count)
        return false;
    if (memcmp(a->revoker, b->revoker, 32) != 0 || memcmp(a->subject, b->subject, 32) != 0 ||
        memcmp(a->reason, b->reason, a->reason_size) != 0)
        return false;
    for (size_t i = 0; i < a->frontier_count; i++) {
        const struct revoke_frontier *f = &a->frontiers[i], *g = &b->frontiers[i];

        if (f->instance != g->instance || f->seq != g->seq ||
            memcmp(f->hash.bytes, g->hash.bytes, DIGEST_SIZE) != 0)
            return false;
    }
    return true;
}

int revoke_set_add(struct revoke_set *set, const struct revoke_statement *s)
{
    CHECK(revoke_well_formed(s));
    for (uint32_t i = 0; i < set->count; i++) {
        if (same_statement(&set->statements[i], s))
            return 0;
    }
    if (set->count == set->capacity)
        return -ENOSPC;
    set->statements[set->count++] = *s;
    return 1;
}

uint32_t revoke_set_count(const struct revoke_set *set)
{
    return set->count;
}

const struct revoke_statement *revoke_set_at(const struct revoke_set *set, uint32_t index)
{
    CHECK(index < set->count);
    return &set->statements[index];
}

bool revoke_set_covers(const struct revoke_set *set, uint8_t role, const uint8_t subject[static 32])
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->statements[i].role == role && memcmp(set->statements[i].subject, subject, 32) == 0)
            return true;
    }
    return false;
}

static uint64_t statement_frontier(const struct revoke_statement *s, uint64_t instance)
{
    for (size_t i = 0; i < s->frontier_count; i++) {
        if (s->frontiers[i].instance == instance)
            return s->frontiers[i].seq;
    }
    return 0;
}

uint64_t revoke_set_frontier(const struct revoke_set *set, const uint8_t subject[static 32],
                             uint64_t instance)
{
    uint64_t lowest = UINT64_MAX;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct revoke_statement *s = &set->statements[i];
        uint64_t seq;

        if (s->role != REVOKE_ADMIN || memcmp(s->subject, subject, 32) != 0)
            continue;
        seq = statement_frontier(s, instance);
        if (seq < lowest)
            lowest = seq;
    }
    return lowest;
}
