/* An org in the middle of an upgrade. Version N is what is built here. Version N+1 is the same core
 * and what the next version may add to it: a kind with a scope of its own choice, a type (an
 * operation with its own fold), a field in a known kind, and an extension of entries.
 *
 * Nodes 0 and 3 run N+1, nodes 1 and 2 run N; the two of N+1 never talk to each other, so whatever
 * one knows of the other has been received, kept on disk, compacted and forwarded by N. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "org/replica_test.h"

enum {
    NEWER_KIND = RECORD_MAX_, /* the next number: a limit that admins lower and never raise */
    NEWER_LOWER = 5,          /* min-register: value is le64 */
    NEWER_MEMBER_CONTACT = 10,
    LIMITS = 3,
    WRITES_MAX = 400,
};

static const char *const limit_names[LIMITS] = { "disk", "memory", "share" };
static struct node nodes[NODES];

/* What version N+1 wrote, as the reference remembers it. */
struct newer_write {
    unsigned admin;
    unsigned node;
    uint64_t instance;
    uint64_t seq;
    unsigned limit;
    uint64_t value;
    bool durable; /* committed at its node */
    bool lost;
};

static struct newer_write written[WRITES_MAX];
static size_t write_count;
static bool revoked[NODES]; /* admins */

static void note(unsigned node, unsigned admin, unsigned limit, uint64_t value)
{
    struct test_key key = test_key(admin);
    struct chain_set *chains = replica_chains(nodes[node].replica);
    uint32_t chain = chain_find(chains, key.bytes, nodes[node].instance);

    assert_true(write_count < WRITES_MAX);
    written[write_count++] = (struct newer_write){ .admin = admin,
                                                   .node = node,
                                                   .instance = nodes[node].instance,
                                                   .seq = chain_at(chains, chain)->held,
                                                   .limit = limit,
                                                   .value = value };
}

/* What a node of version N+1 does to lower a limit. Its scope for the kind is CONFIG, of which
 * version N knows nothing: there only a root could write it. */
static void lower(unsigned node, unsigned admin, unsigned limit, uint64_t value)
{
    uint8_t bytes[8];
    struct output o = output_make(bytes, sizeof(bytes));
    struct entry e = { .operation = NEWER_LOWER,
                       .kind = NEWER_KIND,
                       .key = (const uint8_t *)limit_names[limit],
                       .key_size = (uint8_t)strlen(limit_names[limit]),
                       .field = 1,
                       .value = bytes,
                       .value_size = sizeof(bytes),
                       .extension = bytes,
                       .extension_size = 3 };

    output_le64(&o, value);
    if (write_as(&nodes[node], admin, nodes[node].instance, &e) == 0)
        note(node, admin, limit, value);
}

/* The fold of version N+1 over the entries that a replica holds; version N has no such fold. */
static uint64_t newer_read(struct replica *r, unsigned limit)
{
    const struct chain_set *chains = replica_chains(r);
    uint64_t lowest = UINT64_MAX;

    for (uint32_t i = 0; i < chain_set_entries(chains); i++) {
        const struct chain_link *link = chain_link_at(chains, i);
        const struct chain_view *chain = chain_at(chains, link->chain);
        const uint8_t *body = chain_link_body(chains, link);
        struct cursor c;
        struct entry e;
        uint64_t value;

        if (!body || link->seq > chain_valid(chains, link->chain) ||
            !chain_link_current(chains, link) ||
            !(tree_scope(replica_tree(r), chain->author) &
              (RECORD_SCOPE_CONFIG | RECORD_SCOPE_ROOT)))
            continue;
        assert_int_equal(entry_decode(body, link->body_size, &e), 0);
        if (e.kind != NEWER_KIND || e.key_size != strlen(limit_names[limit]) ||
            memcmp(e.key, limit_names[limit], e.key_size) != 0)
            continue;
        assert_int_equal(e.operation, NEWER_LOWER);
        assert_int_equal(e.extension_size, 3); /* byte for byte */
        assert_memory_equal(e.extension, e.value, 3);
        c = cursor_make(e.value, e.value_size);
        value = cursor_le64(&c);
        lowest = value < lowest ? value : lowest;
    }
    return lowest;
}

/* The naive reference: the least of all that was written, is not lost and is not void. */
static uint64_t expected(struct replica *r, unsigned limit)
{
    uint64_t lowest = UINT64_MAX;

    for (size_t i = 0; i < write_count; i++) {
        const struct newer_write *w = &written[i];
        struct test_key key = test_key(w->admin);
        uint32_t chain = chain_find(replica_chains(r), key.bytes, w->instance);

        if (w->limit != limit || w->lost || (chain == CHAIN_NONE && revoked[w->admin]))
            continue;
        assert_int_not_equal(chain, CHAIN_NONE); /* nothing else takes a write away */
        if (chain_allowed(replica_chains(r), chain) < w->seq)
            continue;
        assert_true(chain_valid(replica_chains(r), chain) >= w->seq);
        lowest = w->value < lowest ? w->value : lowest;
    }
    return lowest;
}

static bool newer(unsigned node)
{
    return node == 0 || node == 3;
}

static void committed(unsigned node)
{
    for (size_t i = 0; i < write_count; i++)
        written[i].durable |= written[i].node == node && !written[i].lost;
}

static void gossip(unsigned a, unsigned b, unsigned cut)
{
    if (a == b || (newer(a) && newer(b)))
        return;
    (void)talk(&nodes[a], &nodes[b], cut);
    rebuild(&nodes[a]);
    rebuild(&nodes[b]);
    committed(a);
    committed(b);
}

static void power_cut(unsigned node)
{
    for (size_t i = 0; i < write_count; i++)
        written[i].lost |= written[i].node == node && !written[i].durable;
    crash(&nodes[node]);
}

