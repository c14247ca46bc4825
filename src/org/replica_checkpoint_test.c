/* Checkpoints: what is left out never comes back, and nobody can tell who left it out.
 *
 * Usage: replica_checkpoint_test [seeds [first]] */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/number.h"
#include "org/replica_test.h"

static struct node nodes[NODES];
static uint64_t seeds = 150, first_seed = 1;

static struct digest trees(struct node *n)
{
    static struct crdt_value values[VALUES_MAX];

    return tree_digest(replica_tree(n->replica), values, VALUES_MAX);
}

static void assert_same_trees(struct node *n, const struct digest *expected)
{
    struct digest now = trees(n);

    assert_memory_equal(&now, expected, sizeof(now));
}

static int erase(struct node *n, unsigned admin, const char *key)
{
    struct entry e = test_entry(ENTRY_DELETE, key, 0, "", 1);

    return write_as(n, admin, n->instance, &e);
}

static bool exists(struct node *n, const char *key)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    return tree_read(replica_tree(n->replica), RECORD_DOCUMENT, key, strlen(key), &d) == 0 &&
           d.exists;
}

static void write_some(struct node *n, unsigned admin, unsigned count)
{
    static const char *const keys[] = { "web", "db", "mail" };

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(set(n, admin, n->instance, keys[i % 3], 1 + i % 2, i), 0);
}

static uint32_t entries(struct node *n)
{
    return chain_set_entries(replica_chains(n->replica));
}

/* What readers see is the same before, with the checkpoint, and after everything else was dropped.
 */
static void readers_see_no_difference(void **state)
{
    struct digest before, root;

    open_org(nodes);
    write_some(&nodes[1], 1, 150);
    write_some(&nodes[2], 2, 40);
    converge(nodes);
    assert_int_equal(erase(&nodes[1], 1, "mail"), 0);
    before = trees(&nodes[1]);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    assert_same_trees(&nodes[1], &before);
    converge(nodes);
    root = replica_root(nodes[1].replica);
    for (unsigned i = 1; i < NODES; i++) {
        uint32_t count = entries(&nodes[i]);
        struct digest after;

        assert_same_trees(&nodes[i], &before);
        compact(&nodes[i]);
        assert_true(entries(&nodes[i]) < count / 5);
        assert_same_trees(&nodes[i], &before);
        after = replica_root(nodes[i].replica);
        assert_memory_equal(&after, &root, sizeof(root)); /* nobody can tell */
        check_disk(&nodes[i]);
    }
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 900), 0); /* and on it goes */
    write_some(&nodes[2], 2, 70);
    converge(nodes);
    close_org(nodes);
}

/* A node that was away, and one that starts from nothing, meet only nodes that dropped the past. */
static void a_replica_from_before_adopts_it(void **state)
{
    struct node fresh;

    open_org(nodes);
    converge(nodes);
    write_some(&nodes[1], 1, 20);
    assert_true(talk(&nodes[1], &nodes[3], 100000));
    assert_int_equal(set(&nodes[3], 3, nodes[3].instance, "db", 1, 5), 0); /* goes away */
    write_some(&nodes[1], 1, 100);
    assert_int_equal(erase(&nodes[1], 1, "mail"), 0);
    (void)talk(&nodes[1], &nodes[2], 100000);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    write_some(&nodes[1], 1, 2);
    (void)talk(&nodes[1], &nodes[2], 100000);
    (void)talk(&nodes[1], &nodes[0], 100000);
    for (unsigned i = 0; i < 3; i++)
        compact(&nodes[i]);
    converge(nodes);
    assert_false(exists(&nodes[3], "mail"));
    assert_true(exists(&nodes[0], "db"));
    open_node(&fresh, 60);
    for (unsigned i = 0; i < 4 && !talk(&fresh, &nodes[2], 100000); i++)
        ;
    check_same(&fresh, &nodes[2]);
    assert_true(entries(&fresh) < 40);
    check_disk(&fresh);
    check_same(&fresh, &nodes[2]);
    close_node(&fresh);
    close_org(nodes);
}

