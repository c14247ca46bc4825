/* Whole replicas that talk through sync sessions: cut short, in any order, with stolen keys. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/heap.h"
#include "org/replica_test.h"

static struct node nodes[NODES];

static void five_changes_take_one_round_trip(void **state)
{
    open_org(nodes);
    heap_seal(true); /* nothing allocates after it was made */
    converge(nodes);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", i + 1, i), 0);
    say(&nodes[2], 22, 10, 1, "good");
    assert_true(talk(&nodes[1], &nodes[2], 100000));
    check_same(&nodes[1], &nodes[2]);
    assert_true(talk(&nodes[2], &nodes[1], 2)); /* equal: one word back */
    heap_seal(false);
    close_org(nodes);
}

/* The bytes of one whole session. */
static size_t measure(struct node *a, struct node *b)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];
    size_t sent = 0;

    sync_open(a->sync, salt, NULL);
    sync_listen(b->sync, salt, false);
    for (;;) {
        struct output o = output_make(bytes, sizeof(bytes));
        struct node *to = b;

        if (sync_send(a->sync, &o) == 0) {
            to = a;
            if (sync_send(b->sync, &o) == 0)
                return sent;
        }
        sent += o.size;
        assert_int_equal(sync_receive(to->sync, bytes, o.size), 0);
    }
}

/* The head that the peer has is found among ours, and only what follows it is sent; and whoever has
 * the older head does not send its whole chain because the other asked. */
static void only_the_missing_range_is_sent(void **state)
{
    open_org(nodes);
    for (unsigned i = 0; i < 65; i++)
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, i), 0);
    assert_true(talk(&nodes[1], &nodes[2], 100000)); /* two batches, the second of one entry */
    for (unsigned i = 0; i < 135; i++)
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 65 + i), 0);
    converge(nodes);
    for (unsigned newer = 0; newer < 2; newer++) {
        size_t sent;

        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 1000 + newer), 0);
        sent = newer ? measure(&nodes[1], &nodes[2]) : measure(&nodes[2], &nodes[1]);
        check_same(&nodes[1], &nodes[2]);
        assert_int_equal(sync_state(nodes[1].sync), SYNC_EQUAL);
        assert_int_equal(sync_state(nodes[2].sync), SYNC_EQUAL);
        print_message("one change of a chain of 200, %s asks: %zu bytes in all\n",
                      newer ? "who has it" : "who lacks it", sent);
        assert_true(sent < 800); /* 548 to open, and one entry with its head */
    }
    close_org(nodes);
}

/* Nineteen chains differ, one of them long: nothing of the long one but its end is sent. */
static void many_chains_are_sent_once(void **state)
{
    size_t bytes;

    open_org(nodes);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, i), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 1000), 0);
    for (uint64_t i = 0; i < 9; i++) {
        assert_int_equal(set(&nodes[1], 1, 60 + i, "db", 1, i), 0);
        assert_int_equal(set(&nodes[2], 2, 60 + i, "mail", 1, i), 0);
    }
    bytes = measure(&nodes[2], &nodes[1]);
    check_same(&nodes[1], &nodes[2]);
    assert_int_equal(sync_state(nodes[1].sync), SYNC_EQUAL);
    assert_true(bytes < 8000); /* contexts are the most of it; the long chain alone has 9,000 */
    close_org(nodes);
}

static void a_revoked_admin_loses_what_is_above(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    open_org(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 5), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 6), 0);
    (void)talk(&nodes[1], &nodes[2], 100000); /* the thief's value spreads a little */
    assert_int_equal(revoke_key(&nodes[3], 3, REVOKE_ADMIN, 1), -EACCES); /* no root */
    assert_int_equal(replica_counters(nodes[3].replica)->strangers, 1);
    assert_int_equal(revoke_key(&nodes[0], 0, REVOKE_ADMIN, 1), 1);
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(tree_read(replica_tree(nodes[i].replica), RECORD_DOCUMENT, "web", 3, &d),
                         0);
        assert_int_equal(d.count, 1);
        assert_int_equal(values[0].stamp, 5);
        check_disk(&nodes[i]);
    }
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 7), -EKEYREVOKED);
    close_org(nodes);
}

/* F-15: a revoked node never returns, whoever revoked it and whatever a stale replica says. */
static void a_revoked_node_stays_out(void **state)
{
    struct test_key node = test_key(22);
    struct leaf_value v;

    open_org(nodes);
    say(&nodes[2], 22, 10, 1, "good");
    converge(nodes);
    assert_int_equal(leaf_read(replica_leaves(nodes[3].replica), 0, RECORD_VERDICT, "g1", 2, &v),
                     0);
    assert_int_equal(revoke_key(&nodes[1], 1, REVOKE_NODE, 22), 1);
    assert_int_equal(revoke_key(&nodes[0], 0, REVOKE_ADMIN, 1), 1); /* who wrote it goes too */
    say(&nodes[2], 22, 10, 2, "still here"); /* stale: knows of nothing yet */
    enrol(&nodes[2], 2, 22);                 /* an admin who does not know */
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        assert_false(replica_is_member(nodes[i].replica, node.bytes));
        check_disk(&nodes[i]);
    }
    close_org(nodes);
}

