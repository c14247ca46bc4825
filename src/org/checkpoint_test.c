#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/varint.h"
#include "org/checkpoint.h"
#include "org/org_test.h"

static struct checkpoint_statement sample(unsigned heads, unsigned segments)
{
    struct checkpoint_statement s = { .stamp = 0x0102030405060708, .head_count = heads };

    s.segment_count = segments;
    memset(s.signer, 0xaa, sizeof(s.signer));
    memset(s.signature, 0xbb, sizeof(s.signature));
    for (unsigned i = 0; i < heads; i++) {
        s.heads[i].author[0] = (uint8_t)(i / 2);
        s.heads[i].instance = i % 2;
        s.heads[i].seq = 100 + i;
        s.heads[i].hash.bytes[0] = (uint8_t)i;
    }
    for (unsigned i = 0; i < segments; i++)
        s.segments[i].bytes[1] = (uint8_t)i;
    return s;
}

static void one_encoding(void **state)
{
    static const unsigned counts[][2] = { { 1, 0 }, { 2, 3 }, { 128, 512 } };
    static struct checkpoint_statement s, again;
    static uint8_t bytes[CHECKPOINT_SIZE_MAX], twice[CHECKPOINT_SIZE_MAX];
    size_t size, second;

    for (size_t i = 0; i < 3; i++) {
        s = sample(counts[i][0], counts[i][1]);
        assert_int_equal(checkpoint_encode(&s, bytes, &size), 0);
        assert_int_equal(checkpoint_decode(bytes, size, &again), 0);
        assert_int_equal(checkpoint_encode(&again, twice, &second), 0);
        assert_int_equal(second, size);
        assert_memory_equal(bytes, twice, size);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(checkpoint_decode(bytes, cut, &again), -EBADMSG);
        assert_int_equal(checkpoint_decode(bytes, size + 1, &again), -EBADMSG);
    }
}

static void more_than_fits_is_refused(void **state)
{
    static struct checkpoint_statement s;
    static uint8_t bytes[CHECKPOINT_SIZE_MAX], zeros[CHECKPOINT_SIZE_MAX + 1];
    size_t size;

    s = sample(1, 0);
    s.segment_count = CHECKPOINT_SEGMENTS_MAX + 1;
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    s = sample(1, 0);
    s.head_count = CHECKPOINT_HEADS_MAX + 1;
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    assert_int_equal(checkpoint_decode(zeros, sizeof(zeros), &s), -EBADMSG);
}

