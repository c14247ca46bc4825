#include "update/archive.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

enum { DATE = 1795206090, MEMBER_SIZE_MAX = 4096 };

/* A whole file, and what a reader found in it. */
struct made {
    uint8_t *bytes;
    size_t size;
};

struct found {
    uint8_t data[ARCHIVE_MEMBER_MAX_][MEMBER_SIZE_MAX];
    size_t sizes[ARCHIVE_MEMBER_MAX_];
    unsigned entries;
    bool ended;
};

static uint8_t content(unsigned member, size_t at)
{
    return (uint8_t)(member * 61 + at * 7 + 1);
}

static struct made make(const uint64_t sizes[static ARCHIVE_MEMBER_MAX_])
{
    struct made made = { .size = (size_t)archive_size(sizes) };
    size_t at = 0;

    made.bytes = calloc(1, made.size);
    assert_non_null(made.bytes);
    for (unsigned m = 0; m < ARCHIVE_MEMBER_MAX_; m++) {
        archive_header((enum archive_member)m, sizes[m], DATE, made.bytes + at);
        at += ARCHIVE_BLOCK;
        for (size_t i = 0; i < sizes[m]; i++)
            made.bytes[at + i] = content(m, i);
        at += (size_t)sizes[m] + archive_padding(sizes[m]);
    }
    assert_int_equal(at + ARCHIVE_END_SIZE, made.size);
    return made;
}

static void note(const struct archive_event *event, struct found *found)
{
    switch (event->kind) {
    case ARCHIVE_NEED:
        break;
    case ARCHIVE_ENTRY:
        assert_int_equal(event->member, found->entries);
        found->entries++;
        break;
    case ARCHIVE_DATA:
        assert_int_equal(event->member, found->entries - 1);
        assert_true(event->count > 0);
        memcpy(found->data[event->member] + found->sizes[event->member], event->bytes,
               event->count);
        found->sizes[event->member] += event->count;
        break;
    case ARCHIVE_END:
        found->ended = true;
        break;
    }
}

/* Gives the bytes in pieces of `step`. */
static int read_all(const uint8_t *bytes, size_t size, size_t step, struct found *found)
{
    struct archive archive = ARCHIVE_INIT;
    size_t at = 0;

    memset(found, 0, sizeof(*found));
    while (at < size) {
        size_t piece = size - at < step ? size - at : step, used = 0;
        struct archive_event event;
        int r = archive_feed(&archive, bytes + at, piece, &used, &event);

        if (r < 0)
            return r;
        assert_true(used <= piece && (used > 0 || event.kind != ARCHIVE_NEED));
        at += used;
        assert_int_equal(archive.offset, at);
        note(&event, found);
    }
    return found->ended ? 0 : -ENODATA;
}

static const uint64_t some_sizes[][ARCHIVE_MEMBER_MAX_] = {
    { 100, 200, 300, 400 }, { 512, 511, 513, 1024 }, { 1, 1, 1, 1 },
    { 0, 0, 0, 0 },         { 1024, 0, 4096, 1 },
};

static void test_round_trip(void **state)
{
    static const size_t steps[] = { 1, 2, 7, 511, 512, 513, 100000 };
    struct found found;

    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(some_sizes); s++) {
        struct made made = make(some_sizes[s]);

        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
            assert_int_equal(read_all(made.bytes, made.size, steps[i], &found), 0);
            assert_int_equal(found.entries, ARCHIVE_MEMBER_MAX_);
            for (unsigned m = 0; m < ARCHIVE_MEMBER_MAX_; m++) {
                assert_int_equal(found.sizes[m], some_sizes[s][m]);
                for (size_t at = 0; at < found.sizes[m]; at++)
                    assert_int_equal(found.data[m][at], content(m, at));
            }
        }
        free(made.bytes);
    }
}

/* Wherever it ends, nobody is told that it was whole; what follows the end is refused. */
static void test_truncated_and_longer(void **state)
{
    struct made made = make(some_sizes[0]);
    uint8_t *longer = calloc(1, made.size + 1);
    struct found found;

    (void)state;
    assert_non_null(longer);
    memcpy(longer, made.bytes, made.size);
    for (size_t size = 0; size < made.size; size++)
        assert_int_equal(read_all(made.bytes, size, 100, &found), -ENODATA);
    for (int byte = 0; byte < 2; byte++) {
        longer[made.size] = (uint8_t)byte;
        assert_int_equal(read_all(longer, made.size + 1, made.size + 1, &found), -EBADMSG);
        assert_int_equal(read_all(longer, made.size + 1, 1, &found), -EBADMSG);
    }
    free(longer);
    free(made.bytes);
}

