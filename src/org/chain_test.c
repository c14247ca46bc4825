#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "base/hex.h"
#include "org/chain.h"
#include "org/org_test.h"

static const struct chain_limits limits = {
    .chains_max = 8,
    .entries_max = 1000,
    .bytes_max = 200000,
    .evidence_max = 4,
    .author_chains_max = 3,
    .chain_entries_max = 700,
    .chain_bytes_max = 150000,
};
static const struct digest org = { { 0x0f } };

struct replica {
    struct chain_set *set;
    struct revoke_set *revocations;
    unsigned verified;
};

static bool admits_all_but_9(void *context, const uint8_t *author)
{
    struct test_key nine = test_key(9);

    return memcmp(author, nine.bytes, sizeof(nine.bytes)) != 0;
}

static void open_with(struct replica *r, bool (*admits)(void *context, const uint8_t *author))
{
    struct chain_rules rules = { test_verify, admits, &r->verified };

    r->verified = 0;
    assert_int_equal(revoke_set_new(8, &r->revocations), 0);
    assert_int_equal(chain_set_new(&limits, &rules, &org, r->revocations, &r->set), 0);
}

static void open_replica(struct replica *r)
{
    open_with(r, admits_all_but_9);
}

static void close_replica(struct replica *r)
{
    (void)chain_set_free(r->set);
    (void)revoke_set_free(r->revocations);
}

/* Writes entries first..last, each naming its number and `tag`; seals at spans and at the end. */
static void write_entries(struct replica *r, unsigned key, uint64_t instance, unsigned first,
                          unsigned last, const char *tag)
{
    struct test_key k = test_key(key);

    for (unsigned i = first; i <= last; i++) {
        char value[32];
        struct entry e;

        (void)snprintf(value, sizeof(value), "%s %u", tag, i);
        e = test_entry(ENTRY_SET, "k", 1, value, i);
        assert_int_equal(test_append(r->set, &k, instance, &e, i % CHAIN_SPAN == 0 || i == last),
                         0);
    }
}

static size_t pack(struct replica *r, uint32_t chain, uint64_t first, uint8_t *bytes, size_t size,
                   uint64_t *next)
{
    struct output o = output_make(bytes, size);

    assert_int_equal(chain_pack(r->set, chain, first, &o, next), 0);
    return o.size;
}

/* Sends everything that `from` lists of a chain, from `first` on; returns the last outcome. */
static struct chain_outcome send_chain(struct replica *from, struct replica *to, uint32_t chain,
                                       uint64_t first)
{
    static uint8_t bytes[1 << 18];
    struct chain_outcome outcome = { .result = CHAIN_KNOWN };

    while (first <= chain_listed(from->set, chain) && outcome.result != CHAIN_DIVERGED) {
        size_t size = pack(from, chain, first, bytes, sizeof(bytes), &first);

        assert_int_equal(chain_take(to->set, bytes, size, &outcome), 0);
    }
    return outcome;
}

static void a_chain_travels_in_spans(void **state)
{
    struct replica a, b;
    struct test_key k = test_key(1);
    struct digest ha, hb;

    open_replica(&a);
    open_replica(&b);
    write_entries(&a, 1, 7, 1, 200, "x");
    assert_int_equal(send_chain(&a, &b, 0, 1).result, CHAIN_TOOK);
    assert_int_equal(chain_find(b.set, k.bytes, 7), 0);
    assert_int_equal(chain_listed(b.set, 0), 200);
    assert_int_equal(chain_valid(b.set, 0), 200);
    assert_int_equal(b.verified, 4); /* one signature for each span of 64 */
    ha = chain_hash(a.set, 0, 200);
    hb = chain_hash(b.set, 0, 200);
    assert_memory_equal(&ha, &hb, sizeof(ha));
    assert_int_equal(send_chain(&a, &b, 0, 1).result, CHAIN_KNOWN);
    assert_int_equal(b.verified, 4); /* what is known needs no verification */
    write_entries(&a, 1, 7, 201, 203, "x");
    assert_int_equal(send_chain(&a, &b, 0, 201).result, CHAIN_TOOK);
    assert_int_equal(chain_listed(b.set, 0), 203);
    close_replica(&a);
    close_replica(&b);
}

