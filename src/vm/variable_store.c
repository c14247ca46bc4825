#include "vm/variable_store.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum {
    VOLUME_SIGNATURE_AT = 40,
    VOLUME_LENGTH_AT = 48, /* of its header */
    STORE_HEADER = 28,
    STORE_FORMATTED = 0x5a,
    STORE_HEALTHY = 0xfe,
    VARIABLE_START = 0x55aa,
    VARIABLE_HEADER = 60,
    ALIGNMENT = 4,
};

/* States are made by clearing bits. */
enum {
    STATE_ADDED = 0x3f,
    STATE_IN_TRANSITION = 0x3e, /* added, and about to be deleted */
};

/* gEfiAuthenticatedVariableGuid aaf32c78-947b-439a-a180-2e144ec37792 */
static const uint8_t store_guid[] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                      0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

int variable_store_open(const void *bytes, size_t size, struct variable_store *ret)
{
    struct cursor c = cursor_make(bytes, size);
    const uint8_t *signature, *guid;
    uint32_t store_size;
    size_t header;

    cursor_skip(&c, VOLUME_SIGNATURE_AT);
    signature = cursor_take(&c, 4);
    cursor_seek(&c, VOLUME_LENGTH_AT);
    header = cursor_le16(&c);
    cursor_seek(&c, header);
    guid = cursor_take(&c, sizeof(store_guid));
    store_size = cursor_le32(&c);
    if (cursor_u8(&c) != STORE_FORMATTED || cursor_u8(&c) != STORE_HEALTHY)
        return -EBADMSG;
    cursor_skip(&c, 6);
    if (c.failed || memcmp(signature, "_FVH", 4) != 0 ||
        memcmp(guid, store_guid, sizeof(store_guid)) != 0 || store_size < STORE_HEADER ||
        store_size - STORE_HEADER > cursor_left(&c))
        return -EBADMSG;
    *ret = (struct variable_store){ .bytes = (const uint8_t *)bytes + c.offset,
                                    .size = store_size - STORE_HEADER };
    return 0;
}

static void copy_name(const uint8_t *name, size_t size, char ret[static VARIABLE_NAME_SIZE])
{
    size_t length = 0;

    for (size_t i = 0; i + 1 < size && length + 1 < VARIABLE_NAME_SIZE; i += 2) {
        uint16_t letter = (uint16_t)(name[i] | name[i + 1] << 8);

        if (letter == 0)
            break;
        ret[length++] = letter >= ' ' && letter <= '~' ? (char)letter : '?';
    }
    ret[length] = '\0';
}

/* Reads the one at store->at, whatever its state, and moves behind it. False at the end: no start,
 * or sizes that reach beyond the store, as those of one whose header is not whole do. */
static bool read_one(struct variable_store *store, struct variable *ret, uint8_t *ret_state)
{
    struct cursor c = cursor_make(store->bytes, store->size);
    uint32_t name_size, data_size;
    const uint8_t *name;

    cursor_seek(&c, store->at);
    if (cursor_le16(&c) != VARIABLE_START)
        return false;
    *ret_state = cursor_u8(&c);
    cursor_skip(&c, 1 + 4 + 8 + 16 + 4);
    name_size = cursor_le32(&c);
    data_size = cursor_le32(&c);
    cursor_copy(&c, ret->guid, sizeof(ret->guid));
    CHECK(c.failed || c.offset == store->at + VARIABLE_HEADER);
    name = cursor_take(&c, name_size);
    ret->data = cursor_take(&c, data_size);
    ret->size = data_size;
    if (c.failed)
        return false;
    copy_name(name, name_size, ret->name);
    store->at = (c.offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return store->at <= store->size;
}

bool variable_store_next(struct variable_store *store, struct variable *ret)
{
    uint8_t state;

    while (read_one(store, ret, &state)) {
        if (state == STATE_ADDED || state == STATE_IN_TRANSITION) {
            ret->replaced = state == STATE_IN_TRANSITION;
            return true;
        }
    }
    return false;
}

bool variable_store_find(const struct variable_store *store, const char *name,
                         const uint8_t guid[static VARIABLE_GUID_SIZE], struct variable *ret)
{
    struct variable_store all = *store;
    struct variable variable;
    bool found = false;

    all.at = 0;
    while (variable_store_next(&all, &variable)) {
        if (strcmp(variable.name, name) != 0 ||
            memcmp(variable.guid, guid, VARIABLE_GUID_SIZE) != 0)
            continue;
        *ret = variable;
        found = true;
        if (!variable.replaced)
            break;
    }
    return found;
}
