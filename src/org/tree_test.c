/* The fold laws, in small worlds and exhaustively: three replicas that each do four things, in
 * every order in which they can be interleaved, with one crash. The reference knows nothing of
 * contexts, chains or folds: for every write it remembers which writes its author had before its
 * eyes.
 *
 * Without an argument each interleaving is run with one crash position; with `all`, with every one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "org/org_test.h"
#include "org/tree.h"

enum { REPLICAS = 3, STEPS = 4, WRITES_MAX = 120, VALUES_MAX = 64, KEYS = 3 };

static const struct digest org = { { 0x0f } };
/* Small worlds are opened hundreds of thousands of times: their size is their cost. */
static const struct chain_limits small_limits = {
    .chains_max = 8,
    .entries_max = 40,
    .bytes_max = 6000,
    .evidence_max = 1,
    .author_chains_max = 8,
    .chain_entries_max = 40,
    .chain_bytes_max = 6000,
};
static const struct chain_limits large_limits = {
    .chains_max = 24,
    .entries_max = 160,
    .bytes_max = 60000,
    .evidence_max = 8,
    .author_chains_max = 16,
    .chain_entries_max = 160,
    .chain_bytes_max = 60000,
};
static const struct chain_limits *limits = &large_limits;
static const char *const key_names[KEYS] = { "alpha", "beta", "gamma" };
static bool run_all;

/* One write, as the reference remembers it. */
struct write {
    unsigned author;
    uint64_t instance;
    uint64_t seq;
    uint64_t stamp;
    uint8_t operation;
    unsigned key;
    uint32_t field;
    char value[8];
    bool seen[WRITES_MAX]; /* of this key, by its author, when it wrote */
};

struct replica {
    struct revoke_set *revocations;
    struct chain_set *chains;
    struct tree *tree;
    uint64_t instance;
};

struct world {
    struct replica replicas[REPLICAS];
    struct write writes[WRITES_MAX];
    size_t write_count;
    uint64_t instances;
};

static bool admits(void *context, const uint8_t *author)
{
    struct replica *r = context;

    return tree_scope(r->tree, author) != 0;
}

static bool verify(void *context, const uint8_t *author, const void *message, size_t size,
                   const uint8_t *signature)
{
    return test_verify(NULL, author, message, size, signature);
}

static void open_replica(struct world *w, struct replica *r)
{
    struct chain_rules rules = { verify, admits, r };
    struct test_key root = test_key(0);

    r->instance = ++w->instances;
    assert_int_equal(revoke_set_new(16, &r->revocations), 0);
    assert_int_equal(tree_new(limits, 40, root.bytes, 1, &r->tree), 0);
    assert_int_equal(chain_set_new(limits, &rules, &org, r->revocations, &r->chains), 0);
    tree_attach(r->tree, r->chains);
}

static void close_replica(struct replica *r)
{
    (void)chain_set_free(r->chains);
    (void)tree_free(r->tree);
    (void)revoke_set_free(r->revocations);
}

static void pull(struct replica *to, const struct replica *from);

/* A replica that starts with what every node has: the root's grants to authors 1..3. */
static void begin_replica(struct world *w, struct replica *r)
{
    static const char scope[4] = { RECORD_SCOPE_CONFIG | RECORD_SCOPE_ROSTER };
    struct test_key root = test_key(0);

    open_replica(w, r);
    for (unsigned i = 1; i <= REPLICAS; i++) {
        struct test_key admin = test_key(i);
        struct entry e = {
            .operation = ENTRY_ADD,
            .kind = RECORD_ADMIN,
            .key = admin.bytes,
            .key_size = ENTRY_AUTHOR_SIZE,
            .field = RECORD_ADMIN_SCOPE,
            .value = (const uint8_t *)scope,
            .value_size = 4,
        };

        assert_int_equal(test_append(r->chains, &root, 1, &e, i == REPLICAS), 0);
    }
    tree_update(r->tree);
}