static void a_stolen_key_is_proved_and_frozen(void **state)
{
    struct test_key admin = test_key(3);
    uint64_t common;

    open_org(nodes);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(set(&nodes[3], 3, 50, "db", 1, i), 0);
    converge(nodes);
    common = 70;
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 100), 0);
    assert_int_equal(set(&nodes[2], 3, 50, "db", 1, 200), 0); /* the copy of the key */
    assert_int_equal(set(&nodes[2], 3, 50, "db", 1, 201), 0);
    say(&nodes[1], 21, 10, 4, "left");
    say(&nodes[2], 21, 10, 4, "right");
    converge(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        struct chain_set *chains = replica_chains(nodes[i].replica);
        uint32_t chain = chain_find(chains, admin.bytes, 50);

        assert_int_equal(chain_at(chains, chain)->fork, common + 1);
        assert_int_equal(chain_valid(chains, chain), common);
        check_disk(&nodes[i]);
    }
    assert_true(replica_counters(nodes[0].replica)->forks >= 2);
    close_org(nodes);
}

/* Twenty large values in one signed span: more than one batch, so some bodies come after their
 * digests; the trees see them all the same. */
static void large_values_arrive_whole(void **state)
{
    static char value[6001];
    static struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    struct test_key author = test_key(1);
    struct chain_set *chains;

    open_org(nodes);
    converge(nodes);
    memset(value, 'x', sizeof(value) - 1);
    chains = replica_chains(nodes[1].replica);
    for (unsigned i = 1; i <= 20; i++) {
        struct entry e = test_entry(ENTRY_SET, "large", i, value, i);

        assert_int_equal(test_append(chains, &author, 77, &e, i == 20), 0);
    }
    for (uint64_t seq = 1; seq <= 20;) {
        static uint8_t bytes[REPLICA_PARCEL_MAX];
        struct output o = output_make(bytes, sizeof(bytes));
        uint32_t chain = chain_find(chains, author.bytes, 77);

        assert_int_equal(replica_wrote(nodes[1].replica, chain, seq, &o), 0);
        keep(&nodes[1], bytes, o.size);
        o = output_make(bytes, sizeof(bytes));
        assert_int_equal(chain_pack(chains, chain, seq, &o, &seq), 0);
    }
    assert_true(talk(&nodes[2], &nodes[1], 100000));
    assert_int_equal(tree_read(replica_tree(nodes[2].replica), RECORD_DOCUMENT, "large", 5, &d), 0);
    assert_int_equal(d.count, 20);
    assert_false(d.conflict);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 1), 0);
    assert_true(talk(&nodes[2], &nodes[1], 100000));
    assert_int_equal(tree_read(replica_tree(nodes[2].replica), RECORD_DOCUMENT, "large", 5, &d), 0);
    assert_int_equal(d.count, 20);
    converge(nodes);
    check_disk(&nodes[1]);
    check_disk(&nodes[2]);
    close_org(nodes);
}

/* A fork just above what somebody has: the heads are equal, the roots are not, the proof travels.
 */
static void a_fork_above_the_head_is_told(void **state)
{
    struct digest before, after;
    uint32_t chain;

    open_org(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 1), 0);
    converge(nodes);
    assert_int_equal(set(&nodes[3], 3, 50, "db", 1, 2), 0);
    assert_int_equal(set(&nodes[2], 3, 50, "db", 1, 3), 0);
    (void)talk(&nodes[2], &nodes[3], 100000);
    (void)talk(&nodes[2], &nodes[3], 100000);
    before = replica_root(nodes[1].replica);
    after = replica_root(nodes[2].replica);
    chain = chain_find(replica_chains(nodes[2].replica), test_key(3).bytes, 50);
    assert_int_equal(chain_listed(replica_chains(nodes[2].replica), chain), 1);
    assert_memory_not_equal(&before, &after, sizeof(before));
    assert_true(talk(&nodes[1], &nodes[2], 100000));
    chain = chain_find(replica_chains(nodes[1].replica), test_key(3).bytes, 50);
    assert_int_equal(chain_at(replica_chains(nodes[1].replica), chain)->fork, 2);
    check_disk(&nodes[1]);
    close_org(nodes);
}

