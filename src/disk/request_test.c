#include "disk/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define UUID    "01234567-89ab-cdef-0123-456789abcdef"
#define PCR     "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define REQUEST "broch request 1\n"
#define RESULT  "broch result 1\n"
#define DISK    "disk=" UUID "\n"

static struct failure f;

static int parse(const char *text, struct request *ret)
{
    return request_parse(text, strlen(text), ret, &f);
}

/* Every kind, as it stands in the file, and written again to the same bytes. */
static void test_kinds(void **unused)
{
    static const struct {
        const char *text;
        struct request wanted;
    } cases[] = {
        { REQUEST "kind=wipe\n" DISK "value=-\nstarts=0\n", { REQUEST_WIPE, UUID, 0, { 0 }, 0 } },
        { REQUEST "kind=epoch\n" DISK "value=7\nstarts=1\n", { REQUEST_EPOCH, UUID, 7, { 0 }, 1 } },
        { REQUEST "kind=recovery-new\n" DISK "value=-\nstarts=2\n",
          { REQUEST_RECOVERY_NEW, UUID, 0, { 0 }, 2 } },
        { REQUEST "kind=enroll\n" DISK "value=-\nstarts=3\n",
          { REQUEST_ENROLL, UUID, 0, { 0 }, 3 } },
        { REQUEST "kind=seal-pcr7\n" DISK "value=" PCR "\nstarts=9\n",
          { REQUEST_SEAL_PCR7,
            UUID,
            0,
            { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
              0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
              0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff },
            9 } },
    };
    _Static_assert(ARRAY_SIZE(cases) == REQUEST_KIND_MAX_, "every kind is here");

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[REQUEST_SIZE_MAX];
        struct line l = line_make(text, sizeof(text));
        struct request got;

        assert_int_equal(parse(cases[i].text, &got), 0);
        assert_int_equal(got.kind, cases[i].wanted.kind);
        assert_string_equal(got.disk, cases[i].wanted.disk);
        assert_int_equal(got.epoch, cases[i].wanted.epoch);
        assert_memory_equal(got.pcr7, cases[i].wanted.pcr7, sizeof(got.pcr7));
        assert_int_equal(got.starts, cases[i].wanted.starts);
        request_format(&got, &l);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_malformed(void **unused)
{
    static const char *const bad[] = {
        "",
        REQUEST,
        "broch request 2\nkind=wipe\n" DISK "value=-\nstarts=0\n",
        "kind=wipe\n" DISK "value=-\nstarts=0\n",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=0",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=0\n\n",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=0\nkind=wipe\n",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=\n",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=10\n",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=x\n",
        REQUEST "kind=wipe\n" DISK "value=\nstarts=0\n",
        REQUEST "kind=wipe\n" DISK "value=1\nstarts=0\n",
        REQUEST "kind=wipe \n" DISK "value=-\nstarts=0\n",
        REQUEST "kind=wipe\r\n" DISK "value=-\nstarts=0\n",
        REQUEST "kind=\n" DISK "value=-\nstarts=0\n",
        REQUEST "kind=format\n" DISK "value=-\nstarts=0\n",
        REQUEST DISK "kind=wipe\nvalue=-\nstarts=0\n",
        REQUEST "kind=wipe\ndisk=-\nvalue=-\nstarts=0\n",
        REQUEST "kind=wipe\ndisk=01234567-89AB-cdef-0123-456789abcdef\nvalue=-\nstarts=0\n",
        REQUEST "kind=wipe\ndisk=" UUID "0\nvalue=-\nstarts=0\n",
        REQUEST "kind=epoch\n" DISK "value=-\nstarts=0\n",
        REQUEST "kind=epoch\n" DISK "value=-1\nstarts=0\n",
        REQUEST "kind=epoch\n" DISK "value=01\nstarts=0\n",
        REQUEST "kind=epoch\n" DISK "value=9223372036854775808\nstarts=0\n",
        REQUEST "kind=seal-pcr7\n" DISK "value=00\nstarts=0\n",
        REQUEST "kind=seal-pcr7\n" DISK "value=" PCR "00\nstarts=0\n",
        REQUEST "kind=seal-pcr7\n" DISK
                "value=00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\nstarts=0"
                "\n",
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct request untouched = { .starts = 77 };

        f = (struct failure)FAILURE_NONE;
        if (parse(bad[i], &untouched) != -EBADMSG)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(f.code, CODE_REQUEST_FORM);
        assert_int_equal(untouched.starts, 77);
    }
}

/* Whatever is cut off or changed by a bit is refused, or is another whole request. */
static void test_damaged(void **unused)
{
    static const char whole[] = REQUEST "kind=epoch\n" DISK "value=7\nstarts=1\n";
    char text[sizeof(whole)], again[REQUEST_SIZE_MAX];
    struct request got;

    (void)unused;
    for (size_t size = 0; size < sizeof(whole) - 1; size++)
        assert_int_equal(request_parse(whole, size, &got, &f), -EBADMSG);
    for (size_t bit = 0; bit < 8 * (sizeof(whole) - 1); bit++) {
        struct line l = line_make(again, sizeof(again));

        memcpy(text, whole, sizeof(whole));
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        if (request_parse(text, sizeof(whole) - 1, &got, &f) == 0) {
            request_format(&got, &l);
            assert_memory_equal(again, text, sizeof(whole) - 1);
        }
    }
}

static void test_too_long(void **unused)
{
    char text[REQUEST_SIZE_MAX + 1];
    struct request got;

    (void)unused;
    memset(text, '\n', sizeof(text));
    assert_int_equal(request_parse(text, sizeof(text), &got, &f), -EBADMSG);
}

static void check_result(const struct failure *why, const char *wanted)
{
    struct request r;
    struct request_result result, again;
    char text[REQUEST_RESULT_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));

    assert_int_equal(request_make("epoch", "7", &r), 0);
    memcpy(r.disk, UUID, sizeof(UUID));
    request_end(&r, "v1", why, &result);
    request_result_format(&result, &l);
    assert_string_equal(text, wanted);
    assert_int_equal(request_result_parse(text, l.length, &again), 0);
    assert_string_equal(again.code, result.code);
    assert_string_equal(again.text, result.text);
    assert_string_equal(again.generation, "v1");
    assert_int_equal(again.request.epoch, 7);
}