static void open_world(struct world *w)
{
    w->write_count = 0;
    w->instances = 10;
    for (unsigned i = 0; i < REPLICAS; i++)
        begin_replica(w, &w->replicas[i]);
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < REPLICAS; i++)
        close_replica(&w->replicas[i]);
}

/* True when the replica holds this very write and may use it. */
static bool holds(const struct replica *r, const struct write *write)
{
    struct test_key key = test_key(write->author);
    uint32_t chain = chain_find(r->chains, key.bytes, write->instance);

    return chain != CHAIN_NONE && chain_valid(r->chains, chain) >= write->seq;
}

static void write_entry(struct world *w, unsigned replica, uint8_t operation, unsigned key,
                        uint32_t field)
{
    /* One clock is right, one stands still, one runs backwards. */
    uint64_t stamps[REPLICAS] = { 100 + w->write_count, 100, 200 - w->write_count };
    struct replica *r = &w->replicas[replica];
    struct test_key author = test_key(replica + 1);
    struct tree_writer writer = { author.bytes, r->instance };
    struct write *write = &w->writes[w->write_count];
    struct entry e;
    int count, result;

    assert_true(w->write_count < WRITES_MAX);
    *write = (struct write){ .author = replica + 1,
                             .instance = r->instance,
                             .stamp = stamps[replica],
                             .operation = operation,
                             .key = key,
                             .field = operation == ENTRY_DELETE ? 0 : field };
    if (operation != ENTRY_DELETE)
        (void)snprintf(write->value, sizeof(write->value), "v%zu", w->write_count);
    e = test_entry(operation, key_names[key], write->field, write->value, write->stamp);
    count = tree_context(r->tree, e.kind, e.key, e.key_size, &writer, e.context);
    assert_true(count >= 0);
    e.context_count = (uint8_t)count;
    for (size_t i = 0; i < w->write_count; i++)
        write->seen[i] = w->writes[i].key == key && holds(r, &w->writes[i]);
    result = test_append(r->chains, &author, r->instance, &e, true);
    if (result == -EKEYREVOKED)
        return; /* the author knows that it is out */
    assert_int_equal(result, 0);
    write->seq = chain_at(r->chains, chain_find(r->chains, author.bytes, r->instance))->held;
    w->write_count++;
    tree_update(r->tree);
}

/* Everything that `from` has and `to` lacks, the way a sync ends. */
static void pull(struct replica *to, const struct replica *from)
{
    static uint8_t bytes[1 << 16];
    struct chain_outcome outcome;

    for (uint32_t i = 0; i < revoke_set_count(from->revocations); i++) {
        const struct revoke_statement *s = revoke_set_at(from->revocations, i);

        assert_true(revoke_set_add(to->revocations, s) >= 0);
        chain_set_revoked(to->chains, s->subject);
    }
    for (uint32_t i = 0; i < chain_set_count(from->chains); i++) {
        const struct chain_view *view = chain_at(from->chains, i);
        uint32_t known = chain_find(to->chains, view->author, view->instance);
        uint64_t first = known == CHAIN_NONE ? 1 : chain_listed(to->chains, known) + 1;

        while (first <= chain_listed(from->chains, i)) {
            struct output o = output_make(bytes, sizeof(bytes));

            assert_int_equal(chain_pack(from->chains, i, first, &o, &first), 0);
            assert_int_equal(chain_take(to->chains, bytes, o.size, &outcome), 0);
        }
        tree_update(to->tree);
    }
}

static void exchange_all(struct world *w)
{
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned to = 0; to < REPLICAS; to++) {
            for (unsigned from = 0; from < REPLICAS; from++) {
                if (to != from)
                    pull(&w->replicas[to], &w->replicas[from]);
            }
        }
    }
}

