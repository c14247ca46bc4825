#include "org/checkpoint.h"

#include <errno.h>
#include <string.h>

#include "base/output.h"
#include "base/varint.h"
#include "org/entry.h"

static bool checkpoint_well_formed(const struct checkpoint_statement *s)
{
    if (s->head_count == 0 || s->head_count > CHECKPOINT_HEADS_MAX ||
        s->segment_count > CHECKPOINT_SEGMENTS_MAX)
        return false;
    for (uint32_t i = 0; i < s->head_count; i++) {
        const struct checkpoint_head *h = &s->heads[i];

        if (h->seq == 0)
            return false;
        if (i > 0 && entry_chain_compare(h[-1].author, h[-1].instance, h->author, h->instance) >= 0)
            return false;
    }
    return true;
}

int checkpoint_decode(const void *bytes, size_t size, struct checkpoint_statement *ret)
{
    struct cursor c = cursor_make(bytes, size);

    if (size > CHECKPOINT_SIZE_MAX || cursor_u8(&c) != CHECKPOINT_VERSION)
        return -EBADMSG;
    cursor_copy(&c, ret->signer, sizeof(ret->signer));
    ret->stamp = cursor_le64(&c);
    ret->head_count = (uint32_t)varint_read(&c, CHECKPOINT_HEADS_MAX);
    for (uint32_t i = 0; i < ret->head_count && !c.failed; i++) {
        cursor_copy(&c, ret->heads[i].author, sizeof(ret->heads[i].author));
        ret->heads[i].instance = cursor_le64(&c);
        ret->heads[i].seq = varint_read(&c, UINT64_MAX - 1);
        cursor_copy(&c, ret->heads[i].hash.bytes, DIGEST_SIZE);
    }
    ret->segment_count = (uint32_t)varint_read(&c, CHECKPOINT_SEGMENTS_MAX);
    for (uint32_t i = 0; i < ret->segment_count && !c.failed; i++)
        cursor_copy(&c, ret->segments[i].bytes, DIGEST_SIZE);
    cursor_copy(&c, ret->signature, CHECKPOINT_SIGNATURE_SIZE);
    return cursor_finished(&c) && checkpoint_well_formed(ret) ? 0 : -EBADMSG;
}

static void write_signed_part(struct output *o, const struct checkpoint_statement *s)
{
    output_u8(o, CHECKPOINT_VERSION);
    output_copy(o, s->signer, sizeof(s->signer));
    output_le64(o, s->stamp);
    varint_write(o, s->head_count);
    for (uint32_t i = 0; i < s->head_count; i++) {
        output_copy(o, s->heads[i].author, sizeof(s->heads[i].author));
        output_le64(o, s->heads[i].instance);
        varint_write(o, s->heads[i].seq);
        output_copy(o, s->heads[i].hash.bytes, DIGEST_SIZE);
    }
    varint_write(o, s->segment_count);
    for (uint32_t i = 0; i < s->segment_count; i++)
        output_copy(o, s->segments[i].bytes, DIGEST_SIZE);
}

int checkpoint_encode(const struct checkpoint_statement *s,
                      uint8_t bytes[static CHECKPOINT_SIZE_MAX], size_t *ret_size)
{
    struct output o = output_make(bytes, CHECKPOINT_SIZE_MAX);

    if (!checkpoint_well_formed(s))
        return -EINVAL;
    write_signed_part(&o, s);
    output_copy(&o, s->signature, CHECKPOINT_SIGNATURE_SIZE);
    CHECK(output_fits(&o));
    *ret_size = o.size;
    return 0;
}

int checkpoint_message(const struct checkpoint_statement *s, const struct digest *org,
                       uint8_t message[static CHECKPOINT_MESSAGE_SIZE])
{
    static const char domain[] = "broch checkpoint 1";
    uint8_t bytes[CHECKPOINT_SIZE_MAX];
    struct output part = output_make(bytes, sizeof(bytes));
    struct output o = output_make(message, CHECKPOINT_MESSAGE_SIZE);

    if (!checkpoint_well_formed(s))
        return -EINVAL;
    write_signed_part(&part, s);
    CHECK(output_fits(&part));
    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, org->bytes, DIGEST_SIZE);
    output_copy(&o, digest_bytes(bytes, part.size).bytes, DIGEST_SIZE);
    CHECK(output_fits(&o) && o.size == CHECKPOINT_MESSAGE_SIZE);
    return 0;
}

uint64_t checkpoint_covers(const struct checkpoint_statement *s, const uint8_t author[static 32],
                           uint64_t instance)
{
    for (uint32_t i = 0; i < s->head_count; i++) {
        const struct checkpoint_head *h = &s->heads[i];

        if (entry_chain_compare(h->author, h->instance, author, instance) == 0)
            return h->seq;
    }
    return 0;
}

bool checkpoint_replaces(const struct checkpoint_statement *newer,
                         const struct checkpoint_statement *older)
{
    bool passed = newer->head_count > older->head_count;

    for (uint32_t i = 0; i < older->head_count; i++) {
        const struct checkpoint_head *h = &older->heads[i];
        uint64_t seq = checkpoint_covers(newer, h->author, h->instance);

        if (seq < h->seq)
            return false;
        passed |= seq > h->seq;
    }
    return passed;
}

struct checkpoint_reader checkpoint_read(const void *bytes, size_t size)
{
    return (struct checkpoint_reader){ .c = cursor_make(bytes, size) };
}

/* The head of the next group. */
static void read_group(struct checkpoint_reader *r)
{
    const uint8_t *author = cursor_take(&r->c, 32);
    uint64_t instance = cursor_le64(&r->c);

    r->left = (uint32_t)varint_read(&r->c, CHECKPOINT_GROUP_MAX);
    if (!author || r->left == 0 ||
        (r->author && entry_chain_compare(r->author, r->instance, author, instance) >= 0))
        r->c.failed = true;
    r->author = author;
    r->instance = instance;
    r->seq = 0;
}

int checkpoint_next(struct checkpoint_reader *r, struct checkpoint_kept *ret)
{
    struct entry e;
    uint64_t step;

    if (r->c.size > CHECKPOINT_SEGMENT_SIZE_MAX)
        return -EBADMSG;
    if (r->left == 0) {
        if (cursor_finished(&r->c) && r->author)
            return 0;
        read_group(r);
    }
    step = varint_read(&r->c, UINT64_MAX - 1 - r->seq);
    ret->body_size = (uint32_t)varint_read(&r->c, ENTRY_SIZE_MAX);
    ret->body = cursor_take(&r->c, ret->body_size);
    if (r->c.failed || step == 0 || entry_decode(ret->body, ret->body_size, &e) < 0)
        return -EBADMSG;
    r->seq += step;
    r->left--;
    ret->author = r->author;
    ret->instance = r->instance;
    ret->seq = r->seq;
    return 1;
}