/* Two that know nothing of each other: both hold, and what either left out stays away. */
static void incomparable_checkpoints_are_joined(void **state)
{
    open_org(nodes);
    write_some(&nodes[1], 1, 9);
    converge(nodes);
    assert_int_equal(erase(&nodes[1], 1, "web"), 0);
    assert_int_equal(set(&nodes[2], 2, nodes[2].instance, "new", 1, 1), 0);
    assert_int_equal(erase(&nodes[2], 2, "db"), 0);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    assert_int_equal(checkpoint(&nodes[2], 0), 0);
    compact(&nodes[1]);
    compact(&nodes[2]);
    assert_true(exists(&nodes[1], "db") && exists(&nodes[2], "web"));
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        assert_false(exists(&nodes[i], "web"));
        assert_false(exists(&nodes[i], "db"));
        assert_true(exists(&nodes[i], "mail") && exists(&nodes[i], "new"));
        compact(&nodes[i]);
    }
    check_same(&nodes[0], &nodes[1]);
    /* A third one that knows both takes their place. */
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++)
        assert_false(exists(&nodes[i], "web") || exists(&nodes[i], "db"));
    check_same(&nodes[0], &nodes[1]);
    close_org(nodes);
}

/* An edit that knew nothing of the delete keeps the document, as without a checkpoint. */
static void an_edit_from_afar_is_not_lost(void **state)
{
    open_org(nodes);
    write_some(&nodes[1], 1, 9);
    converge(nodes);
    assert_int_equal(set(&nodes[3], 3, nodes[3].instance, "web", 1, 50), 0);
    assert_int_equal(erase(&nodes[1], 1, "web"), 0);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    compact(&nodes[1]);
    assert_false(exists(&nodes[1], "web"));
    converge(nodes);
    assert_true(exists(&nodes[1], "web"));
    close_org(nodes);
}

/* The maker lacks an entry that a delete had seen: it keeps the delete until it has it. */
static void a_delete_waits_for_what_it_had_seen(void **state)
{
    struct test_key author = test_key(2);
    static uint8_t bytes[REPLICA_PARCEL_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct chain_set *chains;
    uint64_t next;

    open_org(nodes);
    converge(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 1), 0);
    assert_true(talk(&nodes[1], &nodes[2], 100000));
    assert_int_equal(erase(&nodes[2], 2, "web"), 0);
    chains = replica_chains(nodes[2].replica); /* only the delete travels to node 3 */
    output_u8(&o, REPLICA_BATCH);
    assert_int_equal(
        chain_pack(chains, chain_find(chains, author.bytes, nodes[2].instance), 1, &o, &next), 0);
    assert_int_equal(keep_and_take(&nodes[3], bytes, o.size), 0);
    assert_int_equal(checkpoint(&nodes[3], 0), 0);
    compact(&nodes[3]);
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++)
        assert_false(exists(&nodes[i], "web"));
    close_org(nodes);
}

/* A revoked key above and below the head of a checkpoint, on nodes with and without the past. */
static void revocation_holds_below_a_checkpoint(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    open_org(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 5), 0);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "db", 1, 5), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "db", 1, 6), 0); /* the thief */
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "new", 1, 6), 0);
    (void)talk(&nodes[1], &nodes[2], 100000);
    assert_int_equal(checkpoint(&nodes[2], 0), 0);
    compact(&nodes[2]);
    assert_int_equal(revoke_key(&nodes[0], 0, REVOKE_ADMIN, 1), 1); /* knows the first two only */
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        check_disk(&nodes[i]);
        assert_true(exists(&nodes[i], "web"));
        assert_false(exists(&nodes[i], "new"));
        assert_int_equal(tree_read(replica_tree(nodes[i].replica), RECORD_DOCUMENT, "db", 2, &d),
                         0);
        assert_false(d.exists); /* the value before was left out: gone, not the thief's */
        compact(&nodes[i]);
    }
    check_same(&nodes[0], &nodes[2]);
    assert_int_equal(checkpoint(&nodes[0], 0), 0);
    converge(nodes);
    close_org(nodes);
}