/* A node that was away for long comes back with writes of its own, and nothing is lost. */
static void a_long_absence_ends_well(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    open_org(nodes);
    converge(nodes);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1 + i % 3, i), 0);
        assert_int_equal(set(&nodes[2], 2, nodes[2].instance, "db", 1 + i % 3, i), 0);
    }
    (void)talk(&nodes[1], &nodes[2], 100000);
    assert_int_equal(set(&nodes[3], 3, nodes[3].instance, "web", 1, 7), 0);
    assert_true(talk(&nodes[3], &nodes[1], 100000));
    converge(nodes);
    assert_int_equal(tree_read(replica_tree(nodes[0].replica), RECORD_DOCUMENT, "web", 3, &d), 0);
    assert_int_equal(d.count, 4); /* three fields, one of them with both values */
    assert_true(d.conflict);
    close_org(nodes);
}

static void unknown_kinds_and_operations_travel(void **state)
{
    struct entry e = test_entry(99, "future", 7, "from a later version", 1);
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    open_org(nodes);
    e.kind = 4242;
    e.extension = (const uint8_t *)"more";
    e.extension_size = 4;
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    e.operation = ENTRY_SET;
    assert_int_equal(write_as(&nodes[0], 0, 1, &e), 0);
    (void)talk(&nodes[0], &nodes[1], 100000);
    (void)talk(&nodes[1], &nodes[2], 100000);
    assert_int_equal(tree_read(replica_tree(nodes[2].replica), 4242, "future", 6, &d), 0);
    assert_int_equal(d.count, 1);
    converge(nodes);
    close_org(nodes);
}

/* Random histories: every fault above, and lines that die in the middle. */
static void random_histories_converge(void **state)
{
    static const char *const keys[] = { "web", "db", "mail" };

    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed * 7919, stamp = 0;

        open_org(nodes);
        for (unsigned i = 0; i < 80; i++) {
            unsigned n = (unsigned)(test_random(&random) % NODES), other;
            uint64_t dice = test_random(&random) % 100;

            other = (n + 1 + (unsigned)(test_random(&random) % (NODES - 1))) % NODES;
            if (dice < 40 && n > 0)
                (void)!set(&nodes[n], n, nodes[n].instance, keys[test_random(&random) % 3],
                           1 + (unsigned)(test_random(&random) % 2), stamp++);
            else if (dice < 60)
                say(&nodes[n], 20 + n, nodes[n].instance, ++nodes[n].leaf_seq, "good");
            else if (dice < 92)
                (void)talk(
                    &nodes[n], &nodes[other],
                    (unsigned)(test_random(&random) % 2 ? 100000 : test_random(&random) % 8));
            else if (dice < 95 && n > 0) /* somebody uses another's key and instance */
                (void)!set(&nodes[n], other, 10 + other, "web", 1, stamp++);
            else if (dice < 97)
                say(&nodes[n], 20 + other, nodes[other].instance, nodes[other].leaf_seq + 1, "bad");
            else if (dice < 98)
                (void)!revoke_key(&nodes[0], 0, REVOKE_ADMIN, 1 + n % 3);
            else
                (void)!revoke_key(&nodes[n], n == 0 ? 0 : 1, REVOKE_NODE, 20 + other);
        }
        converge(nodes);
        for (unsigned i = 0; i < NODES; i++)
            check_disk(&nodes[i]);
        close_org(nodes);
    }
}

/* The n-th request for memory fails, for every n: said, and nothing is left behind. */
static void no_memory_is_said(void **state)
{
    struct sync_owner owner = { .give = give_from };
    struct replica *r = NULL;
    struct sync *sync;
    uint64_t failed = 0;

    for (int result = -ENOMEM; result != 0; failed++) {
        heap_fail_after(failed);
        result = try_replica(&r);
        assert_true(result == 0 || result == -ENOMEM);
    }
    assert_true(failed > 20);
    owner.index = replica_index(r);
    failed = 0;
    for (int result = -ENOMEM; result != 0; failed++) {
        heap_fail_after(failed);
        result = sync_new(&sync_limits, &owner, &sync);
        assert_true(result == 0 || result == -ENOMEM);
    }
    heap_fail_after(UINT64_MAX);
    assert_true(failed > 10);
    (void)sync_free(sync);
    (void)replica_free(r);
}

static uint64_t forks_seen(void)
{
    uint64_t forks = 0;

    for (unsigned i = 0; i < NODES; i++)
        forks += replica_counters(nodes[i].replica)->forks;
    return forks;
}

/* Power cuts and restored disks. A cut loses only what nobody has seen, so the node goes on with
 * its instance; a restored disk may have forgotten what others know, so it draws a new one. With
 * that, no honest node ever looks like a forger. */