/* The root's verdict about an author, as far as this replica knows its chains. */
static void revoke(struct world *w, unsigned replica, unsigned author)
{
    struct replica *r = &w->replicas[replica];
    struct test_key subject = test_key(author), root = test_key(0);
    struct revoke_statement s = { .role = REVOKE_ADMIN, .stamp = w->write_count + 1 };

    memcpy(s.subject, subject.bytes, sizeof(s.subject));
    memcpy(s.revoker, root.bytes, sizeof(s.revoker));
    for (uint64_t instance = 1; instance <= w->instances; instance++) {
        uint32_t chain = chain_find(r->chains, subject.bytes, instance);
        uint64_t seq = chain == CHAIN_NONE ? 0 : chain_listed(r->chains, chain);

        if (seq > 0)
            s.frontiers[s.frontier_count++] = (struct revoke_frontier){
                .instance = instance, .seq = seq, .hash = chain_hash(r->chains, chain, seq)
            };
    }
    test_revocation_sign(&s, &org);
    assert_true(revoke_set_add(r->revocations, &s) >= 0);
    chain_set_revoked(r->chains, subject.bytes);
    tree_update(r->tree);
}

/* The disk is gone: the node comes back empty and draws a new instance. */
static void crash(struct world *w, unsigned replica)
{
    close_replica(&w->replicas[replica]);
    begin_replica(w, &w->replicas[replica]);
}

/* The reference. `valid` says which writes survived and are not void. */
static bool reference_sees(const struct world *w, const bool *valid, size_t index)
{
    const struct write *e = &w->writes[index];

    for (size_t i = 0; i < w->write_count; i++) {
        const struct write *by = &w->writes[i];

        if (!valid[i] || by->key != e->key || !by->seen[index])
            continue;
        if (e->operation == ENTRY_DELETE || by->operation == ENTRY_DELETE || by->field == e->field)
            return false;
    }
    return valid[index];
}

static bool reference_before(const struct write *a, const struct write *b)
{
    struct test_key ka = test_key(a->author), kb = test_key(b->author);
    int order = memcmp(ka.bytes, kb.bytes, sizeof(ka.bytes));

    if (a->field != b->field)
        return a->field < b->field;
    if (a->stamp != b->stamp)
        return a->stamp > b->stamp;
    if (order != 0)
        return order > 0;
    return a->instance != b->instance ? a->instance > b->instance : a->seq > b->seq;
}

static size_t reference_read(const struct world *w, const bool *valid, unsigned key, size_t *ret,
                             bool *ret_conflict)
{
    size_t count = 0;
    bool deleted = false;

    *ret_conflict = false;
    for (size_t i = 0; i < w->write_count; i++) {
        size_t k;

        if (w->writes[i].key != key || !reference_sees(w, valid, i))
            continue;
        if (w->writes[i].operation == ENTRY_DELETE) {
            deleted = true;
            continue;
        }
        for (k = count++; k > 0 && reference_before(&w->writes[i], &w->writes[ret[k - 1]]); k--)
            ret[k] = ret[k - 1];
        ret[k] = i;
    }
    for (size_t k = 1; k < count; k++)
        *ret_conflict |= w->writes[ret[k]].field == w->writes[ret[k - 1]].field;
    *ret_conflict |= deleted && count > 0;
    return count;
}

static void compare_key(struct world *w, const bool *valid, unsigned key, struct tree *tree)
{
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    size_t expected[WRITES_MAX];
    bool conflict;
    size_t count = reference_read(w, valid, key, expected, &conflict);

    if (tree_read(tree, RECORD_DOCUMENT, key_names[key], strlen(key_names[key]), &d) < 0)
        d.count = 0;
    assert_int_equal(d.count, count);
    assert_int_equal(d.count > 0 && d.conflict, conflict);
    for (size_t i = 0; i < count; i++) {
        const struct write *write = &w->writes[expected[i]];

        assert_int_equal(values[i].field, write->field);
        assert_int_equal(values[i].value_size, strlen(write->value));
        assert_memory_equal(values[i].value, write->value, strlen(write->value));
    }
}