static bool all_equal(void)
{
    struct digest first = replica_root(nodes[0].replica);

    for (unsigned i = 1; i < NODES; i++) {
        struct digest other = replica_root(nodes[i].replica);

        if (memcmp(&first, &other, sizeof(first)) != 0)
            return false;
    }
    return true;
}

/* Through version N alone, until all are equal; then both versions read what they should. */
static void check_converged(void)
{
    unsigned round = 0;

    do {
        assert_true(round++ < 12);
        for (unsigned a = 0; a < NODES; a++) {
            for (unsigned b = 0; b < NODES; b++)
                gossip(a, b, 100000);
        }
    } while (!all_equal());
    for (unsigned i = 0; i < NODES; i++) {
        check_same(&nodes[0], &nodes[i]);
        check_disk(&nodes[i]);
        for (unsigned limit = 0; limit < LIMITS; limit++)
            assert_int_equal(newer_read(nodes[i].replica, limit),
                             expected(nodes[i].replica, limit));
    }
}

static void open_mixed(void)
{
    open_org(nodes);
    grant(&nodes[0], 2, RECORD_SCOPE_COMPACT);
    write_count = 0;
    memset(revoked, 0, sizeof(revoked));
    for (unsigned i = 1; i < NODES; i++)
        (void)talk(&nodes[0], &nodes[i], 100000);
}

/* A field that version N does not know, in a document that it knows and goes on editing. */
static void an_added_field_is_kept(void **state)
{
    static const char contact[] = "ops@example.org";
    struct test_key member = test_key(21);
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    struct entry e = { .operation = ENTRY_SET,
                       .kind = RECORD_MEMBER,
                       .key = member.bytes,
                       .key_size = 32,
                       .field = NEWER_MEMBER_CONTACT,
                       .value = (const uint8_t *)contact,
                       .value_size = sizeof(contact) };

    open_mixed();
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    check_converged();
    e.field = RECORD_MEMBER_NAME; /* version N edits what it knows of the same document */
    assert_int_equal(write_as(&nodes[1], 1, nodes[1].instance, &e), 0);
    assert_int_equal(checkpoint(&nodes[1], 2), 0);
    compact(&nodes[1]);
    check_converged();
    for (unsigned i = 0; i < NODES; i++) {
        d.count = 0;
        assert_int_equal(
            tree_read(replica_tree(nodes[i].replica), RECORD_MEMBER, member.bytes, 32, &d), 0);
        assert_int_equal(d.count, 2);
        assert_int_equal(values[1].field, NEWER_MEMBER_CONTACT);
        assert_memory_equal(values[1].value, contact, sizeof(contact));
    }
    e.operation = ENTRY_DELETE; /* and deletes it: all of it, on both */
    e.field = 0;
    e.value_size = 0;
    assert_int_equal(write_as(&nodes[2], 2, nodes[2].instance, &e), 0);
    check_converged();
    assert_int_equal(tree_read(replica_tree(nodes[3].replica), RECORD_MEMBER, member.bytes, 32, &d),
                     0);
    assert_false(d.exists);
    close_org(nodes);
}

/* Version N makes checkpoints and drops what is old; of a type that it cannot fold it drops
 * nothing, whoever wrote it. */
static void version_n_compacts_nothing_that_it_does_not_know(void **state)
{
    open_mixed();
    lower(0, 0, 0, 900);
    lower(3, 3, 0, 500); /* by an admin who is no root: beyond the scope that N would ask for */
    lower(3, 3, 0, 700);
    check_converged();
    assert_int_equal(newer_read(nodes[0].replica, 0), 500);
    assert_int_equal(checkpoint(&nodes[1], 2), 0);
    compact(&nodes[1]);
    compact(&nodes[2]);
    check_converged();
    assert_int_equal(newer_read(nodes[0].replica, 0), 500);
    assert_int_equal(newer_read(nodes[2].replica, 0), 500);
    close_org(nodes);
}

static void compact_at(unsigned node)
{
    compact(&nodes[node]);
    committed(node);
}

/* One thing that happens in an org of two versions. */
static void do_something(uint64_t *random, uint64_t stamp)
{
    static const char *const keys[] = { "web", "db", "mail" };
    unsigned n = (unsigned)(test_random(random) % NODES);
    unsigned other = (unsigned)(test_random(random) % NODES);
    uint64_t dice = test_random(random) % 100, number = test_random(random);

    if (dice < 25 && newer(n))
        lower(n, n, (unsigned)(number % LIMITS), 1000 + number / LIMITS % 100000);
    else if (dice < 45)
        (void)!set(&nodes[n], n, nodes[n].instance, keys[number % 3], 1 + number / 3 % 2, stamp);
    else if (dice < 50)
        say(&nodes[n], 20 + n, nodes[n].instance, ++nodes[n].leaf_seq, "good");
    else if (dice < 88)
        gossip(n, other, number % 2 ? 100000 : (unsigned)(number / 2 % 8));
    else if (dice < 93)
        power_cut(n);
    else if (dice < 96 && !newer(n))
        (void)!checkpoint(&nodes[n], 2); /* refused where the grant is not known: no harm */
    else if (dice < 99)
        compact_at(n);
    else
        revoked[3] |= revoke_key(&nodes[0], 0, REVOKE_ADMIN, 3) >= 0;
}

static void both_versions_converge(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t random = seed * 104729;

        open_mixed();
        for (uint64_t i = 0; i < 80; i++)
            do_something(&random, i);
        check_converged();
        close_org(nodes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_added_field_is_kept),
        cmocka_unit_test(version_n_compacts_nothing_that_it_does_not_know),
        cmocka_unit_test(both_versions_converge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