static uint64_t run_crashes(uint64_t seed)
{
    uint64_t random = seed * 104729, stamp = 0, drawn = 50, forks;

    open_org(nodes);
    for (unsigned i = 0; i < NODES; i++) {
        commit(&nodes[i]);
        assert_int_equal(store_memory_restore(nodes[i].image, nodes[i].disk), 0);
    }
    for (unsigned i = 0; i < 120; i++) {
        unsigned n = 1 + (unsigned)(test_random(&random) % (NODES - 1)), other;
        uint64_t dice = test_random(&random) % 100;

        other = (n + 1 + (unsigned)(test_random(&random) % (NODES - 1))) % NODES;
        if (dice < 40) {
            assert_int_equal(set(&nodes[n], n, nodes[n].instance, "web", 1, stamp++), 0);
            say(&nodes[n], 20 + n, nodes[n].instance, ++nodes[n].leaf_seq, "good");
        } else if (dice < 80) {
            (void)talk(&nodes[n], &nodes[other], (unsigned)(test_random(&random) % 12));
        } else if (dice < 90) {
            crash(&nodes[n]);
        } else if (dice < 95) {
            commit(&nodes[n]);
            assert_int_equal(store_memory_restore(nodes[n].image, nodes[n].disk), 0);
        } else {
            assert_int_equal(store_memory_restore(nodes[n].disk, nodes[n].image), 0);
            crash(&nodes[n]);
            nodes[n].instance = ++drawn;
        }
    }
    converge(nodes);
    forks = forks_seen();
    for (unsigned i = 0; i < NODES; i++)
        check_disk(&nodes[i]);
    close_org(nodes);
    return forks;
}

static void a_restored_disk_is_no_forger(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        assert_int_equal(run_crashes(seed), 0);
}

static void without_a_new_instance_it_would_be(void **state)
{
    struct test_key author = test_key(1);

    open_org(nodes);
    commit(&nodes[1]);
    assert_int_equal(store_memory_restore(nodes[1].image, nodes[1].disk), 0);
    assert_int_equal(set(&nodes[1], 1, 11, "web", 1, 1), 0);
    (void)talk(&nodes[1], &nodes[2], 100000);
    assert_int_equal(store_memory_restore(nodes[1].disk, nodes[1].image), 0);
    crash(&nodes[1]);
    assert_int_equal(set(&nodes[1], 1, 11, "web", 1, 2), 0);
    converge(nodes);
    assert_true(forks_seen() > 0);
    assert_int_equal(chain_valid(replica_chains(nodes[0].replica),
                                 chain_find(replica_chains(nodes[0].replica), author.bytes, 11)),
                     0);
    close_org(nodes);
}

/* An admin whose key was stolen floods: it fills its own quota, and nobody else notices. */
static void a_flood_fills_its_own_quota_only(void **state)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    int r = 0;

    open_org(nodes);
    converge(nodes);
    for (uint64_t i = 0; r == 0; i++)
        r = set(&nodes[3], 3, 100, "flood", 1, i);
    assert_int_equal(r, -EDQUOT);
    assert_int_equal(set(&nodes[1], 1, nodes[1].instance, "web", 1, 1), 0);
    assert_int_equal(set(&nodes[2], 2, nodes[2].instance, "db", 1, 1), 0);
    converge(nodes);
    assert_int_equal(tree_read(replica_tree(nodes[2].replica), RECORD_DOCUMENT, "web", 3, &d), 0);
    assert_true(d.exists);
    close_org(nodes);
}

static void rubbish_is_counted(void **state)
{
    uint8_t bytes[64] = { 77 };

    open_org(nodes);
    assert_int_equal(replica_take(nodes[0].replica, bytes, 64), -EBADMSG);
    assert_int_equal(replica_take(nodes[0].replica, bytes, 0), -EBADMSG);
    bytes[0] = REPLICA_BATCH;
    assert_int_equal(replica_take(nodes[0].replica, bytes, 64), -EBADMSG);
    assert_int_equal(replica_counters(nodes[0].replica)->malformed, 3);
    close_org(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_changes_take_one_round_trip),
        cmocka_unit_test(only_the_missing_range_is_sent),
        cmocka_unit_test(many_chains_are_sent_once),
        cmocka_unit_test(a_revoked_admin_loses_what_is_above),
        cmocka_unit_test(a_revoked_node_stays_out),
        cmocka_unit_test(a_stolen_key_is_proved_and_frozen),
        cmocka_unit_test(large_values_arrive_whole),
        cmocka_unit_test(a_fork_above_the_head_is_told),
        cmocka_unit_test(a_long_absence_ends_well),
        cmocka_unit_test(unknown_kinds_and_operations_travel),
        cmocka_unit_test(random_histories_converge),
        cmocka_unit_test(a_restored_disk_is_no_forger),
        cmocka_unit_test(without_a_new_instance_it_would_be),
        cmocka_unit_test(a_flood_fills_its_own_quota_only),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(rubbish_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