static bool is_data(size_t at, const uint64_t sizes[static ARCHIVE_MEMBER_MAX_])
{
    size_t start = 0;

    for (unsigned m = 0; m < ARCHIVE_MEMBER_MAX_; m++) {
        start += ARCHIVE_BLOCK;
        if (at >= start && at < start + sizes[m])
            return true;
        start += (size_t)sizes[m] + archive_padding(sizes[m]);
    }
    return false;
}

/* Outside the members' bytes no bit may change. (A date may, as long as its sum fits: so two bits.)
 */
static void test_flips(void **state)
{
    struct made made = make(some_sizes[0]);
    struct found found;

    (void)state;
    for (size_t bit = 0; bit < 8 * made.size; bit++) {
        size_t at = bit / 8;
        int r;

        made.bytes[at] = (uint8_t)(made.bytes[at] ^ (1 << bit % 8));
        r = read_all(made.bytes, made.size, made.size, &found);
        if (is_data(at, some_sizes[0]) ? r != 0 : r != -EBADMSG)
            fail_msg("bit %zu: %d", bit, r);
        made.bytes[at] = (uint8_t)(made.bytes[at] ^ (1 << bit % 8));
    }
    free(made.bytes);
}

static void test_limits(void **state)
{
    struct archive_event event;
    uint8_t header[ARCHIVE_BLOCK];
    size_t used;

    (void)state;
    for (unsigned m = 0; m < ARCHIVE_MEMBER_MAX_; m++) {
        const enum archive_member member = (enum archive_member)m;
        struct archive archive = ARCHIVE_INIT;

        archive.member = m;
        archive_header(member, archive_member_limit(member), DATE, header);
        assert_int_equal(archive_feed(&archive, header, sizeof(header), &used, &event), 0);
        assert_int_equal(event.kind, ARCHIVE_ENTRY);
        assert_int_equal(event.size, archive_member_limit(member));
        if (member == ARCHIVE_SYSTEM)
            continue; /* its limit is that of the format */
        archive = (struct archive)ARCHIVE_INIT;
        archive.member = m;
        archive_header(member, archive_member_limit(member) + 1, DATE, header);
        assert_int_equal(archive_feed(&archive, header, sizeof(header), &used, &event), -EBADMSG);
    }
}

/* The members have one order, and each is there once. */
static void test_order(void **state)
{
    struct archive_event event;
    uint8_t header[ARCHIVE_BLOCK];
    size_t used;

    (void)state;
    for (unsigned next = 0; next < ARCHIVE_MEMBER_MAX_; next++) {
        for (unsigned m = 0; m < ARCHIVE_MEMBER_MAX_; m++) {
            struct archive archive = ARCHIVE_INIT;

            archive.member = next;
            archive_header((enum archive_member)m, 10, DATE, header);
            assert_int_equal(archive_feed(&archive, header, sizeof(header), &used, &event),
                             m == next ? 0 : -EBADMSG);
        }
    }
}

static void test_skip(void **state)
{
    const uint64_t *sizes = some_sizes[1];
    struct made made = make(sizes);
    struct archive archive = ARCHIVE_INIT;
    struct archive_event event;
    unsigned entries = 0;
    size_t used;

    (void)state;
    do {
        size_t left = made.size - (size_t)archive.offset;
        size_t piece = left < 600 ? left : 600;

        assert_int_equal(archive_feed(&archive, made.bytes + archive.offset, piece, &used, &event),
                         0);
        assert_int_not_equal(event.kind, ARCHIVE_DATA);
        if (event.kind == ARCHIVE_ENTRY) {
            assert_int_equal(event.size, sizes[entries++]);
            archive_skip(&archive);
        }
    } while (event.kind != ARCHIVE_END);
    assert_int_equal(entries, ARCHIVE_MEMBER_MAX_);
    assert_int_equal(archive.offset, made.size);
    free(made.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_truncated_and_longer),
        cmocka_unit_test(test_flips),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_skip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