/* A flipped bit is refused, or it changes the message or the signature. */
static void every_bit_is_signed(void **state)
{
    static struct checkpoint_statement s, again;
    static uint8_t bytes[CHECKPOINT_SIZE_MAX];
    uint8_t message[CHECKPOINT_MESSAGE_SIZE], other[CHECKPOINT_MESSAGE_SIZE];
    struct digest org = { { 1 } };
    size_t size;

    s = sample(3, 2);
    assert_int_equal(checkpoint_encode(&s, bytes, &size), 0);
    assert_int_equal(checkpoint_message(&s, &org, message), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (checkpoint_decode(bytes, size, &again) == 0) {
            assert_int_equal(checkpoint_message(&again, &org, other), 0);
            assert_true(memcmp(message, other, sizeof(message)) != 0 ||
                        memcmp(s.signature, again.signature, sizeof(s.signature)) != 0);
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    org.bytes[0] = 2;
    assert_int_equal(checkpoint_message(&s, &org, other), 0);
    assert_memory_not_equal(message, other, sizeof(message));
}

static void disorder_is_refused(void **state)
{
    static struct checkpoint_statement s;
    static uint8_t bytes[CHECKPOINT_SIZE_MAX];
    uint8_t message[CHECKPOINT_MESSAGE_SIZE];
    struct digest org = { { 1 } };
    size_t size;

    s = sample(2, 0);
    s.heads[1] = s.heads[0];
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    assert_int_equal(checkpoint_message(&s, &org, message), -EINVAL);
    s = sample(2, 0);
    s.heads[1].seq = 0;
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    s = sample(0, 0);
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    s = sample(1, 0);
    s.segment_count = CHECKPOINT_SEGMENTS_MAX + 1;
    assert_int_equal(checkpoint_encode(&s, bytes, &size), -EINVAL);
    s = sample(1, 0);
    assert_int_equal(checkpoint_encode(&s, bytes, &size), 0);
    bytes[0] = 2;
    assert_int_equal(checkpoint_decode(bytes, size, &s), -EBADMSG);
}

static void what_replaces_what(void **state)
{
    static struct checkpoint_statement a, b;

    a = b = sample(3, 0);
    assert_false(checkpoint_replaces(&a, &b)); /* equal heads: both stay */
    b.heads[1].seq++;
    assert_true(checkpoint_replaces(&b, &a));
    assert_false(checkpoint_replaces(&a, &b));
    a.heads[0].seq++;
    assert_false(checkpoint_replaces(&b, &a)); /* neither */
    assert_false(checkpoint_replaces(&a, &b));
    a = sample(4, 0);
    b = sample(3, 0);
    assert_true(checkpoint_replaces(&a, &b)); /* one chain more */
    assert_false(checkpoint_replaces(&b, &a));
    assert_int_equal(checkpoint_covers(&a, a.heads[3].author, a.heads[3].instance), 103);
    assert_int_equal(checkpoint_covers(&b, a.heads[3].author, a.heads[3].instance), 0);
}

static void write_kept(struct output *o, uint64_t step, const char *value)
{
    struct entry e = test_entry(ENTRY_SET, "key", 1, value, 7);
    uint8_t body[ENTRY_SIZE_MAX];
    size_t size;

    assert_int_equal(entry_encode(&e, body, &size), 0);
    varint_write(o, step);
    varint_write(o, size);
    output_copy(o, body, size);
}

static void write_group(struct output *o, uint8_t author, uint64_t instance, uint32_t count)
{
    uint8_t key[32] = { author };

    output_copy(o, key, sizeof(key));
    output_le64(o, instance);
    varint_write(o, count);
}

/* Returns how many, or the error. */
static int read_all(const uint8_t *bytes, size_t size, struct checkpoint_kept *last)
{
    struct checkpoint_reader r = checkpoint_read(bytes, size);
    int result, count = 0;

    while ((result = checkpoint_next(&r, last)) > 0)
        count++;
    return result < 0 ? result : count;
}

static void segments_are_read(void **state)
{
    uint8_t bytes[600];
    struct output o = output_make(bytes, sizeof(bytes));
    struct checkpoint_kept last;
    struct entry e;

    write_group(&o, 1, 5, 2);
    write_kept(&o, 3, "a");
    write_kept(&o, 4, "b");
    write_group(&o, 1, 6, 1);
    write_kept(&o, 9, "c");
    assert_int_equal(read_all(bytes, o.size, &last), 3);
    assert_int_equal(last.seq, 9);
    assert_int_equal(last.instance, 6);
    assert_int_equal(entry_decode(last.body, last.body_size, &e), 0);
    assert_memory_equal(e.value, "c", 1);
    for (size_t cut = 0; cut < o.size; cut++) {
        int r = read_all(bytes, cut, &last);

        assert_true(r == -EBADMSG || (r == 2 && cut < o.size));
    }
    assert_int_equal(read_all(bytes, 0, &last), -EBADMSG);
}

static void bad_segments_are_refused(void **state)
{
    static uint8_t large[CHECKPOINT_SEGMENT_SIZE_MAX + 1];
    uint8_t bytes[600];
    struct output o = output_make(bytes, sizeof(bytes));
    struct checkpoint_kept last;

    write_group(&o, 1, 5, 1);
    write_kept(&o, 1, "a");
    write_group(&o, 1, 5, 1); /* the same chain again */
    write_kept(&o, 2, "a");
    assert_int_equal(read_all(bytes, o.size, &last), -EBADMSG);
    o = output_make(bytes, sizeof(bytes));
    write_group(&o, 1, 5, 2);
    write_kept(&o, 1, "a");
    write_kept(&o, 0, "a"); /* the same seq again */
    assert_int_equal(read_all(bytes, o.size, &last), -EBADMSG);
    o = output_make(bytes, sizeof(bytes));
    write_group(&o, 1, 5, 0);
    assert_int_equal(read_all(bytes, o.size, &last), -EBADMSG);
    o = output_make(bytes, sizeof(bytes));
    write_group(&o, 1, 5, 1);
    varint_write(&o, 1);
    varint_write(&o, 3);
    output_copy(&o, "abc", 3); /* no entry */
    assert_int_equal(read_all(bytes, o.size, &last), -EBADMSG);
    assert_int_equal(read_all(large, sizeof(large), &last), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_encoding),
        cmocka_unit_test(more_than_fits_is_refused),
        cmocka_unit_test(every_bit_is_signed),
        cmocka_unit_test(disorder_is_refused),
        cmocka_unit_test(what_replaces_what),
        cmocka_unit_test(segments_are_read),
        cmocka_unit_test(bad_segments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
