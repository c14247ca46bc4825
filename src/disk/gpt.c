#include "disk/gpt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "base/number.h"

enum { REVISION = 0x00010000, CHECKSUM_OFFSET = 16, CHECKSUM_SIZE = 4 };

static const uint8_t signature[8] = "EFI PART";

/* CRC-32 as in ISO 3309, the one that UEFI uses. A header is small, so no table. */
static uint32_t checksum_add(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (unsigned i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    return crc;
}

/* The checksum of a header counts its own field as zero. */
static uint32_t header_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        bool own = i >= CHECKSUM_OFFSET && i < CHECKSUM_OFFSET + CHECKSUM_SIZE;

        crc = checksum_add(crc, own ? 0 : bytes[i]);
    }
    return ~crc;
}

static bool is_sane(const struct gpt_header *h)
{
    return h->entries_block >= 2 && h->entry_count > 0 && h->entry_count <= GPT_ENTRY_COUNT_MAX &&
           h->entry_size >= GPT_ENTRY_SIZE_MIN && h->entry_size <= GPT_ENTRY_SIZE_MAX &&
           h->entry_size % GPT_ENTRY_SIZE_MIN == 0;
}

int gpt_header_parse(const void *bytes, size_t size, uint64_t own_block, struct gpt_header *ret)
{
    struct cursor c = cursor_make(bytes, size);
    const uint8_t *view = cursor_take(&c, sizeof(signature));
    struct gpt_header h = { 0 };
    uint32_t header_size, crc;

    if (!view || memcmp(view, signature, sizeof(signature)) != 0 || cursor_le32(&c) != REVISION)
        return -EBADMSG;
    header_size = cursor_le32(&c);
    crc = cursor_le32(&c);
    if (header_size < GPT_HEADER_SIZE_MIN || header_size > size ||
        crc != header_checksum(bytes, header_size))
        return -EBADMSG;
    cursor_skip(&c, 4); /* reserved */
    if (cursor_le64(&c) != own_block)
        return -EBADMSG;
    cursor_skip(&c, 8 + 8 + 8 + 16); /* other header, first and last usable block, disk's GUID */
    h.entries_block = cursor_le64(&c);
    h.entry_count = cursor_le32(&c);
    h.entry_size = cursor_le32(&c);
    if (c.failed || !is_sane(&h))
        return -EBADMSG;
    *ret = h;
    return 0;
}

/* A GUID is three little-endian numbers and eight bytes (UEFI 2.10, appendix A). */
static void uuid_text(const uint8_t bytes[static 16], struct partition_uuid *ret)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    char *text = ret->text;

    for (size_t i = 0; i < sizeof(order); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        hex_encode(&bytes[order[i]], 1, text);
        text += 2;
    }
    CHECK(text == ret->text + PARTITION_UUID_LENGTH);
}

int gpt_entry_parse(const uint8_t bytes[static GPT_ENTRY_SIZE_MIN], struct gpt_entry *ret)
{
    static const uint8_t unused[16];
    struct cursor c = cursor_make(bytes, GPT_ENTRY_SIZE_MIN);
    const uint8_t *type = cursor_take(&c, 16), *uuid = cursor_take(&c, 16);
    struct gpt_entry e = { 0 };

    CHECK(type && uuid);
    if (memcmp(type, unused, sizeof(unused)) == 0)
        return -ENOENT;
    e.first_block = cursor_le64(&c);
    e.last_block = cursor_le64(&c);
    if (e.last_block < e.first_block)
        return -EBADMSG;
    uuid_text(type, &e.type);
    uuid_text(uuid, &e.uuid);
    *ret = e;
    return 0;
}

int gpt_entry_offset(const struct gpt_header *h, uint32_t number, uint32_t block_size,
                     uint64_t *ret)
{
    uint64_t start;

    if (number == 0 || number > h->entry_count || !mul_ok(h->entries_block, block_size, &start))
        return -ENOENT;
    return add_ok(start, (uint64_t)(number - 1) * h->entry_size, ret) ? 0 : -ENOENT;
}