/* Bodies that do not fit into one batch: their digests come first, they themselves later, and the
 * signature that was good for all is not checked again. */
static void large_entries_come_in_several_batches(void **state)
{
    static char value[6001];
    struct test_key k = test_key(1);
    struct replica a, b;
    struct entry e;

    memset(value, 'x', sizeof(value) - 1);
    e = test_entry(ENTRY_SET, "k", 1, value, 1);
    open_replica(&a);
    open_replica(&b);
    for (unsigned i = 1; i <= 20; i++)
        assert_int_equal(test_append(a.set, &k, 7, &e, i == 20), 0);
    assert_int_equal(send_chain(&a, &b, 0, 1).result, CHAIN_TOOK);
    assert_int_equal(chain_valid(b.set, 0), 20);
    assert_int_equal(b.verified, 1);
    close_replica(&a);
    close_replica(&b);
}

/* Fixed values, so that another implementation can check itself. */
static void hashes_are_as_written_down(void **state)
{
    struct test_key k = { { 1, 2, 3 } };
    struct entry e = test_entry(ENTRY_SET, "web", 1, "on", 0x0102);
    uint8_t message[CHAIN_MESSAGE_SIZE];
    char text[2 * CHAIN_MESSAGE_SIZE + 1];
    struct replica a;

    open_replica(&a);
    assert_int_equal(test_append(a.set, &k, 0x1122, &e, false), 0);
    chain_head_message(a.set, 0, message);
    hex_encode(message, sizeof(message), text);
    assert_string_equal(text, "62726f636820686561642031000f00000000000000000000000000000000000000"
                              "000000000000000000000000010203000000000000000000000000000000000000"
                              "000000000000000000000022110000000000000100000000000000"
                              "9c118b6854665c95524e970828b13470dfbbc3fb51d3ce638fe7b789cc73f74e");
    close_replica(&a);
}

static void a_gap_is_asked_for(void **state)
{
    struct replica a, b;
    uint8_t bytes[20000];
    struct chain_outcome outcome;
    uint64_t next;
    size_t size;

    open_replica(&a);
    open_replica(&b);
    write_entries(&a, 1, 7, 1, 70, "x");
    size = pack(&a, 0, 65, bytes, sizeof(bytes), &next);
    assert_int_equal(next, 71);
    assert_int_equal(chain_take(b.set, bytes, size, &outcome), 0);
    assert_int_equal(outcome.result, CHAIN_GAP);
    assert_int_equal(outcome.want, 1);
    assert_int_equal(chain_set_count(b.set), 0); /* nothing was stored for it */
    close_replica(&a);
    close_replica(&b);
}

/* What is asked for lies outside of the chain, or has no room. */
static void nothing_else_is_packed(void **state)
{
    uint8_t bytes[400];
    struct output o = output_make(bytes, sizeof(bytes)), small;
    struct replica a;
    uint64_t next = 7;
    size_t whole;

    open_replica(&a);
    write_entries(&a, 1, 7, 1, 1, "x");
    assert_int_equal(chain_pack(a.set, 0, 0, &o, &next), -ENOENT);
    assert_int_equal(chain_pack(a.set, 0, 2, &o, &next), -ENOENT);
    assert_int_equal(o.size, 0);
    assert_int_equal(chain_pack(a.set, 0, 1, &o, &next), 0);
    assert_int_equal(next, 2);
    whole = o.size;
    for (size_t room = 0; room < whole; room++) {
        small = output_make(bytes, room);
        assert_int_equal(chain_pack(a.set, 0, 1, &small, &next), -ENOSPC);
    }
    close_replica(&a);
}

