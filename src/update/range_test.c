#include "update/range.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/test_server.h"

static const char body[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static int collect(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    (void)f;
    text_add_bytes(context, bytes, size);
    return 0;
}

static int refuse(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    (void)bytes;
    (void)size;
    (void)context;
    return failure_set(f, CODE_IO, -EDQUOT, "enough");
}

/* Every offset and several limits of one address give the right part. */
static void check_parts(const char *address, bool parts)
{
    static const uint64_t limits[] = { 1, 5, 35, 36, 37, UINT64_MAX };

    for (uint64_t offset = 0; offset <= strlen(body); offset++) {
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
            const struct range_request request = { .address = address,
                                                   .offset = offset,
                                                   .limit = limits[i] };
            size_t left = strlen(body) - offset;
            size_t size = left < limits[i] ? left : (size_t)limits[i];
            _cleanup_text_ struct text got = TEXT_INIT;
            struct failure f = FAILURE_NONE;
            struct range_result result;
            int r = range_read(&request, collect, &got, &result, &f);

            /* Nothing at the very end: a server with parts says 416 to that. */
            if (left == 0 && range_is_url(address) && parts) {
                assert_int_equal(r, -ERANGE);
                continue;
            }
            if (r < 0)
                fail_msg("%llu+%llu: %s", (unsigned long long)offset, (unsigned long long)limits[i],
                         f.text);
            assert_int_equal(got.length, size);
            assert_int_equal(result.done, size);
            assert_memory_equal(text_string(&got), body + offset, size);
            assert_true(!result.total_known || result.total == strlen(body));
        }
    }
}

static void test_file(void **state)
{
    (void)state;
    test_folder_write("file", body);
    check_parts("file", true);
}

static void test_http(void **state)
{
    static const struct test_answer answers[] = {
        { "/parts", "200 OK", "Content-Length: 36\r\n", body, 0, TEST_PACE_FULL, 0, true },
        { "/whole", "200 OK", "Content-Length: 36\r\n", body, 0, TEST_PACE_FULL, 0, false },
        { "/unsized", "200 OK", "", body, 0, TEST_PACE_FULL, 0, false },
        { .path = NULL },
    };
    const char *server = test_server_start(answers);
    char address[128];

    (void)state;
    for (size_t i = 0; answers[i].path; i++) {
        (void)snprintf(address, sizeof(address), "%s%s", server, answers[i].path);
        check_parts(address, answers[i].ranges);
    }
    (void)test_server_stop();
}

static int read_one(const char *address, uint64_t offset, range_sink sink, struct failure *f)
{
    const struct range_request request = {
        .address = address, .offset = offset, .limit = 100, .stall_seconds = 1
    };
    _cleanup_text_ struct text got = TEXT_INIT;
    struct range_result result;

    return range_read(&request, sink, &got, &result, f);
}

static void test_file_failures(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("file", body);
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    assert_int_equal(read_one("none", 0, collect, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_SOURCE);
    assert_int_equal(read_one("file/none", 0, collect, &f), -ENOENT);
    assert_int_equal(read_one("folder", 0, collect, &f), -ENOENT);
    assert_int_equal(read_one("pipe", 0, collect, &f), -ENOENT);
    assert_int_equal(read_one("file", 37, collect, &f), -ERANGE);
    assert_int_equal(read_one("file", 0, refuse, &f), -EDQUOT);
}

/* What may be tried again is told from what may not. */
static void test_http_failures(void **state)
{
    static const struct {
        struct test_answer answer;
        uint64_t offset;
        int result;
    } cases[] = {
        { { "/none", "404 Not Found", "Content-Length: 0\r\n", "" }, 0, -ENOENT },
        { { "/gone", "410 Gone", "Content-Length: 0\r\n", "" }, 0, -ENOENT },
        { { "/denied", "403 Forbidden", "Content-Length: 0\r\n", "" }, 0, -EACCES },
        { { "/broken", "503 Busy", "Content-Length: 0\r\n", "" }, 0, -EAGAIN },
        { { "/cut", "200 OK", "Content-Length: 36\r\n", body, 10 }, 0, -EAGAIN },
        { { "/stall", "200 OK", "Content-Length: 36\r\n", body, 10, TEST_PACE_STALL }, 0, -EAGAIN },
        { { "/mute", "200 OK", "", body, 0, TEST_PACE_MUTE }, 0, -EAGAIN },
        { { "/short", "200 OK", "Content-Length: 36\r\n", body }, 50, -ERANGE },
        { { "/short-parts", "200 OK", "", body, .ranges = true }, 50, -ERANGE },
        { { "/loop", "302 Found", "Location: /loop\r\nContent-Length: 0\r\n", "" }, 0, -EPROTO },
        { { "/away", "302 Found", "Location: file:///etc/passwd\r\nContent-Length: 0\r\n", "" },
          0,
          -EPROTO },
        { { "/ftp", "302 Found", "Location: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n", "" },
          0,
          -EPROTO },
        { { "/other-part", "206 Part", "Content-Range: bytes 3-35/36\r\nContent-Length: 33\r\n",
            body + 3 },
          4,
          -EBADMSG },
        { { "/no-range", "206 Part", "Content-Length: 36\r\n", body }, 4, -EBADMSG },
    };
    struct test_answer answers[ARRAY_SIZE(cases) + 1] = { { .path = NULL } };
    const char *server;
    char address[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        answers[i] = cases[i].answer;
    server = test_server_start(answers);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        int r;

        (void)snprintf(address, sizeof(address), "%s%s", server, answers[i].path);
        r = read_one(address, cases[i].offset, collect, &f);
        if (r != cases[i].result)
            fail_msg("%s: %d %s", answers[i].path, r, f.text);
    }
    (void)snprintf(address, sizeof(address), "%s/cut", server);
    assert_int_equal(read_one(address, 0, refuse, &(struct failure)FAILURE_NONE), -EDQUOT);
    (void)test_server_stop();
    assert_int_equal(read_one(address, 0, collect, &(struct failure)FAILURE_NONE), -EAGAIN);
}

static void test_shown(void **state)
{
    (void)state;
    assert_string_equal(range_shown("/a/b"), "/a/b");
    assert_string_equal(range_shown("http://h/a"), "http://h/a");
    assert_string_equal(range_shown("https://me:secret@h:80/a@b?key=secret"), "https://h:80/a@b");
    assert_string_equal(range_shown("http://h?token=x"), "http://h");
    assert_true(range_is_url("HTTPS://h"));
    assert_false(range_is_url("ftp://h"));
    assert_false(range_is_url("http:/h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),          cmocka_unit_test(test_http),
        cmocka_unit_test(test_file_failures), cmocka_unit_test(test_http_failures),
        cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