static void a_fork_below_a_checkpoint_is_told(void **state)
{
    open_org(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 1), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 2), 0);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 3), 0);
    assert_int_equal(set(&nodes[2], 3, 50, "db", 1, 4), 0); /* the copy of the key */
    (void)talk(&nodes[3], &nodes[1], 100000);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    (void)talk(&nodes[1], &nodes[0], 100000);
    compact(&nodes[0]);
    (void)talk(&nodes[2], &nodes[3], 100000); /* here both branches meet */
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        struct chain_set *chains = replica_chains(nodes[i].replica);
        uint32_t chain = chain_find(chains, test_key(3).bytes, 50);

        assert_int_equal(chain_at(chains, chain)->fork, 2);
        assert_int_equal(chain_valid(chains, chain), 1);
        check_disk(&nodes[i]);
        compact(&nodes[i]);
    }
    check_same(&nodes[0], &nodes[3]);
    close_org(nodes);
}

/* Where nobody who has the branch of the checkpoint meets the other one, it is overtaken. */
static void another_branch_gives_way(void **state)
{
    uint32_t chain;

    open_org(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 1), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 2), 0);
    for (uint64_t i = 3; i < 8; i++)
        assert_int_equal(set(&nodes[2], 3, 50, "db", 1, i), 0);
    (void)talk(&nodes[3], &nodes[1], 100000);
    (void)talk(&nodes[3], &nodes[0], 100000);
    assert_int_equal(checkpoint(&nodes[1], 0), 0);
    (void)talk(&nodes[1], &nodes[0], 100000);
    (void)talk(&nodes[1], &nodes[3], 100000);
    for (unsigned i = 0; i < NODES; i++) {
        if (i != 2)
            compact(&nodes[i]);
    }
    converge(nodes);
    chain = chain_find(replica_chains(nodes[2].replica), test_key(3).bytes, 50);
    assert_int_equal(chain_listed(replica_chains(nodes[2].replica), chain), 2);
    close_org(nodes);
}

/* A stolen key with the scope *compact* makes everything disappear; its revocation brings back what
 * anybody still has. */
static void a_checkpoint_ends_with_its_signer(void **state)
{
    struct digest before, root;

    open_org(nodes);
    grant(&nodes[0], 2, RECORD_SCOPE_COMPACT);
    write_some(&nodes[1], 1, 30);
    converge(nodes);
    before = trees(&nodes[1]);
    root = replica_root(nodes[1].replica);
    assert_int_equal(checkpoint(&nodes[3], 3), -EACCES); /* has not the scope */
    assert_int_equal(checkpoint(&nodes[2], 2), 0);
    compact(&nodes[2]);
    converge(nodes);
    compact(&nodes[3]);
    write_some(&nodes[1], 1, 1);
    converge(nodes);
    before = trees(&nodes[1]);
    assert_int_equal(revoke_key(&nodes[0], 0, REVOKE_ADMIN, 2), 1);
    converge(nodes); /* nodes 2 and 3 are built anew */
    for (unsigned i = 0; i < NODES; i++) {
        assert_same_trees(&nodes[i], &before);
        check_disk(&nodes[i]);
    }
    assert_memory_not_equal(&root, &before, sizeof(root));
    assert_int_equal(checkpoint(&nodes[2], 2), -EACCES);
    close_org(nodes);
}

static void unknown_kinds_are_kept_whole(void **state)
{
    struct entry e = test_entry(99, "future", 7, "from a later version", 1);
    struct digest before;

    open_org(nodes);
    e.kind = 4242;
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    e.operation = ENTRY_SET;
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    before = trees(&nodes[0]);
    assert_int_equal(checkpoint(&nodes[0], 0), 0);
    compact(&nodes[0]);
    assert_same_trees(&nodes[0], &before);
    assert_int_equal(entries(&nodes[0]), 3 + 3 + NODES); /* and the grants and members */
    converge(nodes);
    close_org(nodes);
}