static void a_batch_stays_in_its_span(void **state)
{
    enum { FIRST_AT = 32 + 8 };
    uint8_t bytes[600];
    struct chain_outcome outcome;
    struct replica a;
    uint64_t next;
    size_t size;

    open_replica(&a);
    write_entries(&a, 1, 7, 1, CHAIN_SPAN, "x");
    size = pack(&a, 0, CHAIN_SPAN - 1, bytes, sizeof(bytes), &next);
    assert_int_equal(bytes[FIRST_AT], CHAIN_SPAN - 1);
    assert_int_equal(chain_take(a.set, bytes, size, &outcome), 0);
    bytes[FIRST_AT]++; /* two entries, and the second one is beyond */
    assert_int_equal(chain_take(a.set, bytes, size, &outcome), -EBADMSG);
    memset(bytes, 0, sizeof(bytes)); /* and it has one at least: no body, no tail */
    bytes[FIRST_AT] = 1;
    assert_int_equal(chain_take(a.set, bytes, FIRST_AT + 1 + 32 + 1 + 1 + 64, &outcome), -EBADMSG);
    close_replica(&a);
}

/* Signed by the author, and yet no past of this org: where a chain begins is nobody's choice. */
static void a_chain_begins_at_its_origin(void **state)
{
    static const struct digest other_org = { { 0x1f } };
    struct chain_rules rules = { test_verify, admits_all_but_9, NULL };
    uint8_t bytes[400], message[CHAIN_MESSAGE_SIZE];
    struct chain_outcome outcome;
    struct test_key k = test_key(1);
    struct replica a, elsewhere = { .verified = 0 };
    struct digest head;
    uint64_t next;
    size_t size;

    open_replica(&a);
    assert_int_equal(revoke_set_new(8, &elsewhere.revocations), 0);
    rules.context = &elsewhere.verified;
    assert_int_equal(
        chain_set_new(&limits, &rules, &other_org, elsewhere.revocations, &elsewhere.set), 0);
    write_entries(&elsewhere, 1, 7, 1, 1, "x");
    size = pack(&elsewhere, 0, 1, bytes, sizeof(bytes), &next);
    assert_int_equal(chain_take(a.set, bytes, size, &outcome), -EKEYREJECTED);
    /* The same past, signed for this org. */
    chain_head_message(elsewhere.set, 0, message);
    memcpy(message + 13, org.bytes, DIGEST_SIZE);
    head = chain_hash(elsewhere.set, 0, 1);
    assert_memory_equal(message + sizeof(message) - DIGEST_SIZE, head.bytes, DIGEST_SIZE);
    test_sign(k.bytes, message, sizeof(message), bytes + size - CHAIN_SIGNATURE_SIZE);
    assert_int_equal(chain_take(a.set, bytes, size, &outcome), -EBADMSG);
    assert_int_equal(chain_set_count(a.set), 0);
    close_replica(&a);
    close_replica(&elsewhere);
}

static void strangers_and_forgers_are_refused(void **state)
{
    struct replica a, b;
    uint8_t bytes[20000];
    struct chain_outcome outcome;
    uint64_t next;
    size_t size;

    struct test_key nine = test_key(9);
    struct entry e = test_entry(ENTRY_SET, "k", 1, "v", 1);

    open_with(&a, test_admits_all);
    open_replica(&b);
    assert_int_equal(test_append(b.set, &nine, 7, &e, true), -EACCES);
    write_entries(&a, 9, 7, 1, 3, "x");
    assert_int_equal(send_chain(&a, &b, 0, 1).result, CHAIN_STRANGER);
    assert_int_equal(chain_set_count(b.set), 0);
    write_entries(&a, 1, 7, 1, 3, "x");
    size = pack(&a, 1, 1, bytes, sizeof(bytes), &next);
    bytes[size - 1] ^= 1;
    assert_int_equal(chain_take(b.set, bytes, size, &outcome), -EKEYREJECTED);
    assert_int_equal(chain_set_count(b.set), 0);
    close_replica(&a);
    close_replica(&b);
}

