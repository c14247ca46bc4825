#include "org/entry.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/output.h"
#include "base/varint.h"

int entry_chain_compare(const uint8_t *author, uint64_t instance, const uint8_t *other_author,
                        uint64_t other_instance)
{
    int order = memcmp(author, other_author, ENTRY_AUTHOR_SIZE);

    if (order != 0)
        return order;
    return instance < other_instance ? -1 : instance > other_instance;
}

/* What the grammar cannot say: limits and the shapes of the operations known here. */
static bool entry_well_formed(const struct entry *e)
{
    if (e->key_size == 0 || e->field > ENTRY_FIELD_MAX || e->context_count > ENTRY_CONTEXT_MAX)
        return false;
    for (size_t i = 0; i < e->context_count; i++) {
        const struct entry_seen *s = &e->context[i];

        if (s->seq == 0)
            return false;
        if (i > 0 && entry_chain_compare(s[-1].author, s[-1].instance, s->author, s->instance) >= 0)
            return false;
    }
    if (e->operation == ENTRY_DELETE)
        return e->field == 0 && e->value_size == 0;
    if (e->operation == ENTRY_RAISE)
        return e->value_size == 8;
    return true;
}

static void read_context(struct cursor *c, struct entry *e)
{
    e->context_count = (uint8_t)varint_read(c, ENTRY_CONTEXT_MAX);
    for (size_t i = 0; i < e->context_count && !c->failed; i++) {
        e->context[i].author = cursor_take(c, ENTRY_AUTHOR_SIZE);
        e->context[i].instance = cursor_le64(c);
        e->context[i].seq = varint_read(c, UINT64_MAX);
    }
}

int entry_decode(const void *bytes, size_t size, struct entry *ret)
{
    struct cursor c = cursor_make(bytes, size);

    if (size > ENTRY_SIZE_MAX || cursor_u8(&c) != ENTRY_VERSION)
        return -EBADMSG;
    ret->operation = cursor_u8(&c);
    ret->kind = cursor_le16(&c);
    ret->stamp = cursor_le64(&c);
    ret->key_size = (uint8_t)varint_read(&c, ENTRY_KEY_SIZE_MAX);
    ret->key = cursor_take(&c, ret->key_size);
    ret->field = (uint32_t)varint_read(&c, ENTRY_FIELD_MAX);
    read_context(&c, ret);
    ret->value_size = (size_t)varint_read(&c, ENTRY_SIZE_MAX);
    ret->value = cursor_take(&c, ret->value_size);
    ret->extension_size = (size_t)varint_read(&c, ENTRY_SIZE_MAX);
    ret->extension = cursor_take(&c, ret->extension_size);
    if (!cursor_finished(&c) || !entry_well_formed(ret))
        return -EBADMSG;
    return 0;
}

int entry_encode(const struct entry *e, uint8_t bytes[static ENTRY_SIZE_MAX], size_t *ret_size)
{
    struct output o = output_make(bytes, ENTRY_SIZE_MAX);

    if (!entry_well_formed(e))
        return -EINVAL;
    output_u8(&o, ENTRY_VERSION);
    output_u8(&o, e->operation);
    output_le16(&o, e->kind);
    output_le64(&o, e->stamp);
    varint_write(&o, e->key_size);
    output_copy(&o, e->key, e->key_size);
    varint_write(&o, e->field);
    varint_write(&o, e->context_count);
    for (size_t i = 0; i < e->context_count; i++) {
        output_copy(&o, e->context[i].author, ENTRY_AUTHOR_SIZE);
        output_le64(&o, e->context[i].instance);
        varint_write(&o, e->context[i].seq);
    }
    varint_write(&o, e->value_size);
    output_copy(&o, e->value, e->value_size);
    varint_write(&o, e->extension_size);
    output_copy(&o, e->extension, e->extension_size);
    if (!output_fits(&o))
        return -E2BIG;
    *ret_size = o.size;
    return 0;
}