/* Too many checkpoints, or segments that nobody named. */
static void limits_hold(void **state)
{
    uint8_t segment[64] = { REPLICA_SEGMENT };
    unsigned made = 0;

    open_org(nodes);
    assert_int_equal(replica_take(nodes[0].replica, segment, sizeof(segment)), -EACCES);
    segment[0] = REPLICA_CHECKPOINT;
    assert_int_equal(replica_take(nodes[0].replica, segment, sizeof(segment)), -EBADMSG);
    for (uint64_t i = 0; i < 40; i++) { /* each replaces the one before */
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, i), 0);
        made += checkpoint(&nodes[1], 0) == 0;
    }
    assert_int_equal(made, 40);
    converge(nodes);
    close_org(nodes);
}

/* What the disks hold makes the same replicas. Where a checkpoint stood between two branches of a
 * copied key and ended since, reading everything again may show a fork that nobody had seen: then
 * once more. */
static void converge_and_reload(struct node *n)
{
    bool same = false;

    for (unsigned round = 0; !same; round++) {
        struct digest root, again;

        assert_true(round < 3);
        converge(n);
        root = replica_root(n[0].replica);
        same = true;
        for (unsigned i = 0; i < NODES; i++) {
            commit(&n[i]);
            load(&n[i]);
            again = replica_root(n[i].replica);
            same &= memcmp(&root, &again, sizeof(root)) == 0;
        }
    }
    for (unsigned i = 1; i < NODES; i++)
        check_same(&n[0], &n[i]);
}

/* Random histories with checkpoints, compaction, crashes, cut lines and revocations. */
static void random_histories_converge(void **state)
{
    static const char *const keys[] = { "web", "db", "mail" };

    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        uint64_t random = seed * 7919, stamp = 0;

        open_org(nodes);
        grant(&nodes[0], 2, RECORD_SCOPE_COMPACT);
        for (unsigned i = 0; i < 100; i++) {
            unsigned n = (unsigned)(test_random(&random) % NODES), other;
            uint64_t dice = test_random(&random) % 100;

            other = (n + 1 + (unsigned)(test_random(&random) % (NODES - 1))) % NODES;
            if (dice < 35 && n > 0)
                (void)!set(&nodes[n], n, nodes[n].instance, keys[test_random(&random) % 3],
                           1 + (unsigned)(test_random(&random) % 2), stamp++);
            else if (dice < 42 && n > 0)
                (void)!erase(&nodes[n], n, keys[test_random(&random) % 3]);
            else if (dice < 82)
                (void)talk(
                    &nodes[n], &nodes[other],
                    (unsigned)(test_random(&random) % 2 ? 100000 : test_random(&random) % 8));
            else if (dice < 89)
                (void)!checkpoint(&nodes[n], n == 2 ? 2 : 0);
            else if (dice < 94)
                compact(&nodes[n]);
            else if (dice < 96)
                crash(&nodes[n]);
            else if (dice < 98 && n > 0)
                (void)!set(&nodes[n], other, 10 + other, "web", 1, stamp++);
            else if (dice < 99)
                (void)!revoke_key(&nodes[0], 0, REVOKE_ADMIN, 1 + n % 3);
            rebuild(&nodes[n]);
            rebuild(&nodes[other]);
        }
        converge_and_reload(nodes);
        for (unsigned i = 0; i < NODES; i++) {
            compact(&nodes[i]);
            check_same(&nodes[0], &nodes[i]);
        }
        close_org(nodes);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_no_difference),
        cmocka_unit_test(a_replica_from_before_adopts_it),
        cmocka_unit_test(incomparable_checkpoints_are_joined),
        cmocka_unit_test(an_edit_from_afar_is_not_lost),
        cmocka_unit_test(a_delete_waits_for_what_it_had_seen),
        cmocka_unit_test(revocation_holds_below_a_checkpoint),
        cmocka_unit_test(a_fork_below_a_checkpoint_is_told),
        cmocka_unit_test(another_branch_gives_way),
        cmocka_unit_test(a_checkpoint_ends_with_its_signer),
        cmocka_unit_test(unknown_kinds_are_kept_whole),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(random_histories_converge),
    };

    if ((argc > 1 && number_parse_text(argv[1], 1000000000, &seeds) < 0) ||
        (argc > 2 && number_parse_text(argv[2], UINT64_MAX, &first_seed) < 0))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
