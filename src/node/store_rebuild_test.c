/* A damaged state file: found, set aside, and everything comes back from peers. The owner's own
 * entries come back as well; what it writes from then on stands in a new instance, so that nobody
 * takes it for its own forger. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/store_sqlite.h"
#include "org/replica_test.h"

static char folder[] = "/tmp/broch-rebuild-XXXXXX";
static char path[64], aside[80];
static struct node nodes[NODES];

static void write_file(struct node *n)
{
    struct store_sqlite *db;
    struct store s;

    assert_int_equal(store_sqlite_open(path, &db), 0);
    s = store_sqlite_store(db);
    assert_int_equal(replica_write_all(n->replica, append_to, &s), 0);
    assert_int_equal(store_commit(&s), 0);
    (void)store_sqlite_close(db);
}

/* The replica that the file holds, or what opening or reading it said. */
static int read_file(struct replica **ret)
{
    struct replica *r = open_replica();
    struct store_sqlite *db;
    struct store s;
    int result = store_sqlite_open(path, &db);

    if (result == 0) {
        s = store_sqlite_store(db);
        result = replica_load(r, &s);
        (void)store_sqlite_close(db);
    }
    if (result < 0)
        (void)replica_free(r);
    else
        *ret = r;
    return result;
}

static void overwrite(long offset, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(pwrite(fd, "\x5a", 1, offset + (long)i), 1);
    assert_int_equal(close(fd), 0);
}

static void write_history(void)
{
    open_org(nodes);
    for (unsigned i = 0; i < 60; i++) {
        unsigned n = 1 + i % 3;

        assert_int_equal(set(&nodes[n], n, nodes[n].instance, i % 2 ? "web" : "db", 1, i), 0);
        say(&nodes[n], 20 + n, nodes[n].instance, ++nodes[n].leaf_seq, "good");
    }
    converge(nodes);
}

static void a_sound_file_is_the_same_replica(void **state)
{
    struct digest root;
    struct replica *r;

    write_history();
    write_file(&nodes[3]);
    assert_int_equal(read_file(&r), 0);
    root = replica_root(nodes[3].replica);
    assert_memory_equal(replica_root(r).bytes, root.bytes, DIGEST_SIZE);
    (void)replica_free(r);
    assert_int_equal(unlink(path), 0);
    close_org(nodes);
}

/* Of the header, of a page, and of what a parcel holds, which only its verification sees. What the
 * owner of a store does when it cannot be trusted (store.h). */
static void a_damaged_file_is_rebuilt_from_peers(void **state)
{
    static const struct {
        long offset;
        size_t size;
    } damages[] = { { 0, 16 }, { 0, 100 }, { 4096, 64 }, { 7900, 64 } };

    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        struct digest before;
        struct replica *r;

        write_history();
        write_file(&nodes[3]);
        before = replica_root(nodes[3].replica);
        overwrite(damages[i].offset, damages[i].size);
        assert_int_equal(read_file(&r), -EUCLEAN);
        assert_int_equal(store_sqlite_quarantine(path), 0);
        assert_int_equal(access(aside, F_OK), 0);
        close_node(&nodes[3]);
        open_node(&nodes[3], 113); /* empty, and a new instance */
        assert_true(talk(&nodes[3], &nodes[0], 100000));
        assert_memory_equal(replica_root(nodes[3].replica).bytes, before.bytes, DIGEST_SIZE);
        assert_int_equal(set(&nodes[3], 3, nodes[3].instance, "web", 1, 1000), 0);
        converge(nodes);
        for (unsigned k = 0; k < NODES; k++)
            assert_int_equal(replica_counters(nodes[k].replica)->forks, 0);
        write_file(&nodes[3]);
        assert_int_equal(read_file(&r), 0);
        assert_memory_equal(replica_root(r).bytes, replica_root(nodes[0].replica).bytes,
                            DIGEST_SIZE);
        (void)replica_free(r);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(unlink(aside), 0);
        close_org(nodes);
    }
}

/* The twin: whoever goes on in the old instance after losing its end forges itself. */
static void the_old_instance_would_fork(void **state)
{
    uint64_t forks = 0;

    write_history();
    close_node(&nodes[3]);
    open_node(&nodes[3], 13); /* as before, and nothing was fetched */
    grant(&nodes[3], 3, RECORD_SCOPE_CONFIG);
    assert_int_equal(set(&nodes[3], 3, nodes[3].instance, "web", 1, 1000), 0);
    for (unsigned k = 0; k < 3; k++)
        (void)talk(&nodes[3], &nodes[k], 100000);
    for (unsigned k = 0; k < NODES; k++)
        forks += replica_counters(nodes[k].replica)->forks;
    assert_true(forks > 0);
    close_org(nodes);
}

static int begin(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state.db", folder); /* fits */
    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    return 0;
}

static int end(void **state)
{
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_file_is_the_same_replica),
        cmocka_unit_test(a_damaged_file_is_rebuilt_from_peers),
        cmocka_unit_test(the_old_instance_would_fork),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