/* Nothing that differs in one bit, and nothing cut or longer, is taken. */
static void damaged_batches_are_refused(void **state)
{
    struct replica a, b;
    uint8_t bytes[2000];
    struct chain_outcome outcome;
    uint64_t next;
    size_t size;

    open_replica(&a);
    open_replica(&b);
    write_entries(&a, 1, 7, 1, 5, "x");
    size = pack(&a, 0, 1, bytes, sizeof(bytes) - 1, &next);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        int r;

        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = chain_take(b.set, bytes, size, &outcome);
        assert_true(r == -EBADMSG || r == -EKEYREJECTED);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(chain_take(b.set, bytes, cut, &outcome), -EBADMSG);
    bytes[size] = 0;
    assert_int_equal(chain_take(b.set, bytes, size + 1, &outcome), -EBADMSG);
    assert_int_equal(chain_set_count(b.set), 0);
    assert_int_equal(chain_take(b.set, bytes, size, &outcome), 0);
    assert_int_equal(outcome.result, CHAIN_TOOK);
    close_replica(&a);
    close_replica(&b);
}

/* Two replicas that start as one and go on as two with the same key and instance. */
static void open_fork(struct replica *a, struct replica *b, unsigned common, unsigned more_a,
                      unsigned more_b)
{
    open_replica(a);
    open_replica(b);
    write_entries(a, 1, 7, 1, common, "common");
    write_entries(b, 1, 7, 1, common, "common");
    write_entries(a, 1, 7, common + 1, common + more_a, "left");
    write_entries(b, 1, 7, common + 1, common + more_b, "right");
}

/* Exchanges until nothing is new, the way a sync does: from the first entry that might differ. */
static void exchange(struct replica *a, struct replica *b)
{
    struct chain_outcome outcome = { .result = CHAIN_DIVERGED };
    uint8_t bytes[CHAIN_EVIDENCE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));

    for (uint64_t from = chain_listed(b->set, 0);
         chain_listed(a->set, 0) > 0 && outcome.result == CHAIN_DIVERGED; from = outcome.want) {
        if (from > chain_listed(a->set, 0))
            from = chain_listed(a->set, 0);
        from = from > 0 ? from : 1;
        outcome = send_chain(a, b, 0, from);
    }
    if (chain_pack_evidence(a->set, 0, &o) == 0)
        assert_int_equal(chain_take_evidence(b->set, bytes, o.size, &outcome), 0);
}

static void a_fork_is_found_wherever_it_is(void **state)
{
    static const unsigned cases[][3] = { { 4, 1, 1 },   { 4, 3, 1 },    { 0, 1, 1 },
                                         { 63, 2, 2 },  { 64, 1, 1 },   { 64, 100, 3 },
                                         { 5, 1, 250 }, { 100, 70, 90 } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct replica a, b, c;

        open_fork(&a, &b, cases[i][0], cases[i][1], cases[i][2]);
        open_replica(&c);
        (void)send_chain(&b, &c, 0, 1); /* c has one branch and will only hear of the fork */
        exchange(&a, &b);
        exchange(&b, &a);
        exchange(&a, &c);
        assert_int_equal(chain_at(a.set, 0)->fork, cases[i][0] + 1);
        assert_int_equal(chain_at(b.set, 0)->fork, cases[i][0] + 1);
        assert_int_equal(chain_at(c.set, 0)->fork, cases[i][0] + 1);
        assert_int_equal(chain_valid(a.set, 0), cases[i][0]);
        assert_int_equal(chain_valid(c.set, 0), cases[i][0]);
        close_replica(&a);
        close_replica(&b);
        close_replica(&c);
    }
}

