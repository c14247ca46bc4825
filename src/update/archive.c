#include "update/archive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* POSIX.1-2017, pax: "ustar Interchange Format". Numbers are octal digits and a zero. */
enum {
    NAME_AT = 0,
    MODE_AT = 100,
    OWNER_AT = 108,
    GROUP_AT = 116,
    SIZE_AT = 124,
    DATE_AT = 136,
    SUM_AT = 148,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    DEVICE_MAJOR_AT = 329,
    DEVICE_MINOR_AT = 337,
    ID_DIGITS = 7,
    NUMBER_DIGITS = 11, /* of size and date: 33 bits */
    SUM_SIZE = 8,
};

static const struct {
    const char *name;
    uint64_t limit;
} members[] = {
    [ARCHIVE_MANIFEST] = { "generation.json", 1 * MIB },
    [ARCHIVE_SIGNATURE] = { "generation.json.minisig", 4 * KIB },
    [ARCHIVE_UKI] = { "linux.efi", 1 * GIB },
    [ARCHIVE_SYSTEM] = { "system.erofs", 8 * GIB - 1 },
};
_Static_assert(ARRAY_SIZE(members) == ARCHIVE_MEMBER_MAX_, "every member is described");

const char *archive_member_name(enum archive_member member)
{
    CHECK(member < ARCHIVE_MEMBER_MAX_);
    return members[member].name;
}

uint64_t archive_member_limit(enum archive_member member)
{
    CHECK(member < ARCHIVE_MEMBER_MAX_);
    return members[member].limit;
}

static void put_octal(uint8_t *at, unsigned digits, uint64_t value)
{
    for (unsigned i = digits; i-- > 0; value >>= 3)
        at[i] = (uint8_t)('0' + (value & 7));
    CHECK(value == 0);
}

/* The sum of all bytes, those of the sum itself taken as spaces. */
static uint64_t header_sum(const uint8_t header[static ARCHIVE_BLOCK])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARCHIVE_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? ' ' : header[i];
    return sum;
}

void archive_header(enum archive_member member, uint64_t size, uint64_t date,
                    uint8_t ret[static ARCHIVE_BLOCK])
{
    const char *name = archive_member_name(member);

    memset(ret, 0, ARCHIVE_BLOCK);
    memcpy(ret + NAME_AT, name, strlen(name));
    put_octal(ret + MODE_AT, ID_DIGITS, 0644);
    put_octal(ret + OWNER_AT, ID_DIGITS, 0);
    put_octal(ret + GROUP_AT, ID_DIGITS, 0);
    put_octal(ret + SIZE_AT, NUMBER_DIGITS, size);
    put_octal(ret + DATE_AT, NUMBER_DIGITS, date);
    ret[TYPE_AT] = '0';
    memcpy(ret + MAGIC_AT, "ustar\00000", 8);
    put_octal(ret + DEVICE_MAJOR_AT, ID_DIGITS, 0);
    put_octal(ret + DEVICE_MINOR_AT, ID_DIGITS, 0);
    put_octal(ret + SUM_AT, SUM_SIZE - 2, header_sum(ret));
    ret[SUM_AT + SUM_SIZE - 1] = ' ';
}

size_t archive_padding(uint64_t size)
{
    return (size_t)(round_up(size, ARCHIVE_BLOCK) - size);
}

uint64_t archive_size(const uint64_t sizes[static ARCHIVE_MEMBER_MAX_])
{
    uint64_t total = ARCHIVE_END_SIZE;

    for (unsigned i = 0; i < ARCHIVE_MEMBER_MAX_; i++) {
        CHECK(sizes[i] <= members[i].limit);
        total += ARCHIVE_BLOCK + round_up(sizes[i], ARCHIVE_BLOCK);
    }
    return total;
}

static int get_octal(const uint8_t *at, unsigned digits, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '7')
            return -EBADMSG;
        value = value << 3 | (uint64_t)(at[i] - '0');
    }
    *ret = value;
    return 0;
}

