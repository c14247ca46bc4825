#include "org/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/rng.h"

static const char *arg_golden;

/* Fields in no kind's value stay zero, so that frames compare as bytes. */
static struct wire_frame frame_of(enum wire_kind kind)
{
    struct wire_frame f;

    memset(&f, 0, sizeof(f));
    f.kind = kind;
    return f;
}

static struct wire_frame sample(enum wire_kind kind)
{
    struct wire_frame f = frame_of(kind);

    switch (kind) {
    case WIRE_BEAT:
        f.beat = (struct wire_beat){ 10, 3, 0x010203, 0xfe, 0xa5, 0x1122334455667788 };
        break;
    case WIRE_PROBE:
        f.probe.standing = WIRE_STANDING_UNREACHABLE;
        f.probe.incarnation = 7;
        break;
    case WIRE_ANSWER:
        f.answer = (struct wire_answer){ 15, 8 };
        break;
    case WIRE_CALL:
        f.call = (struct wire_call){ 0x8877665544332211, 2, 550, WIRE_INCARNATION_MAX };
        break;
    case WIRE_REPORT:
        f.report = (struct wire_report){ 0x8877665544332211, 2, 4 };
        break;
    case WIRE_UNREACHABLE:
        f.unreachable = (struct wire_unreachable){ 0x8877665544332211, 9 };
        break;
    case WIRE_SIGNED:
        f.proved.subject = 0x8877665544332211;
        f.proved.incarnation = 10;
        f.proved.standing = WIRE_STANDING_UNSTABLE;
        for (uint8_t i = 0; i < WIRE_SIGNATURE_SIZE; i++)
            f.proved.signature[i] = i;
        break;
    case WIRE_UNSTABLE:
        f.unstable = (struct wire_unstable){ 0x8877665544332211, 10 };
        break;
    case WIRE_SUMMARY:
        f.summary.asks = true;
        for (uint32_t i = 0; i < WIRE_BUCKETS; i++)
            f.summary.sums[i] = 0x01000000 + i;
        break;
    case WIRE_HELD:
        f.held.subject = 0x8877665544332211;
        f.held.incarnation = 10;
        f.held.standing = WIRE_STANDING_UNREACHABLE;
        break;
    case WIRE_SUSPECT:
        f.suspect = (struct wire_suspect){ 0x8877665544332211, 10, 0x090a0b0c0d0e0f10 };
        break;
    case WIRE_KIND_MAX_:
    default:
        fail();
    }
    return f;
}

static size_t encode(const struct wire_frame *f, uint8_t *bytes, size_t capacity)
{
    struct wire_writer w = { .bytes = bytes, .capacity = capacity };

    assert_int_equal(wire_put(&w, f), 0);
    assert_int_equal(w.size, wire_frame_size(f->kind));
    return w.size;
}

static bool same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
    uint8_t first[256], second[256];
    size_t size = encode(a, first, sizeof(first));

    return a->kind == b->kind && size == encode(b, second, sizeof(second)) &&
           memcmp(first, second, size) == 0;
}

/* The bytes of version 1 never change: the file holds one frame of each kind. */
static void test_golden(void **state)
{
    FILE *file = fopen(arg_golden, "re");
    char line[600], text[600];
    uint8_t bytes[256];

    assert_non_null(file);
    for (int kind = 1; kind < WIRE_KIND_MAX_; kind++) {
        struct wire_frame f = sample((enum wire_kind)kind), back;
        size_t size = encode(&f, bytes, sizeof(bytes));
        struct cursor c = cursor_make(bytes, size);

        hex_encode(bytes, size, text);
        do
            assert_non_null(fgets(line, sizeof(line), file));
        while (line[0] == '#');
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(line, text);
        assert_int_equal(wire_next(&c, &back), 1);
        assert_true(same_frame(&f, &back));
        assert_int_equal(wire_next(&c, &back), 0);
    }
    assert_null(fgets(line, sizeof(line), file));
    assert_int_equal(fclose(file), 0);
}