static void the_frozen_part_still_travels(void **state)
{
    struct replica a, b, c;
    uint8_t bytes[CHAIN_EVIDENCE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct chain_outcome outcome;
    struct test_key k = test_key(1);
    struct entry e = test_entry(ENTRY_SET, "k", 1, "late", 9);

    open_fork(&a, &b, 70, 5, 9);
    exchange(&a, &b);
    open_replica(&c);
    assert_int_equal(chain_pack_evidence(b.set, 0, &o), 0);
    assert_int_equal(chain_take_evidence(c.set, bytes, o.size, &outcome), 0);
    assert_int_equal(outcome.result, CHAIN_FORKED);
    assert_int_equal(chain_valid(c.set, 0), 0);
    assert_int_equal(send_chain(&b, &c, 0, 1).result, CHAIN_TOOK);
    assert_int_equal(chain_valid(c.set, 0), 70);
    assert_int_equal(chain_take_evidence(c.set, bytes, o.size, &outcome), 0);
    assert_int_equal(outcome.result, CHAIN_KNOWN);
    assert_int_equal(test_append(b.set, &k, 7, &e, true), -EKEYREVOKED);
    close_replica(&a);
    close_replica(&b);
    close_replica(&c);
}

static void damaged_evidence_is_refused(void **state)
{
    struct replica a, b, c;
    uint8_t bytes[CHAIN_EVIDENCE_MAX + 1];
    struct output o = output_make(bytes, CHAIN_EVIDENCE_MAX);
    struct chain_outcome outcome;

    open_fork(&a, &b, 3, 2, 1);
    exchange(&a, &b);
    open_replica(&c);
    assert_int_equal(chain_pack_evidence(b.set, 0, &o), 0);
    for (size_t bit = 0; bit < 8 * o.size; bit++) {
        int r;

        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = chain_take_evidence(c.set, bytes, o.size, &outcome);
        assert_true(r == -EBADMSG || r == -EKEYREJECTED);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < o.size; cut++)
        assert_int_equal(chain_take_evidence(c.set, bytes, cut, &outcome), -EBADMSG);
    assert_int_equal(chain_set_count(c.set), 0);
    close_replica(&a);
    close_replica(&b);
    close_replica(&c);
}

/* One true branch, shown twice, is no fork: otherwise anybody could freeze anybody. */
static void one_branch_twice_proves_nothing(void **state)
{
    enum { BRANCH = 1 + 2 * DIGEST_SIZE + CHAIN_SIGNATURE_SIZE };
    struct replica a, b;
    uint8_t bytes[CHAIN_EVIDENCE_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct chain_outcome outcome;

    open_fork(&a, &b, 3, 2, 2);
    exchange(&a, &b);
    assert_int_equal(chain_pack_evidence(b.set, 0, &o), 0);
    close_replica(&b);
    open_replica(&b);
    memcpy(bytes + o.size - BRANCH, bytes + o.size - (size_t)2 * BRANCH, BRANCH);
    assert_int_equal(chain_take_evidence(b.set, bytes, o.size, &outcome), -EBADMSG);
    assert_int_equal(chain_set_count(b.set), 0);
    close_replica(&a);
    close_replica(&b);
}

static void revoke(struct replica *r, const struct replica *truth, uint64_t seq)
{
    struct revoke_statement s = { .role = REVOKE_ADMIN, .stamp = seq };
    struct test_key subject = test_key(1), revoker = test_key(2);

    memcpy(s.subject, subject.bytes, 32);
    memcpy(s.revoker, revoker.bytes, 32);
    if (seq > 0) {
        s.frontier_count = 1;
        s.frontiers[0].instance = 7;
        s.frontiers[0].seq = seq;
        s.frontiers[0].hash = chain_hash(truth->set, 0, seq);
    }
    assert_int_equal(revoke_set_add(r->revocations, &s), 1);
    chain_set_revoked(r->set, subject.bytes);
}

/* Whether the entries or the revocation come first makes no difference; the rest stays away. */
static void a_revocation_bounds_a_chain(void **state)
{
    struct replica a, before, after, third;
    struct digest x, y;

    open_replica(&a);
    open_replica(&before);
    open_replica(&after);
    open_replica(&third);
    write_entries(&a, 1, 7, 1, 80, "x");
    revoke(&before, &a, 70);
    (void)send_chain(&a, &before, 0, 1);
    (void)send_chain(&a, &after, 0, 1);
    revoke(&after, &a, 70);
    assert_int_equal(chain_valid(before.set, 0), 70);
    assert_int_equal(chain_valid(after.set, 0), 70);
    x = chain_hash(before.set, 0, 70);
    y = chain_hash(after.set, 0, 70);
    assert_memory_equal(&x, &y, sizeof(x));
    revoke(&after, &a, 75); /* a higher one changes nothing */
    assert_int_equal(chain_valid(after.set, 0), 70);
    /* What was refused above the frontier is still enough to prove what is below it. */
    assert_int_equal(send_chain(&before, &third, 0, 1).result, CHAIN_TOOK);
    assert_int_equal(chain_valid(third.set, 0), 70);
    revoke(&third, &a, 0);
    assert_int_equal(chain_valid(third.set, 0), 0);
    close_replica(&a);
    close_replica(&before);
    close_replica(&after);
    close_replica(&third);
}

/* A frontier that names the true branch voids the copied key's branch until the fork is known. */
static void a_frontier_on_another_branch_voids_the_chain(void **state)
{
    struct replica a, b;

    open_fork(&a, &b, 5, 3, 3);
    revoke(&b, &a, 7);
    assert_int_equal(chain_listed(b.set, 0), 7);
    assert_int_equal(chain_valid(b.set, 0), 0);
    exchange(&a, &b);
    assert_int_equal(chain_valid(b.set, 0), 5);
    close_replica(&a);
    close_replica(&b);
}

static void quotas_hold(void **state)
{
    struct replica a;
    struct test_key k = test_key(1), other = test_key(2);
    struct entry e = test_entry(ENTRY_SET, "k", 1, "v", 1);
    int r = 0;

    open_replica(&a);
    for (uint64_t instance = 1; instance <= 3; instance++)
        assert_int_equal(test_append(a.set, &k, instance, &e, true), 0);
    assert_int_equal(test_append(a.set, &k, 4, &e, true), -EDQUOT);
    while (r == 0)
        r = test_append(a.set, &k, 1, &e, true);
    assert_int_equal(r, -EDQUOT);
    assert_int_equal(chain_set_entries(a.set), 702); /* 700 in this chain, and two others */
    assert_int_equal(test_append(a.set, &other, 1, &e, true), 0); /* others are not concerned */
    close_replica(&a);
}

/* A quota cuts a chain at the same entry, however it comes: whole, in parts, or too long. */
static void a_quota_cuts_at_a_place(void **state)
{
    static const struct chain_limits wide = { 4, 900, 200000, 1, 4, 900, 200000 };
    static const struct chain_limits tight[2] = { { 4, 900, 200000, 1, 4, 100, 200000 },
                                                  { 4, 900, 200000, 1, 4, 900, 3000 } };
    static uint8_t bytes[1 << 17];
    struct chain_rules rules = { test_verify, test_admits_all, NULL };
    struct digest id = { { 0 } };
    struct test_key k = test_key(1);
    struct entry e = test_entry(ENTRY_SET, "k", 1, "v", 1);
    struct revoke_set *revocations;
    struct chain_set *from, *to;
    uint64_t listed[2][2];

    assert_int_equal(revoke_set_new(1, &revocations), 0);
    assert_int_equal(chain_set_new(&wide, &rules, &id, revocations, &from), 0);
    for (unsigned i = 1; i <= 300; i++)
        assert_int_equal(test_append(from, &k, 1, &e, i % 7 == 0 || i % CHAIN_SPAN == 0), 0);
    for (unsigned which = 0; which < 2; which++) {
        for (unsigned parts = 0; parts < 2; parts++) {
            struct chain_outcome outcome;
            int r = 0;

            assert_int_equal(chain_set_new(&tight[which], &rules, &id, revocations, &to), 0);
            for (uint64_t seq = 1; r == 0 && seq <= chain_listed(from, 0);) {
                struct output o = output_make(bytes, sizeof(bytes));

                assert_int_equal(chain_pack(from, 0, seq, &o, &seq), 0);
                r = chain_take(to, bytes, o.size, &outcome);
                assert_true(r == 0 || r == -EDQUOT);
                if (parts && seq % CHAIN_SPAN == 1 && seq < 60)
                    seq -= 13;
            }
            listed[which][parts] = chain_listed(to, 0);
            (void)chain_set_free(to);
        }
        assert_int_equal(listed[which][0], listed[which][1]);
    }
    assert_int_equal(listed[0][0], 100);
    assert_in_range(listed[1][0], 90, 160);
    (void)chain_set_free(from);
    (void)revoke_set_free(revocations);
}

static void a_span_must_be_sealed(void **state)
{
    struct replica a;
    struct test_key k = test_key(1);
    struct entry e = test_entry(ENTRY_SET, "k", 1, "v", 1);
    struct output o = output_make(NULL, 0);
    uint64_t next;

    open_replica(&a);
    for (unsigned i = 0; i < CHAIN_SPAN; i++)
        assert_int_equal(test_append(a.set, &k, 1, &e, false), 0);
    assert_int_equal(test_append(a.set, &k, 1, &e, false), -EAGAIN);
    assert_int_equal(chain_listed(a.set, 0), 0); /* unsigned entries are nobody's business */
    assert_int_equal(chain_pack(a.set, 0, 1, &o, &next), -ENOENT);
    close_replica(&a);
}

static bool verify_ed25519(void *context, const uint8_t *author, const void *message, size_t size,
                           const uint8_t *signature)
{
    return crypto_sign_verify_detached(signature, message, size, author) == 0;
}

static void ed25519_fits_the_seam(void **state)
{
    struct chain_rules rules = { verify_ed25519, test_admits_all, NULL };
    struct entry e = test_entry(ENTRY_SET, "k", 1, "v", 1);
    uint8_t public[32], secret[64], body[ENTRY_SIZE_MAX], message[CHAIN_MESSAGE_SIZE];
    uint8_t signature[64], seed[32] = { 1 };
    struct revoke_set *revocations;
    struct chain_set *set;
    uint32_t chain;
    size_t size;

    assert_int_equal(crypto_sign_seed_keypair(public, secret, seed), 0);
    assert_int_equal(revoke_set_new(1, &revocations), 0);
    assert_int_equal(chain_set_new(&limits, &rules, &org, revocations, &set), 0);
    assert_int_equal(entry_encode(&e, body, &size), 0);
    assert_int_equal(chain_append(set, public, 1, body, size, &chain), 0);
    chain_head_message(set, chain, message);
    assert_int_equal(crypto_sign_detached(signature, NULL, message, sizeof(message), secret), 0);
    signature[5] ^= 1;
    assert_int_equal(chain_seal(set, chain, signature), -EKEYREJECTED);
    signature[5] ^= 1;
    assert_int_equal(chain_seal(set, chain, signature), 0);
    assert_int_equal(chain_listed(set, chain), 1);
    (void)chain_set_free(set);
    (void)revoke_set_free(revocations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_travels_in_spans),
        cmocka_unit_test(large_entries_come_in_several_batches),
        cmocka_unit_test(hashes_are_as_written_down),
        cmocka_unit_test(a_gap_is_asked_for),
        cmocka_unit_test(nothing_else_is_packed),
        cmocka_unit_test(a_batch_stays_in_its_span),
        cmocka_unit_test(a_chain_begins_at_its_origin),
        cmocka_unit_test(strangers_and_forgers_are_refused),
        cmocka_unit_test(damaged_batches_are_refused),
        cmocka_unit_test(a_fork_is_found_wherever_it_is),
        cmocka_unit_test(the_frozen_part_still_travels),
        cmocka_unit_test(damaged_evidence_is_refused),
        cmocka_unit_test(one_branch_twice_proves_nothing),
        cmocka_unit_test(a_revocation_bounds_a_chain),
        cmocka_unit_test(a_frontier_on_another_branch_voids_the_chain),
        cmocka_unit_test(quotas_hold),
        cmocka_unit_test(a_quota_cuts_at_a_place),
        cmocka_unit_test(a_span_must_be_sealed),
        cmocka_unit_test(ed25519_fits_the_seam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
