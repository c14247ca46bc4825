#include "trust/signature_list.h"

#include <errno.h>
#include <string.h>

enum { GUID_SIZE = 16 };

/* EFI_CERT_X509_GUID, EFI_CERT_SHA256_GUID, EFI_CERT_X509_SHA256_GUID. */
static const uint8_t types[SIGNATURE_OTHER][GUID_SIZE] = {
    [SIGNATURE_CERTIFICATE] = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab,
                                0x15, 0x5c, 0x2b, 0xf0, 0x72 },
    [SIGNATURE_IMAGE_HASH] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41,
                               0xf9, 0x36, 0x93, 0x43, 0x28 },
    [SIGNATURE_CERTIFICATE_HASH] = { 0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20,
                                     0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed },
};

struct signature_lists signature_lists_open(const void *bytes, size_t size)
{
    return (struct signature_lists){ .all = cursor_make(bytes, size) };
}

/* A list whose signatures do not fill it says something that is not understood. */
static int open_list(struct signature_lists *l)
{
    uint32_t size, header, each;
    const uint8_t *body;

    l->type = cursor_take(&l->all, GUID_SIZE);
    size = cursor_le32(&l->all);
    header = cursor_le32(&l->all);
    each = cursor_le32(&l->all);
    if (l->all.failed || size < SIGNATURE_LIST_HEADER || each <= SIGNATURE_OWNER_SIZE)
        return -EBADMSG;
    size -= SIGNATURE_LIST_HEADER;
    if (header > size || (size - header) % each != 0)
        return -EBADMSG;
    body = cursor_take(&l->all, size);
    if (!body)
        return -EBADMSG;
    l->list = cursor_make(body + header, size - header);
    l->each = each;
    return 0;
}

static enum signature_kind kind_of(const uint8_t *type, size_t size)
{
    static const size_t sizes[SIGNATURE_OTHER] = { [SIGNATURE_IMAGE_HASH] = SIGNATURE_HASH_SIZE,
                                                   [SIGNATURE_CERTIFICATE_HASH] =
                                                       SIGNATURE_HASH_SIZE + 16 };

    for (size_t i = 0; i < SIGNATURE_OTHER; i++) {
        if (memcmp(type, types[i], GUID_SIZE) == 0 && (sizes[i] == 0 || sizes[i] == size))
            return (enum signature_kind)i;
    }
    return SIGNATURE_OTHER;
}

int signature_lists_next(struct signature_lists *lists, struct signature *ret)
{
    while (cursor_left(&lists->list) == 0) {
        if (cursor_left(&lists->all) == 0)
            return 0;
        if (open_list(lists) < 0)
            return -EBADMSG;
    }
    ret->type = lists->type;
    ret->owner = cursor_take(&lists->list, SIGNATURE_OWNER_SIZE);
    ret->size = lists->each - SIGNATURE_OWNER_SIZE;
    ret->data = cursor_take(&lists->list, ret->size);
    if (!ret->data)
        return -EBADMSG;
    ret->kind = kind_of(ret->type, ret->size);
    return 1;
}

static uint8_t *put_le32(uint8_t *at, size_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + 4;
}

void signature_list_write(enum signature_kind kind, const uint8_t *owner, const void *data,
                          size_t size, uint8_t *ret)
{
    CHECK(kind < SIGNATURE_OTHER);
    memcpy(ret, types[kind], GUID_SIZE);
    ret = put_le32(ret + GUID_SIZE, SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size);
    ret = put_le32(ret, 0);
    ret = put_le32(ret, SIGNATURE_OWNER_SIZE + size);
    memcpy(ret, owner, SIGNATURE_OWNER_SIZE);
    memcpy(ret + SIGNATURE_OWNER_SIZE, data, size);
}