static void test_fields_survive(void **state)
{
    uint8_t bytes[256];
    struct wire_frame f = sample(WIRE_BEAT), back;
    struct cursor c = cursor_make(bytes, encode(&f, bytes, sizeof(bytes)));

    assert_int_equal(wire_next(&c, &back), 1);
    assert_int_equal(back.beat.turn, 10);
    assert_int_equal(back.beat.health, 3);
    assert_int_equal(back.beat.incarnation, 0x010203);
    assert_int_equal(back.beat.number, 0xfe);
    assert_int_equal(back.beat.digest, 0xa5);
    assert_true(back.beat.root == 0x1122334455667788);
}

static void test_beat_is_one_small_packet(void **state)
{
    assert_int_equal(wire_frame_size(WIRE_BEAT), WIRE_BEAT_PAYLOAD_MAX);
    assert_int_equal(wire_outer_size(WIRE_BEAT_PAYLOAD_MAX, false), 124);
    assert_int_equal(wire_outer_size(WIRE_BEAT_PAYLOAD_MAX, true), 144);
    assert_int_equal(wire_outer_size(17, false), 140);
    assert_int_equal(wire_outer_size(33, false), 156);
}

static void test_full_buffer(void **state)
{
    uint8_t bytes[256];

    for (int kind = 1; kind < WIRE_KIND_MAX_; kind++) {
        struct wire_frame f = sample((enum wire_kind)kind);
        size_t size = wire_frame_size(f.kind);
        struct wire_writer w = { .bytes = bytes, .capacity = size - 1 };

        assert_int_equal(wire_put(&w, &f), -ENOSPC);
        assert_int_equal(w.size, 0);
    }
}

static void test_unknown_is_skipped(void **state)
{
    struct wire_frame f = sample(WIRE_UNSTABLE), back;
    static const uint8_t strange[] = {
        0x40 | 63, 3, 1, 2, 3, /* a kind of the future */
        0x80 | 1,  1, 9,       /* a beat of version 2 */
        0x40,      0,          /* kind 0 */
    };
    uint8_t bytes[64];
    size_t size = sizeof(strange);
    struct cursor c;

    memcpy(bytes, strange, size);
    size += encode(&f, bytes + size, sizeof(bytes) - size);
    memcpy(bytes + size, strange, sizeof(strange));
    size += sizeof(strange);
    c = cursor_make(bytes, size);
    assert_int_equal(wire_check(bytes, size), 0);
    assert_int_equal(wire_next(&c, &back), 1);
    assert_true(same_frame(&f, &back));
    assert_int_equal(wire_next(&c, &back), 0);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[131];
        size_t size;
    } cases[] = {
        { "header cut", { 0x41 }, 1 },
        { "probe one byte short", { 0x42, 3, 1, 0, 0 }, 5 },
        { "probe one byte long", { 0x42, 5, 1, 0, 0, 0, 0 }, 7 },
        { "probe with standing 3", { 0x42, 4, 3, 0, 0, 0 }, 6 },
        { "answer with health 16", { 0x43, 4, 16, 0, 0, 0 }, 6 },
        { "beat with turn 0", { 0x41, 14, 0x0f }, 16 },
        { "unstable id 0", { 0x48, 11 }, 13 },
        { "held with standing 3", { 0x4a, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3 }, 14 },
        { "held id 0", { 0x4a, 12 }, 14 },
        { "suspect id 0", { 0x4b, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9 }, 21 },
        { "suspect without accuser", { 0x4b, 19, 1 }, 21 },
        { "unreachable id 0", { 0x46, 11 }, 13 },
        { "signed id 0", { 0x47, 76 }, 78 },
        { "signed with standing 3", { 0x47, 76, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3 }, 78 },
        { "summary with an unknown flag", { 0x49, 129, 2 }, 131 },
        { "call id 0", { 0x44, 15 }, 17 },
        { "report id 0", { 0x45, 11 }, 13 },
        { "unknown kind cut", { 0x7f, 4, 1, 2, 3 }, 5 },
        { "nothing", { 0 }, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (wire_check(cases[i].bytes, cases[i].size) != -EBADMSG)
            fail_msg("accepted: %s", cases[i].name);
    }
}

