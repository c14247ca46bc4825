#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "org/crdt.h"
#include "org/org_test.h"

enum { ITEMS_MAX = 24, VALUES_MAX = 32 };

static uint8_t authors[4][ENTRY_AUTHOR_SIZE] = { { 1 }, { 2 }, { 3 }, { 4 } };

struct set {
    struct crdt_item items[ITEMS_MAX];
    size_t order[ITEMS_MAX];
    size_t count;
};

static void item_at(const void *context, size_t index, struct crdt_item *ret)
{
    const struct set *set = context;

    *ret = set->items[set->order[index]];
}

/* `place` is the author times 100 plus the seq. */
static struct crdt_item *add(struct set *set, unsigned place, uint8_t operation, uint32_t field,
                             const char *value, uint64_t stamp)
{
    struct crdt_item *item = &set->items[set->count];

    set->order[set->count] = set->count;
    set->count++;
    *item = (struct crdt_item){ .author = authors[place / 100], .instance = 1, .seq = place % 100 };
    item->entry = test_entry(operation, "k", field, value, stamp);
    return item;
}

static void saw(struct crdt_item *item, unsigned author, uint64_t seq)
{
    item->entry.context[item->entry.context_count++] =
        (struct entry_seen){ .author = authors[author], .instance = 1, .seq = seq };
}

static struct crdt_document fold(const struct set *set, uint32_t covers_max,
                                 struct crdt_value values[VALUES_MAX])
{
    struct crdt_source source = { .at = item_at, .context = set, .count = set->count };
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    struct crdt_scratch *scratch;

    assert_int_equal(crdt_scratch_new(covers_max, &scratch), 0);
    crdt_fold(scratch, &source, &d);
    (void)crdt_scratch_free(scratch);
    return d;
}

static void a_later_value_replaces_what_was_seen(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct set set = { .count = 0 };
    struct crdt_document d;

    (void)add(&set, 1, ENTRY_SET, 1, "old", 100);
    saw(add(&set, 101, ENTRY_SET, 1, "new", 5), 0, 1); /* a clock far behind does not matter */
    d = fold(&set, 64, values);
    assert_true(d.exists);
    assert_false(d.conflict);
    assert_int_equal(d.count, 1);
    assert_memory_equal(values[0].value, "new", 3);
}

static void concurrent_values_stay_until_written_over(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct set set = { .count = 0 };
    struct crdt_item *last;
    struct crdt_document d;

    (void)add(&set, 1, ENTRY_SET, 1, "left", 7);
    (void)add(&set, 101, ENTRY_SET, 1, "right", 7);
    (void)add(&set, 2, ENTRY_SET, 2, "alone", 8);
    d = fold(&set, 64, values);
    assert_true(d.conflict);
    assert_int_equal(d.count, 3);
    assert_memory_equal(values[0].value, "right", 5); /* equal stamps: the higher author */
    assert_true(values[0].winner && values[0].conflict);
    assert_true(!values[1].winner && values[1].conflict);
    assert_true(values[2].winner && !values[2].conflict);
    last = add(&set, 201, ENTRY_SET, 1, "settled", 1);
    saw(last, 0, 1);
    saw(last, 1, 1);
    d = fold(&set, 64, values);
    assert_false(d.conflict);
    assert_int_equal(d.count, 2);
}

static void equal_concurrent_values_are_no_conflict(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct set set = { .count = 0 };

    (void)add(&set, 1, ENTRY_SET, 1, "same", 7);
    (void)add(&set, 101, ENTRY_SET, 1, "same", 9);
    assert_false(fold(&set, 64, values).conflict);
}

static void an_edit_beside_a_delete_stays_and_shows(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct set set = { .count = 0 };
    struct crdt_document d;

    (void)add(&set, 1, ENTRY_SET, 1, "a", 1);
    saw(add(&set, 101, ENTRY_DELETE, 0, "", 2), 0, 1);
    d = fold(&set, 64, values);
    assert_false(d.exists);
    assert_false(d.conflict);
    (void)add(&set, 2, ENTRY_SET, 2, "b", 3);
    d = fold(&set, 64, values);
    assert_true(d.exists);
    assert_true(d.conflict);
    assert_int_equal(d.count, 1);
    saw(add(&set, 3, ENTRY_SET, 2, "c", 4), 1, 1); /* who has seen both settles it */
    d = fold(&set, 64, values);
    assert_true(d.exists);
    assert_false(d.conflict);
}

