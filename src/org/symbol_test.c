#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "org/org_test.h"
#include "org/symbol.h"

static const uint8_t salt[DIGEST_SALT_SIZE] = { 1, 2, 3 };

/* The definition, tried index by index. */
static uint32_t next_by_definition(uint64_t id, uint32_t step, uint32_t index)
{
    uint64_t z = id + (step + 1ull) * 0x9e3779b97f4a7c15ull, r;
    uint64_t right = ((index + 1ull) * (index + 2ull)) << 24;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    r = (z ^ (z >> 31)) >> 40;
    for (uint64_t j = index + 1ull; j < 100000; j++) {
        if ((j + 1) * (j + 2) * (r + 1) > right)
            return (uint32_t)j;
    }
    return SYMBOL_INDEX_MAX;
}

static void the_mapping_is_as_defined(void **state)
{
    uint64_t seed = 8;

    for (unsigned i = 0; i < 2000; i++) {
        uint64_t id = test_random(&seed);
        uint32_t index = 0;

        for (uint32_t step = 0; index < 2000; step++) {
            uint32_t next = symbol_next(id, step, index);

            if (next < 100000)
                assert_int_equal(next, next_by_definition(id, step, index));
            index = next;
        }
    }
    /* Fixed values, so that another implementation can check itself. */
    assert_int_equal(symbol_next(1, 0, 0), 1);
    assert_int_equal(symbol_next(UINT64_MAX, 3, 1000), 1533);
    assert_int_equal(symbol_next(0x0123456789abcdefull, 7, 500000), SYMBOL_INDEX_MAX);
}

/* An id is in cell i with probability 2 / (i + 2). */
static void the_mapping_is_dense_where_it_should_be(void **state)
{
    uint32_t hits[64] = { 0 };
    uint64_t seed = 77;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t id = test_random(&seed);
        uint32_t index = 0;

        for (uint32_t step = 0; index < 64; step++) {
            hits[index]++;
            index = symbol_next(id, step, index);
        }
    }
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t expected = 200000 / (i + 2);

        assert_in_range(hits[i], expected - expected / 10, expected + expected / 10);
    }
}

struct pair {
    struct symbol_stream *theirs, *ours;
    struct symbol_decoder *decoder;
    uint64_t sum; /* of all ids that only one side has */
};

static void open_pair(struct pair *p, uint32_t shared, uint32_t only_theirs, uint32_t only_ours,
                      uint64_t seed)
{
    assert_int_equal(symbol_stream_new(shared + only_theirs + 1, &p->theirs), 0);
    assert_int_equal(symbol_stream_new(shared + only_ours + 1, &p->ours), 0);
    assert_int_equal(symbol_decoder_new(4096, &p->decoder), 0);
    symbol_stream_clear(p->theirs, salt);
    symbol_stream_clear(p->ours, salt);
    symbol_decoder_begin(p->decoder, p->ours, salt);
    p->sum = 0;
    for (uint32_t i = 0; i < shared + only_theirs + only_ours; i++) {
        uint64_t id = test_random(&seed);

        if (i < shared + only_theirs)
            assert_int_equal(symbol_stream_add(p->theirs, id), 0);
        if (i < shared || i >= shared + only_theirs)
            assert_int_equal(symbol_stream_add(p->ours, id), 0);
        p->sum += i >= shared ? id : 0;
    }
}

static void close_pair(struct pair *p)
{
    (void)symbol_stream_free(p->theirs);
    (void)symbol_stream_free(p->ours);
    (void)symbol_decoder_free(p->decoder);
}

/* Sends cells one by one over the wire form; returns how many it took. */
static uint32_t reconcile(struct pair *p)
{
    int done = 0;

    for (uint32_t i = 0; done == 0; i++) {
        struct symbol cell = { 0 }, read;
        uint8_t bytes[SYMBOL_SIZE];
        struct output o = output_make(bytes, sizeof(bytes));
        struct cursor c;

        symbol_stream_cells(p->theirs, i, 1, 1, &cell);
        symbol_write(&o, &cell);
        assert_true(output_fits(&o));
        c = cursor_make(bytes, o.size);
        symbol_read(&c, &read);
        assert_true(cursor_finished(&c));
        assert_true(read.number == cell.number);
        assert_int_equal(symbol_decoder_add(p->decoder, &read), 0);
        done = symbol_decoder_run(p->decoder);
        assert_true(done >= 0);
    }
    return symbol_decoder_cells(p->decoder);
}

static void differences_are_found(void **state)
{
    static const uint32_t cases[][3] = { { 0, 0, 0 },       { 1000, 0, 0 },   { 0, 1, 0 },
                                         { 1000, 0, 1 },    { 1000, 30, 70 }, { 0, 500, 0 },
                                         { 300, 500, 500 }, { 5000, 5, 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t difference = cases[i][1] + cases[i][2], theirs = 0, cells;
        struct pair p;
        uint64_t sum = 0;

        open_pair(&p, cases[i][0], cases[i][1], cases[i][2], 100 + i);
        cells = reconcile(&p);
        assert_int_equal(symbol_decoder_count(p.decoder), difference);
        for (uint32_t k = 0; k < difference; k++) {
            bool is_theirs;

            sum += symbol_decoder_id(p.decoder, k, &is_theirs);
            theirs += is_theirs;
        }
        assert_true(sum == p.sum);
        assert_int_equal(theirs, cases[i][1]);
        assert_true(cells <= 2 * difference + 10);
        if (difference >= 500)
            assert_true(cells <= difference * 3 / 2);
        close_pair(&p);
    }
}

/* Cells made to mislead: the decoder ends with any verdict, within its bounds. */
static void hostile_cells_end_somewhere(void **state)
{
    uint64_t seed = 5;

    for (unsigned round = 0; round < 300; round++) {
        struct symbol_stream *own;
        struct symbol_decoder *d;
        int r = 0;

        assert_int_equal(symbol_stream_new(1, &own), 0);
        symbol_stream_clear(own, salt);
        assert_int_equal(symbol_decoder_new(100, &d), 0);
        symbol_decoder_begin(d, own, salt);
        for (unsigned i = 0; i < 264 && r == 0; i++) {
            uint64_t id = test_random(&seed) % 4; /* few ids, so that they meet again and again */
            struct symbol cell = { id, symbol_check(salt, id), test_random(&seed) % 2 ? 1 : 255 };

            r = symbol_decoder_add(d, &cell);
            assert_int_equal(r, 0);
            if (i % 16 == 15)
                r = symbol_decoder_run(d);
        }
        assert_true(symbol_decoder_count(d) <= 100);
        if (r == 0)
            assert_int_equal(symbol_decoder_add(d, &(struct symbol){ 0 }), -ENOSPC);
        (void)symbol_decoder_free(d);
        (void)symbol_stream_free(own);
    }
}

static void cut_cells_are_refused(void **state)
{
    struct symbol cell = { 1, 2, 253 }, read;
    uint8_t bytes[SYMBOL_SIZE];
    struct output o = output_make(bytes, sizeof(bytes));

    symbol_write(&o, &cell);
    for (size_t cut = 0; cut < o.size; cut++) {
        struct cursor c = cursor_make(bytes, cut);

        symbol_read(&c, &read);
        assert_true(c.failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mapping_is_as_defined),
        cmocka_unit_test(the_mapping_is_dense_where_it_should_be),
        cmocka_unit_test(differences_are_found),
        cmocka_unit_test(hostile_cells_end_somewhere),
        cmocka_unit_test(cut_cells_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