/* After everybody has talked to everybody: equal everywhere, and equal to the reference. */
static void check_world(struct world *w)
{
    static struct crdt_value values[VALUES_MAX];
    bool valid[WRITES_MAX];
    struct digest first;

    exchange_all(w);
    for (size_t i = 0; i < w->write_count; i++)
        valid[i] = holds(&w->replicas[0], &w->writes[i]);
    first = tree_digest(w->replicas[0].tree, values, VALUES_MAX);
    for (unsigned r = 0; r < REPLICAS; r++) {
        struct digest other = tree_digest(w->replicas[r].tree, values, VALUES_MAX);

        assert_memory_equal(&first, &other, sizeof(first));
        for (unsigned key = 0; key < KEYS; key++)
            compare_key(w, valid, key, w->replicas[r].tree);
    }
}

enum step { SET_1, SET_2, REMOVE, PULL_NEXT, PULL_LAST, REVOKE_NEXT };

static void do_step(struct world *w, unsigned replica, enum step step)
{
    unsigned next = (replica + 1) % REPLICAS, last = (replica + 2) % REPLICAS;

    switch (step) {
    case SET_1:
        write_entry(w, replica, ENTRY_SET, 0, 1);
        break;
    case SET_2:
        write_entry(w, replica, ENTRY_SET, 0, 2);
        break;
    case REMOVE:
        write_entry(w, replica, ENTRY_DELETE, 0, 0);
        break;
    case PULL_NEXT:
        pull(&w->replicas[replica], &w->replicas[next]);
        break;
    case PULL_LAST:
        pull(&w->replicas[replica], &w->replicas[last]);
        break;
    case REVOKE_NEXT:
        revoke(w, replica, next + 1);
        break;
    }
}

static void run_history(const enum step program[REPLICAS][STEPS], const uint8_t *order,
                        unsigned crash_at)
{
    static struct world w;
    unsigned done[REPLICAS] = { 0 };

    open_world(&w);
    for (unsigned i = 0; i <= REPLICAS * STEPS; i++) {
        if (crash_at / REPLICAS == i)
            crash(&w, crash_at % REPLICAS);
        if (i < REPLICAS * STEPS)
            do_step(&w, order[i], program[order[i]][done[order[i]]++]);
    }
    check_world(&w);
    close_world(&w);
}

/* The next arrangement of the multiset in lexicographic order; false after the last. */
static bool next_order(uint8_t *order, unsigned count)
{
    unsigned i = count - 1, k = count - 1;
    uint8_t kept;

    while (i > 0 && order[i - 1] >= order[i])
        i--;
    if (i == 0)
        return false;
    while (order[k] <= order[i - 1])
        k--;
    kept = order[i - 1];
    order[i - 1] = order[k];
    order[k] = kept;
    for (unsigned a = i, b = count - 1; a < b; a++, b--) {
        kept = order[a];
        order[a] = order[b];
        order[b] = kept;
    }
    return true;
}

static void run_program(const enum step program[REPLICAS][STEPS])
{
    uint8_t order[] = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2 };
    /* Each replica before each step and after the last one; the last of them: none. */
    unsigned crashes = (REPLICAS * STEPS + 1) * REPLICAS + 1;
    size_t histories = 0;

    limits = &small_limits;
    do {
        if (run_all) {
            for (unsigned c = 0; c < crashes; c++)
                run_history(program, order, c);
        } else {
            run_history(program, order, (unsigned)(histories % crashes));
        }
        histories++;
    } while (next_order(order, REPLICAS * STEPS));
    limits = &large_limits;
    assert_int_equal(histories, 34650); /* 12! / (4! 4! 4!) */
}

static void every_order_of_edits_and_deletes(void **state)
{
    static const enum step program[REPLICAS][STEPS] = {
        { SET_1, PULL_NEXT, REMOVE, SET_2 },
        { SET_1, PULL_NEXT, SET_1, PULL_LAST },
        { SET_2, PULL_NEXT, REMOVE, PULL_LAST },
    };

    run_program(program);
}

static void every_order_with_a_revocation(void **state)
{
    static const enum step program[REPLICAS][STEPS] = {
        { SET_1, PULL_NEXT, REVOKE_NEXT, PULL_LAST },
        { SET_1, SET_1, PULL_LAST, SET_2 },
        { PULL_LAST, REMOVE, SET_1, PULL_NEXT },
    };

    run_program(program);
}

