#include "image/fetch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/test_server.h"
#include "sys/file.h"

#define HELLO "hello, world\n"

static struct progress progress;

static int enter(void **state)
{
    progress_start(&progress, -1, true);
    return test_folder_enter(state);
}

static struct fetch_item hello(const char *address)
{
    return (struct fetch_item){ .address = address,
                                .target = "hello",
                                .label = "package hello 1.0",
                                .size = strlen(HELLO),
                                .digest = digest_bytes(HELLO, strlen(HELLO)) };
}

static int fetch(const struct fetch_item *item, struct failure *f)
{
    int r;

    (void)unlink("hello"); /* of the test before */
    r = fetch_all(item, 1, &progress, f);
    assert_false(file_exists("hello.partial"));
    assert_int_equal(file_exists("hello"), r == 0);
    return r;
}

static void test_file(void **state)
{
    _cleanup_free_ char *address = text_make("file://%s/source", test_folder_path());
    _cleanup_free_ char *missing = text_make("file://%s/missing", test_folder_path());
    struct fetch_item item = hello(address);
    _cleanup_free_ char *content = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("source", HELLO);
    assert_int_equal(fetch(&item, &f), 0);
    content = test_folder_read("hello");
    assert_string_equal(content, HELLO);
    item.address = missing;
    assert_int_equal(fetch(&item, &f), -ENOENT);
    assert_int_equal(f.code, CODE_PACKAGE_GONE);
    assert_non_null(strstr(f.text, "package hello 1.0 is no longer at"));
    assert_int_equal(fetch_all(NULL, 0, &progress, &f), 0);
}

static void test_wrong_bytes(void **state)
{
    static const struct {
        const char *content, *word;
    } cases[] = {
        { "hello, World\n", "expected sha256" },
        { "hello, world", "(12 bytes from" },
        { "", "(0 bytes from" },
        { HELLO "!", "is longer than the 13 bytes" },
    };
    _cleanup_free_ char *address = text_make("file://%s/source", test_folder_path());
    struct fetch_item item = hello(address);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;

        test_folder_write("source", cases[i].content);
        assert_int_equal(fetch(&item, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_LOCK_HASH);
        if (!strstr(f.text, cases[i].word) || !strstr(f.text, "package hello 1.0"))
            fail_msg("%s", f.text);
    }
}

static const struct test_answer answers[] = {
    { "/good", "200 OK", "Content-Length: 13\r\n", HELLO, 0 },
    { "/plain", "200 OK", "", HELLO, 0 },
    { "/moved", "302 Found", "Location: /good\r\nContent-Length: 0\r\n", "", 0 },
    { "/loop", "302 Found", "Location: /loop\r\nContent-Length: 0\r\n", "", 0 },
    { "/to-file", "302 Found", "Location: file:///etc/hostname\r\nContent-Length: 0\r\n", "", 0 },
    { "/wrong", "200 OK", "Content-Length: 13\r\n", "hello, World\n", 0 },
    { "/long", "200 OK", "", HELLO "and more", 0 },
    { "/short", "200 OK", "Content-Length: 5\r\n", "hello", 0 },
    { "/broken", "200 OK", "Content-Length: 13\r\n", HELLO, 5 },
    { "/gone", "410 Gone", "Content-Length: 0\r\n", "", 0 },
    { "/mute", "200 OK", "", "", 0, TEST_PACE_MUTE },
    { "/stall", "200 OK", "Content-Length: 13\r\n", HELLO, 5, TEST_PACE_STALL },
    { "/busy", "503 Busy", "Content-Length: 0\r\n", "", 0 },
    { "/forbidden", "403 Forbidden", "Content-Length: 0\r\n", "", 0 },
    { .path = NULL },
};

static void test_http(void **state)
{
    static const struct {
        const char *path;
        int result;
        enum code code;
        unsigned requests;
    } cases[] = {
        { "/good", 0, CODE_INTERNAL, 1 },
        { "/plain", 0, CODE_INTERNAL, 1 },
        { "/moved", 0, CODE_INTERNAL, 2 },
        { "/wrong", -EBADMSG, CODE_LOCK_HASH, 1 },
        { "/long", -EBADMSG, CODE_LOCK_HASH, 1 },
        { "/short", -EBADMSG, CODE_LOCK_HASH, 1 },
        { "/missing", -ENOENT, CODE_PACKAGE_GONE, 1 },
        { "/gone", -ENOENT, CODE_PACKAGE_GONE, 1 },
        { "/busy", -EIO, CODE_DOWNLOAD, 3 },
        { "/forbidden", -EIO, CODE_DOWNLOAD, 3 },
        { "/broken", -EIO, CODE_DOWNLOAD, 3 },
        { "/to-file", -EIO, CODE_DOWNLOAD, 3 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *server = test_server_start(answers);
        _cleanup_free_ char *address = text_make("%s%s", server, cases[i].path);
        struct fetch_item item = hello(address);
        struct failure f = FAILURE_NONE;
        int r = fetch(&item, &f);
        unsigned requests = test_server_stop();

        if (r != cases[i].result || requests != cases[i].requests)
            fail_msg("%s: %d '%s', %u requests", cases[i].path, r, f.text, requests);
        if (r < 0) {
            assert_int_equal(f.code, cases[i].code);
            assert_non_null(strstr(f.text, "package hello 1.0"));
            assert_non_null(strstr(f.text, address)); /* so that one knows where to look */
        }
    }
}

/* A mirror that takes the request and then sends nothing, or nothing more: an end that says so, and
 * soon. */
static void test_stalling_mirror(void **state)
{
    static const char *const paths[] = { "/mute", "/stall" };
    static const char *const words[] = { "sent 0 of 13 bytes", "sent 5 of 13 bytes" };

    (void)state;
    fetch_set_stall(1);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const char *server = test_server_start(answers);
        _cleanup_free_ char *address = text_make("%s%s", server, paths[i]);
        struct fetch_item item = hello(address);
        struct failure f = FAILURE_NONE;
        time_t before = time(NULL);

        assert_int_equal(fetch(&item, &f), -ETIMEDOUT);
        assert_int_equal(f.code, CODE_DOWNLOAD);
        if (!strstr(f.text, "the mirror stalls") || !strstr(f.text, words[i]) ||
            !strstr(f.text, address))
            fail_msg("%s", f.text);
        assert_int_equal(test_server_stop(), 3);
        assert_in_range(time(NULL) - before, 2, 60); /* three tries of a second, and not for ever */
    }
    fetch_set_stall(FETCH_STALL_SECONDS);
}