static void test_result(void **unused)
{
    struct failure why;

    (void)unused;
    check_result(NULL, RESULT "kind=epoch\n" DISK "value=7\ncode=done\ngeneration=v1\ntext=\n");
    (void)failure_set(&why, CODE_TPM_COMMAND, -EIO, "no\nanswer\x7f");
    check_result(&why, RESULT "kind=epoch\n" DISK "value=7\ncode=BR-TPM-COMMAND\ngeneration=v1\n"
                              "text=no?answer?\n");
}

/* The longest text of a failure is cut, never refused. */
static void test_long_result(void **unused)
{
    struct failure why = { .code = CODE_IO, .cause = -EIO };
    struct request_result result, again;
    struct request r;
    char text[REQUEST_RESULT_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));

    (void)unused;
    memset(why.text, 'x', sizeof(why.text) - 1);
    assert_int_equal(request_make("seal-pcr7", PCR, &r), 0);
    memcpy(r.disk, UUID, sizeof(UUID));
    request_end(&r, why.text, &why, &result);
    request_result_format(&result, &l);
    assert_false(l.cut);
    assert_int_equal(request_result_parse(text, l.length, &again), 0);
    assert_int_equal(strlen(again.text), REQUEST_TEXT_SIZE - 1);
}

static void test_malformed_result(void **unused)
{
    static const char *const bad[] = {
        "",
        REQUEST "kind=wipe\n" DISK "value=-\nstarts=0\n",
        RESULT "kind=wipe\n" DISK "value=-\ncode=\ngeneration=v1\ntext=\n",
        RESULT "kind=wipe\n" DISK "value=-\ncode=done\ngeneration=v1\n",
        RESULT "kind=wipe\n" DISK "value=-\ncode=done\ngeneration=v1\ntext=\x01\n",
        RESULT "kind=wipe\n" DISK "value=-\ncode=done\ngeneration=v1\ntext=\n\n",
    };
    struct request_result result;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(request_result_parse(bad[i], strlen(bad[i]), &result), -EBADMSG);
}

static void test_make(void **unused)
{
    struct request r;

    (void)unused;
    assert_int_equal(request_make("wipe", "-", &r), 0);
    assert_int_equal(r.kind, REQUEST_WIPE);
    assert_int_equal(request_make("wipes", "-", &r), -ENOENT);
    assert_int_equal(request_make("", "-", &r), -ENOENT);
    assert_int_equal(request_make("epoch", "-", &r), -EBADMSG);
    for (size_t i = 0; i < REQUEST_KIND_MAX_; i++)
        assert_true(strlen(request_kind_name((enum request_kind)i)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_result),  cmocka_unit_test(test_long_result),
        cmocka_unit_test(test_make),    cmocka_unit_test(test_malformed_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