static void long_histories_from_seeds(void **state)
{
    for (uint64_t seed = 1; seed <= (run_all ? 5000u : 300u); seed++) {
        static struct world w;
        uint64_t random = seed;

        open_world(&w);
        for (unsigned i = 0; i < 60; i++) {
            unsigned replica = (unsigned)(test_random(&random) % REPLICAS);
            uint64_t dice = test_random(&random) % 100;

            if (dice < 50)
                write_entry(&w, replica, dice < 40 ? ENTRY_SET : ENTRY_DELETE,
                            (unsigned)(test_random(&random) % KEYS),
                            1 + (uint32_t)(test_random(&random) % 3));
            else if (dice < 94)
                pull(&w.replicas[replica],
                     &w.replicas[(replica + 1 + test_random(&random) % 2) % REPLICAS]);
            else if (dice < 98)
                crash(&w, replica);
            else
                revoke(&w, replica, 1 + (unsigned)(test_random(&random) % REPLICAS));
        }
        check_world(&w);
        close_world(&w);
    }
}

/* The value before comes back when the author of the newer one turns out to be a thief. */
static void a_revocation_brings_back_the_value_before(void **state)
{
    static struct world w;
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };

    open_world(&w);
    write_entry(&w, 0, ENTRY_SET, 0, 1);
    pull(&w.replicas[1], &w.replicas[0]);
    revoke(&w, 0, 2); /* nothing of author 2 is known to replica 0 yet */
    write_entry(&w, 1, ENTRY_DELETE, 0, 0);
    assert_int_equal(tree_read(w.replicas[1].tree, RECORD_DOCUMENT, "alpha", 5, &d), 0);
    assert_false(d.exists);
    pull(&w.replicas[1], &w.replicas[0]);
    assert_int_equal(tree_read(w.replicas[1].tree, RECORD_DOCUMENT, "alpha", 5, &d), 0);
    assert_true(d.exists);
    assert_memory_equal(values[0].value, "v0", 2);
    close_world(&w);
}

static void scopes_are_enforced_in_the_fold(void **state)
{
    static struct world w;
    struct test_key author = test_key(1), thief = test_key(7);
    struct entry e = test_entry(ENTRY_SET, "v1.2.3", 1, "now", 1);
    struct crdt_value values[VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    struct replica *r = &w.replicas[0];

    open_world(&w);
    e.kind = RECORD_ROLLOUT; /* nobody but the root has the scope */
    assert_int_equal(test_append(r->chains, &author, 5, &e, true), 0);
    tree_update(r->tree);
    assert_int_equal(tree_read(r->tree, RECORD_ROLLOUT, "v1.2.3", 6, &d), 0);
    assert_false(d.exists);
    assert_int_equal(tree_out_of_scope(r->tree), 1);
    assert_false(tree_counts(r->tree, chain_set_entries(r->chains) - 1));
    assert_int_equal(tree_scope(r->tree, thief.bytes), 0);
    e.kind = RECORD_ADMIN; /* an admin cannot make admins */
    e.operation = ENTRY_ADD;
    e.key = thief.bytes;
    e.key_size = sizeof(thief.bytes);
    e.value = (const uint8_t *)"\xff\xff\xff\xff";
    e.value_size = 4;
    assert_int_equal(test_append(r->chains, &author, 5, &e, true), 0);
    tree_update(r->tree);
    assert_int_equal(tree_scope(r->tree, thief.bytes), 0);
    close_world(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_revocation_brings_back_the_value_before),
        cmocka_unit_test(scopes_are_enforced_in_the_fold),
        cmocka_unit_test(every_order_of_edits_and_deletes),
        cmocka_unit_test(every_order_with_a_revocation),
        cmocka_unit_test(long_histories_from_seeds),
    };

    run_all = argc > 1 && strcmp(argv[1], "all") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