/* The block is a header of the member that comes next, in its one form. */
static int take_header(struct archive *archive, struct archive_event *ret_event)
{
    const enum archive_member member = (enum archive_member)archive->member;
    uint8_t expected[ARCHIVE_BLOCK];
    uint64_t size, date;

    if (get_octal(archive->block + SIZE_AT, NUMBER_DIGITS, &size) < 0 ||
        get_octal(archive->block + DATE_AT, NUMBER_DIGITS, &date) < 0 ||
        size > archive_member_limit(member))
        return -EBADMSG;
    archive_header(member, size, date, expected);
    if (memcmp(archive->block, expected, ARCHIVE_BLOCK) != 0)
        return -EBADMSG;
    archive->filled = 0;
    archive->state = ARCHIVE_IN_DATA;
    archive->data_left = size;
    archive->zeros_left = archive_padding(size);
    *ret_event = (struct archive_event){ .kind = ARCHIVE_ENTRY, .member = member, .size = size };
    return 0;
}

/* Each of these takes bytes of its state: *used grows by what was taken. A state that has all it
 * wants goes over to the next one. Positive: there is an event. */
static int feed_header(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used,
                       struct archive_event *ret_event)
{
    size_t room = ARCHIVE_BLOCK - archive->filled;
    size_t count = size < room ? size : room;
    int r;

    memcpy(archive->block + archive->filled, bytes, count);
    archive->filled += count;
    archive->offset += count;
    *used += count;
    if (archive->filled < ARCHIVE_BLOCK)
        return 0;
    r = take_header(archive, ret_event);
    return r < 0 ? r : 1;
}

static int feed_data(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used,
                     struct archive_event *ret_event)
{
    size_t count = size < archive->data_left ? size : (size_t)archive->data_left;

    if (archive->data_left == 0) {
        archive->state = ARCHIVE_IN_PADDING;
        return 0;
    }
    *ret_event = (struct archive_event){ .kind = ARCHIVE_DATA,
                                         .member = (enum archive_member)archive->member,
                                         .bytes = bytes,
                                         .count = count };
    archive->data_left -= count;
    archive->offset += count;
    *used += count;
    return count > 0;
}

static int feed_zeros(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used)
{
    size_t count = size < archive->zeros_left ? size : archive->zeros_left;

    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return -EBADMSG;
    }
    archive->zeros_left -= count;
    archive->offset += count;
    *used += count;
    return 0;
}

static int feed_padding(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used,
                        struct archive_event *ret_event)
{
    int r = feed_zeros(archive, bytes, size, used);

    (void)ret_event; /* nothing to tell */
    if (r < 0 || archive->zeros_left > 0)
        return r;
    archive->member++;
    archive->state = archive->member < ARCHIVE_MEMBER_MAX_ ? ARCHIVE_IN_HEADER : ARCHIVE_IN_TRAILER;
    archive->zeros_left = archive->state == ARCHIVE_IN_TRAILER ? ARCHIVE_END_SIZE : 0;
    return 0;
}

static int feed_trailer(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used,
                        struct archive_event *ret_event)
{
    int r = feed_zeros(archive, bytes, size, used);

    if (r < 0 || archive->zeros_left > 0)
        return r;
    archive->state = ARCHIVE_ENDED;
    *ret_event = (struct archive_event){ .kind = ARCHIVE_END };
    return 1;
}

static int feed_behind(struct archive *archive, const uint8_t *bytes, size_t size, size_t *used,
                       struct archive_event *ret_event)
{
    (void)archive;
    (void)bytes;
    (void)used;
    *ret_event = (struct archive_event){ .kind = ARCHIVE_END };
    return size > 0 ? -EBADMSG : 1;
}

int archive_feed(struct archive *archive, const uint8_t *bytes, size_t size, size_t *ret_used,
                 struct archive_event *ret_event)
{
    static int (*const states[])(struct archive *, const uint8_t *, size_t, size_t *,
                                 struct archive_event *) = {
        [ARCHIVE_IN_HEADER] = feed_header,   [ARCHIVE_IN_DATA] = feed_data,
        [ARCHIVE_IN_PADDING] = feed_padding, [ARCHIVE_IN_TRAILER] = feed_trailer,
        [ARCHIVE_ENDED] = feed_behind,
    };
    enum archive_state before;
    size_t used = 0;
    int r;

    *ret_event = (struct archive_event){ .kind = ARCHIVE_NEED };
    do {
        before = archive->state;
        r = states[before](archive, bytes + used, size - used, &used, ret_event);
    } while (r == 0 && (used < size || archive->state != before));
    *ret_used = used;
    return r < 0 ? r : 0;
}

void archive_skip(struct archive *archive)
{
    CHECK(archive->state == ARCHIVE_IN_DATA);
    archive->offset += archive->data_left;
    archive->data_left = 0;
}
