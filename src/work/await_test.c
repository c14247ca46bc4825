#include "work/await.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/number.h"
#include "sys/file.h"

static char folder[] = "/tmp/await-XXXXXX";
static char path[64];
static struct snapshot snapshot;

static int set_up(void **state)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/services.json", folder);
    return 0;
}

static int tear_down(void **state)
{
    struct failure f = FAILURE_NONE;

    return file_remove_tree(folder, &f);
}

static bool is_ready(const struct snapshot *seen, void *context)
{
    unsigned *looks = context;

    (*looks)++;
    return seen->ready;
}

static int await_ready(uint64_t timeout_ns, unsigned *looks)
{
    const struct await await = {
        .path = path, .holds = is_ready, .context = looks, .timeout_ns = timeout_ns
    };
    struct failure f = FAILURE_NONE;

    *looks = 0;
    return await_snapshot(&await, &snapshot, &f);
}

static void put(bool ready)
{
    const struct snapshot next = { .ready = ready };
    struct failure f = FAILURE_NONE;

    assert_int_equal(snapshot_write(path, &next, &f), 0);
}

static void test_there_already(void **state)
{
    unsigned looks;

    put(true);
    assert_int_equal(await_ready(0, &looks), 0);
    assert_int_equal(looks, 1);
}

/* Another process writes three times; the last one is what is waited for. */
static void test_comes_later(void **state)
{
    unsigned looks;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        put(false);
        put(false);
        put(true);
        _exit(0);
    }
    assert_int_equal(await_ready(60 * NS_PER_S, &looks), 0);
    assert_true(looks >= 1 && looks <= 4);
    assert_true(snapshot.ready);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_never(void **state)
{
    unsigned looks;

    assert_int_equal(await_ready(1, &looks), -ETIMEDOUT); /* no file at all */
    assert_int_equal(looks, 0);
    put(false);
    assert_int_equal(await_ready(NS_PER_MS, &looks), -ETIMEDOUT);
    assert_true(looks >= 1);
}

static void test_broken(void **state)
{
    struct failure f = FAILURE_NONE;
    unsigned looks;

    assert_int_equal(file_write(path, "{", 1, 0644, &f), 0);
    assert_int_equal(await_ready(60 * NS_PER_S, &looks), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_already),
        TEST(test_comes_later),
        TEST(test_never),
        TEST(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
