/* Figures of the replicated state on this machine: from disk to folded trees, signatures, commits.
 *
 * Usage: bench_state FOLDER [entries]      (the folder decides which disk is measured) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/number.h"
#include "org/org_test.h"
#include "org/replica.h"
#include "node/store_sqlite.h"

enum { AUTHORS = 8, KEYS = 50000, VALUES_MAX = 256 };

static unsigned verified;
static bool with_ed25519;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t); /* cannot fail for the clocks used here */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The toy signature stands for the wiring; one true verification beside it for the cost. */
static bool verify(void *context, const uint8_t *key, const void *message, size_t size,
                   const uint8_t *signature)
{
    static uint8_t public[32], secret[64], real[64];
    static const uint8_t fixed[164] = { 1 };
    static bool ready;

    if (!ready) {
        (void)crypto_sign_keypair(public, secret); /* cannot fail */
        (void)crypto_sign_detached(real, NULL, fixed, sizeof(fixed), secret);
        ready = true;
    }
    verified++;
    if (with_ed25519 && crypto_sign_verify_detached(real, fixed, sizeof(fixed), public) != 0)
        return false;
    return test_verify(NULL, key, message, size, signature);
}

static struct replica *open_replica(uint32_t entries)
{
    struct test_key roots[1] = { test_key(0) };
    struct replica_setup setup = {
        .limits = { .chains = { .chains_max = 64,
                                .entries_max = entries + 1000,
                                .bytes_max = entries * 128 + 100000,
                                .evidence_max = 4,
                                .author_chains_max = 8,
                                .chain_entries_max = entries + 1000,
                                .chain_bytes_max = UINT32_MAX },
                    .nodes_max = 16,
                    .revocations_max = 16,
                    .covers_max = 4096 },
        .roots = roots[0].bytes,
        .root_count = 1,
        .verify = verify,
    };
    struct replica *r;
    int result = replica_new(&setup, &r);

    CHECK(result == 0);
    return r;
}

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "bench_state: %s: %s\n", what, strerror(-r));
    exit(1);
}

static void grant_all(struct replica *r)
{
    static const char scope[4] = { RECORD_SCOPE_CONFIG };
    struct test_key root = test_key(0);

    for (unsigned i = 1; i <= AUTHORS; i++) {
        struct test_key admin = test_key(i);
        struct entry e = test_entry(ENTRY_ADD, "x", RECORD_ADMIN_SCOPE, "1234", 1);

        e.kind = RECORD_ADMIN;
        e.key = admin.bytes;
        e.key_size = 32;
        e.value = (const uint8_t *)scope;
        must(test_append(replica_chains(r), &root, 1, &e, i == AUTHORS), "grant");
    }
    tree_update(replica_tree(r));
}

/* Each author edits the keys in turn: every key ends with some twenty entries in the long run. */
static void write_all(struct replica *r, uint32_t entries)
{
    uint64_t seed = 1;

    for (uint32_t i = 0; i < entries; i++) {
        struct test_key author = test_key(1 + i % AUTHORS);
        uint32_t own = i / AUTHORS + 1;
        char key[32], value[48];
        struct entry e;

        (void)snprintf(key, sizeof(key), "service/%u", (unsigned)(test_random(&seed) % KEYS));
        (void)snprintf(value, sizeof(value), "a value of thirty bytes %06u", i % 1000000);
        e = test_entry(ENTRY_SET, key, 1 + i % 5, value, i);
        must(test_append(replica_chains(r), &author, 1, &e,
                         own % CHAIN_SPAN == 0 || i + AUTHORS >= entries),
             "append");
    }
}