/* Slow, but never still: takes several times as long as a stall may, and arrives. */
static void test_slow_mirror(void **state)
{
    enum { SIZE = 600 };
    char body[SIZE + 1] = "";
    const struct test_answer slow[] = { { "/slow", "200 OK", "", body, 0, TEST_PACE_DRIP },
                                        { .path = NULL } };
    const char *server;
    _cleanup_free_ char *address = NULL;
    struct failure f = FAILURE_NONE;
    time_t before = time(NULL);
    struct fetch_item item;

    (void)state;
    memset(body, 's', SIZE);
    server = test_server_start(slow);
    address = text_make("%s/slow", server);
    item = hello(address);
    item.size = SIZE;
    item.digest = digest_bytes(body, SIZE);
    fetch_set_stall(1);
    assert_int_equal(fetch(&item, &f), 0);
    fetch_set_stall(FETCH_STALL_SECONDS);
    assert_int_equal(test_server_stop(), 1);
    assert_true(time(NULL) - before >= SIZE * TEST_DRIP_MS / 1000 - 1);
}

static void test_refused_connection(void **state)
{
    const char *server = test_server_start(answers);
    _cleanup_free_ char *address = text_make("%s/good", server);
    struct fetch_item item = hello(address);
    struct failure f = FAILURE_NONE;

    (void)state;
    (void)test_server_stop(); /* nobody listens there any more */
    assert_int_equal(fetch(&item, &f), -EIO);
    assert_int_equal(f.code, CODE_DOWNLOAD);
    item.address = "ftp://127.0.0.1/x";
    assert_int_equal(fetch(&item, &f), -EIO);
    item.address = "no address";
    assert_int_equal(fetch(&item, &f), -EIO);
}

/* More files than go at once; those that came whole stay when one fails. */
static void test_many(void **state)
{
    enum { COUNT = 20 };
    struct fetch_item items[COUNT];
    char targets[COUNT][16];
    const char *server = test_server_start(answers);
    _cleanup_free_ char *good = text_make("%s/good", server), *bad = text_make("%s/gone", server);
    struct failure f = FAILURE_NONE;
    size_t there = 0;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = hello(good);
        (void)snprintf(targets[i], sizeof(targets[i]), "many%zu", i);
        items[i].target = targets[i];
    }
    assert_int_equal(fetch_all(items, COUNT, &progress, &f), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(unlink(targets[i]), 0);
    items[COUNT - 1].address = bad;
    assert_int_equal(fetch_all(items, COUNT, &progress, &f), -ENOENT);
    for (size_t i = 0; i < COUNT; i++)
        there += file_exists(targets[i]);
    assert_true(there >= COUNT - 8 && there < COUNT);
    (void)test_server_stop();
}

static void test_target(void **state)
{
    _cleanup_free_ char *address = text_make("file://%s/source", test_folder_path());
    struct fetch_item item = hello(address);
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("source", HELLO);
    item.target = "no/such/folder/hello";
    assert_int_equal(fetch_all(&item, 1, &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_IO);
}

/* A disk that takes no more is told as such, not as a wrong package. */
static void test_full_disk(void **state)
{
    _cleanup_free_ char *address = text_make("file://%s/large", test_folder_path());
    _cleanup_free_ char *large = malloc((1 << 20) + 1);
    struct rlimit former, small = { .rlim_cur = 1 << 16 };
    struct fetch_item item = hello(address);
    struct failure f = FAILURE_NONE;
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)state;
    memset(large, 'x', 1 << 20);
    large[1 << 20] = '\0';
    test_folder_write("large", large);
    item.size = 1 << 20;
    item.digest = digest_bytes(large, 1 << 20);
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    small.rlim_max = former.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(fetch(&item, &f), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
    assert_int_equal(f.code, CODE_IO);
    assert_non_null(strstr(f.text, "hello.partial"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),        cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_http),        cmocka_unit_test(test_refused_connection),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_target),
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_stalling_mirror),
        cmocka_unit_test(test_slow_mirror),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