static void test_too_long(void **state)
{
    uint8_t bytes[WIRE_PACKET_MAX + 1];
    size_t size = 0;

    memset(bytes, 0, sizeof(bytes));
    while (size + 2 <= WIRE_PACKET_MAX) {
        bytes[size] = 0x7f;
        size += 2;
    }
    assert_int_equal(size, WIRE_PACKET_MAX);
    assert_int_equal(wire_check(bytes, size), 0);
    assert_int_equal(wire_check(bytes, size + 1), -EBADMSG);
}

/* Decoding anything that is accepted and encoding it again gives the same bytes: one encoding. */
static void check_canonical(const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    size_t before = 0;
    struct wire_frame f;

    while (wire_next(&c, &f) == 1) {
        uint8_t again[256];
        size_t frame_size = encode(&f, again, sizeof(again));

        assert_true(c.offset - before >= frame_size);
        assert_memory_equal(bytes + c.offset - frame_size, again, frame_size);
        before = c.offset;
    }
}

/* Each bit flipped, each length cut: refused or canonical, never a read beyond the end. The packet
 * ends at the end of its own array, where the sanitizer would see it. */
static void test_flip_and_cut(void **state)
{
    for (int kind = 1; kind < WIRE_KIND_MAX_; kind++) {
        struct wire_frame f = sample((enum wire_kind)kind);
        size_t size = wire_frame_size(f.kind);
        uint8_t *bytes = test_malloc(size);

        assert_int_equal(encode(&f, bytes, size), size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            check_canonical(bytes, size);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 1; cut < size; cut++) {
            uint8_t *part = test_malloc(cut);

            memcpy(part, bytes, cut);
            assert_int_equal(wire_check(part, cut), -EBADMSG);
            test_free(part);
        }
        test_free(bytes);
    }
}

static void test_random_bytes(void **state)
{
    uint8_t bytes[120];
    unsigned int accepted = 0;
    struct rng r;

    rng_seed(&r, 1);
    for (int i = 0; i < 200000; i++) {
        size_t size = 1 + rng_below(&r, sizeof(bytes));

        for (size_t j = 0; j < size; j++)
            bytes[j] = (uint8_t)rng_next(&r);
        if (rng_chance(&r, 500000)) /* half of them begin like a frame */
            bytes[0] = (uint8_t)(0x40 + rng_below(&r, WIRE_KIND_MAX_));
        accepted += wire_check(bytes, size) == 0;
        check_canonical(bytes, size);
    }
    assert_true(accepted > 100);
}

/* Whoever goes on after an error gets the error again. */
static void test_failed_cursor(void **state)
{
    static const uint8_t cut[] = { 0x43, 4, 0 };
    struct cursor c = cursor_make(cut, sizeof(cut));
    struct wire_frame f = { .kind = WIRE_CALL };

    assert_int_equal(wire_next(&c, &f), -EBADMSG);
    assert_int_equal(wire_next(&c, &f), -EBADMSG);
    assert_int_equal(f.kind, WIRE_CALL);
}

static void test_alive_text(void **state)
{
    uint8_t text[WIRE_ALIVE_TEXT_SIZE];
    char hex[2 * WIRE_ALIVE_TEXT_SIZE + 1];

    wire_alive_text(0x8877665544332211, 10, text);
    hex_encode(text, sizeof(text), hex);
    assert_string_equal(hex, "62726f63682d616c6976652d31000000"
                             "11223344556677880a00000000000000");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_fields_survive),
        cmocka_unit_test(test_beat_is_one_small_packet),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_unknown_is_skipped),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_flip_and_cut),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_failed_cursor),
        cmocka_unit_test(test_alive_text),
    };

    if (argc != 2)
        return 2;
    arg_golden = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