static void sets_and_maxima_only_grow(void **state)
{
    static const char two[8] = { 2, 1, 1, 1, 1, 1, 1, 1 }, nine[8] = { 9, 1, 1, 1, 1, 1, 1, 1 };
    struct crdt_value values[VALUES_MAX];
    struct set set = { .count = 0 };
    struct crdt_item *item;
    struct crdt_document d;

    (void)add(&set, 1, ENTRY_ADD, 1, "x", 1);
    (void)add(&set, 101, ENTRY_ADD, 1, "y", 1);
    (void)add(&set, 201, ENTRY_ADD, 1, "x", 5);
    item = add(&set, 2, ENTRY_RAISE, 1, "", 9);
    item->entry.value = (const uint8_t *)two;
    item->entry.value_size = 8;
    item = add(&set, 102, ENTRY_RAISE, 1, "", 1);
    item->entry.value = (const uint8_t *)nine;
    item->entry.value_size = 8;
    item = add(&set, 301, ENTRY_DELETE, 0, "", 99);
    saw(item, 0, 2);
    saw(item, 1, 2);
    (void)add(&set, 302, 77, 1, "later", 1); /* an operation of a later version */
    d = fold(&set, 64, values);
    assert_int_equal(d.count, 3);
    assert_false(d.exists);
    assert_false(d.conflict);
    assert_int_equal(values[0].stamp, 5);
    assert_int_equal(values[2].operation, ENTRY_RAISE);
    assert_int_equal(values[2].value[0], 9);
}

static void shuffle(struct set *set, uint64_t *seed)
{
    for (size_t i = set->count; i > 1; i--) {
        size_t k = test_random(seed) % i, kept = set->order[i - 1];

        set->order[i - 1] = set->order[k];
        set->order[k] = kept;
    }
}

static void random_set(struct set *set, uint64_t *seed)
{
    static const char *const words[] = { "a", "b", "c" };
    uint64_t seqs[4] = { 0 };

    set->count = 0;
    while (set->count < 4 + test_random(seed) % (ITEMS_MAX - 4)) {
        unsigned author = (unsigned)(test_random(seed) % 4);
        uint8_t operation = (uint8_t)(1 + test_random(seed) % 3);
        bool deletes = operation == ENTRY_DELETE;
        struct crdt_item *item =
            add(set, author * 100 + (unsigned)++seqs[author], operation,
                deletes ? 0 : 1 + (uint32_t)(test_random(seed) % 2),
                deletes ? "" : words[test_random(seed) % 3], test_random(seed) % 4);

        for (unsigned other = 0; other < 4; other++) {
            if (other != author && seqs[other] > 0 && test_random(seed) % 2)
                saw(item, other, 1 + test_random(seed) % seqs[other]);
        }
    }
}

/* Any order of visiting, with the table of covers and without it: the same document. */
static void order_and_method_do_not_matter(void **state)
{
    uint64_t seed = 42;

    for (unsigned round = 0; round < 3000; round++) {
        struct crdt_value a[VALUES_MAX], b[VALUES_MAX];
        struct crdt_document da, db;
        struct set set;

        random_set(&set, &seed);
        da = fold(&set, 512, a);
        shuffle(&set, &seed);
        db = fold(&set, (uint32_t)(test_random(&seed) % 3), b);
        assert_int_equal(da.count, db.count);
        assert_int_equal(da.exists, db.exists);
        assert_int_equal(da.conflict, db.conflict);
        for (size_t i = 0; i < da.count; i++) {
            assert_ptr_equal(a[i].author, b[i].author);
            assert_true(a[i].seq == b[i].seq && a[i].winner == b[i].winner &&
                        a[i].conflict == b[i].conflict);
        }
    }
}

static void a_small_document_is_cut_the_same_way(void **state)
{
    uint64_t seed = 7;

    for (unsigned round = 0; round < 500; round++) {
        struct crdt_value a[VALUES_MAX], b[3];
        struct crdt_document small = { .values = b, .capacity = 3 };
        struct crdt_source source = { .at = item_at };
        struct crdt_scratch *scratch;
        struct crdt_document full;
        struct set set;

        random_set(&set, &seed);
        full = fold(&set, 512, a);
        shuffle(&set, &seed);
        source.context = &set;
        source.count = set.count;
        assert_int_equal(crdt_scratch_new(256, &scratch), 0);
        crdt_fold(scratch, &source, &small);
        (void)crdt_scratch_free(scratch);
        assert_int_equal(small.truncated, full.count > 3);
        assert_int_equal(small.count, full.count > 3 ? 3 : full.count);
        for (size_t i = 0; i < small.count; i++)
            assert_true(a[i].author == b[i].author && a[i].seq == b[i].seq);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_value_replaces_what_was_seen),
        cmocka_unit_test(concurrent_values_stay_until_written_over),
        cmocka_unit_test(equal_concurrent_values_are_no_conflict),
        cmocka_unit_test(an_edit_beside_a_delete_stays_and_shows),
        cmocka_unit_test(sets_and_maxima_only_grow),
        cmocka_unit_test(order_and_method_do_not_matter),
        cmocka_unit_test(a_small_document_is_cut_the_same_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