static void store_all(struct replica *r, const struct store *s, uint64_t *ret_bytes)
{
    static uint8_t bytes[REPLICA_PARCEL_MAX];
    struct chain_set *chains = replica_chains(r);
    uint32_t parcels = 0;

    *ret_bytes = 0;
    for (uint32_t chain = 0; chain < chain_set_count(chains); chain++) {
        for (uint64_t seq = 1; seq <= chain_listed(chains, chain);) {
            struct output o = output_make(bytes, sizeof(bytes));

            output_u8(&o, REPLICA_BATCH);
            must(chain_pack(chains, chain, seq, &o, &seq), "pack");
            must(store_append(s, bytes, o.size), "store");
            *ret_bytes += o.size;
            if (++parcels % 256 == 0)
                must(store_commit(s), "commit");
        }
    }
    must(store_commit(s), "commit");
}

static int take(void *owner, const uint8_t *bytes, size_t size)
{
    int r = replica_take(owner, bytes, size);

    return r < 0 ? r : 0;
}

static void measure_load(const struct store *s, uint32_t entries, bool ed25519)
{
    static struct crdt_value values[VALUES_MAX];
    uint64_t began = now_ns(CLOCK_PROCESS_CPUTIME_ID), opened, loaded, folded;
    struct replica *r = open_replica(entries);

    with_ed25519 = ed25519;
    verified = 0;
    opened = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    must(store_load(s, take, r), "load");
    loaded = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    (void)tree_digest(replica_tree(r), values, VALUES_MAX);
    folded = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    (void)printf(
        "load %s, processor time: %u entries, %u keys; opened %.2f s, read and verified %.2f s "
        "(%u signatures), all keys folded and hashed %.2f s\n",
        ed25519 ? "with Ed25519" : "without signatures", chain_set_entries(replica_chains(r)),
        tree_keys(replica_tree(r)), (double)(opened - began) / 1e9, (double)(loaded - opened) / 1e9,
        verified, (double)(folded - loaded) / 1e9);
    (void)replica_free(r);
}

static void measure_commits(const struct store *s)
{
    uint8_t bytes[300] = { REPLICA_BATCH };
    uint64_t began = now_ns(CLOCK_MONOTONIC), ended;
    unsigned commits = 0;

    do {
        must(store_append(s, bytes, sizeof(bytes)), "store");
        must(store_commit(s), "commit");
        commits++;
        ended = now_ns(CLOCK_MONOTONIC);
    } while (ended - began < 2 * NS_PER_S);
    (void)printf(
        "commits of one parcel of 300 B, each on the disk before the next: %.0f per second\n",
        commits / ((double)(ended - began) / 1e9));
}

int main(int argc, char **argv)
{
    uint64_t entries = 1000000, bytes, began, ended;
    struct store_sqlite *db;
    struct replica *r;
    struct store s;
    char path[512];

    if (argc < 2 || (argc > 2 && number_parse_text(argv[2], 4000000, &entries) < 0)) {
        (void)fprintf(stderr, "usage: bench_state FOLDER [entries]\n");
        return 2;
    }
    (void)snprintf(path, sizeof(path), "%s/bench_state.db", argv[1]);
    (void)unlink(path); /* of an earlier run */
    must(store_sqlite_open(path, &db), path);
    s = store_sqlite_store(db);
    r = open_replica((uint32_t)entries);
    grant_all(r);
    write_all(r, (uint32_t)entries);
    began = now_ns(CLOCK_MONOTONIC);
    store_all(r, &s, &bytes);
    ended = now_ns(CLOCK_MONOTONIC);
    (void)replica_free(r);
    (void)printf("stored %llu bytes of parcels (%.1f per entry) in %.2f s\n",
                 (unsigned long long)bytes, (double)bytes / (double)entries,
                 (double)(ended - began) / 1e9);
    (void)printf(
        "memory per entry besides its body: link %zu, look-up 8 to 16, tree 44 to 52 bytes\n",
        sizeof(struct chain_link));
    measure_load(&s, (uint32_t)entries, false);
    measure_load(&s, (uint32_t)entries, true);
    measure_commits(&s);
    (void)store_sqlite_close(db);
    (void)unlink(path); /* left behind is no harm */
    return 0;
}
