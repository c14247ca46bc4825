#include "image/lock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_heap.h"
#include "sys/test_folder.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD   "broch-lock 1\ndate 1795206090\nlist " HASH_A "\n"
#define APT    "package system main apt 3.0.4 amd64 17 " HASH_0 " pool/a/apt_3.0.4_amd64.deb\n"
#define KERNEL                                                                                     \
    "package kernel security linux-image-6.12+deb13-amd64 6.12.1-1 amd64 99 " HASH_A               \
    " pool/l/linux_6.12.1-1_amd64.deb\n"
#define VALID       HEAD APT KERNEL
#define LIST_DIGEST "b850d5e959eb94c439e6c729e91b9789ba2d832840de0e2e07b4ec0b58984d07"

static int parse(const char *text, size_t size, struct lock *ret, struct failure *f)
{
    return lock_parse("x.lock", (const uint8_t *)text, size, ret, f);
}

static void test_valid(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;
    char digits[DIGEST_TEXT_SIZE];

    (void)state;
    assert_int_equal(parse(VALID, strlen(VALID), &lock, &f), 0);
    assert_int_equal(lock.date, 1795206090);
    assert_string_equal(digest_text(&lock.list, digits), HASH_A);
    assert_int_equal(lock.package_count, 2);
    assert_int_equal(lock.packages[0].role, LOCK_ROLE_SYSTEM);
    assert_int_equal(lock.packages[0].archive, LOCK_ARCHIVE_MAIN);
    assert_string_equal(lock.packages[0].name, "apt");
    assert_string_equal(lock.packages[0].version, "3.0.4");
    assert_string_equal(lock.packages[0].arch, "amd64");
    assert_int_equal(lock.packages[0].size, 17);
    assert_string_equal(lock.packages[0].path, "pool/a/apt_3.0.4_amd64.deb");
    assert_int_equal(lock.packages[1].archive, LOCK_ARCHIVE_SECURITY);
    assert_ptr_equal(lock_kernel(&lock), &lock.packages[1]);
    assert_string_equal(lock_kernel_release(&lock.packages[1]), "6.12+deb13-amd64");
}

static void test_no_kernel(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(parse(HEAD APT, strlen(HEAD APT), &lock, &f), 0);
    assert_int_equal(lock.package_count, 1);
    assert_null(lock_kernel(&lock));
}

#define PACKAGE(fields) HEAD "package " fields "\n"

static void test_refused(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        { "", "x.lock:1:", "cut off" },
        { "broch-lock 1\n", "x.lock:2:", "cut off" },
        { "broch-lock 1\ndate 1\n", "x.lock:3:", "cut off" },
        { "\n", "x.lock:1:", "missing or empty" },
        { "broch-lock\n", "x.lock:1:", "missing or empty" },
        { "broch-lock 0\n", "x.lock:1:", "version" },
        { "broch-lock 2\n", "x.lock:1:", "number" },
        { "broch-lock 1 \n", "x.lock:1:", "a space ends" },
        { "broch-lock 1 1\n", "x.lock:1:", "more on the line" },
        { " broch-lock 1\n", "x.lock:1:", "missing or empty" },
        { "lock 1\n", "x.lock:1:", "keyword" },
        { "broch-lock 1\nlist " HASH_A "\n", "x.lock:2:", "keyword" },
        { "broch-lock 1\ndate -1\n", "x.lock:2:", "number" },
        { "broch-lock 1\ndate 01\n", "x.lock:2:", "number" },
        { "broch-lock 1\ndate 99999999999999999999\n", "x.lock:2:", "number" },
        { "broch-lock 1\ndate 4398046510081\n", "x.lock:2:", "number" },
        { "broch-lock 1\ndate 1\nlist 12\n", "x.lock:3:", "SHA-256" },
        { "broch-lock 1\ndate 1\nlist A" HASH_A "\n", "x.lock:3:", "SHA-256" },
        { HEAD, "x.lock:4:", "cut off" }, /* nothing is made of no packages */
        { HEAD "date 1\n", "x.lock:4:", "keyword" },
        { HEAD "\n", "x.lock:4:", "missing or empty" },
        { HEAD APT "\n", "x.lock:5:", "missing or empty" },
        { HEAD "package system main apt 3", "x.lock:4:", "no end" },
        { PACKAGE("user main apt 1 all 1 " HASH_0 " a"), "x.lock:4:", "role" },
        { PACKAGE("system other apt 1 all 1 " HASH_0 " a"), "x.lock:4:", "archive" },
        { PACKAGE("system main .apt 1 all 1 " HASH_0 " a"), "x.lock:4:", "name" },
        { PACKAGE("system main a/b 1 all 1 " HASH_0 " a"), "x.lock:4:", "name" },
        { PACKAGE("system main a,b 1 all 1 " HASH_0 " a"), "x.lock:4:", "name" },
        { PACKAGE("system main apt 1_2 all 1 " HASH_0 " a"), "x.lock:4:", "version" },
        { PACKAGE("system main apt 1%3a2 all 1 " HASH_0 " a"), "x.lock:4:", "version" },
        { PACKAGE("system main apt 1 a_b 1 " HASH_0 " a"), "x.lock:4:", "architecture" },
        { PACKAGE("system main apt 1 all x " HASH_0 " a"), "x.lock:4:", "number" },
        { PACKAGE("system main apt 1 all 1073741825 " HASH_0 " a"), "x.lock:4:", "number" },
        { PACKAGE("system main apt 1 all 1 0" HASH_0 " a"), "x.lock:4:", "SHA-256" },
        { PACKAGE("system main apt 1 all 1 " HASH_0), "x.lock:4:", "missing" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " /a"), "x.lock:4:", "path" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " a/../b"), "x.lock:4:", "path" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " a?b"), "x.lock:4:", "path" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " a b"), "x.lock:4:", "more on" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " a\t"), "x.lock:4:", "control" },
        { PACKAGE("system main apt 1 all 1 " HASH_0 " \303\244"), "x.lock:4:", "non-ASCII" },
        { PACKAGE("kernel main apt 1 all 1 " HASH_0 " a"), "x.lock:4:", "kernel package" },
        { PACKAGE("kernel main linux-image- 1 all 1 " HASH_0 " a"), "x.lock:4:", "kernel" },
        { HEAD APT APT, "x.lock:5:", "out of order or named twice" },
        { HEAD KERNEL APT, "x.lock:5:", "out of order" },
        { HEAD KERNEL "package kernel main linux-image-7 1 all 1 " HASH_0 " a\n",
          "x.lock:5:", "more than one kernel" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lock lock = { .date = 7 };
        struct failure f = FAILURE_NONE;

        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &lock, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SYNTAX);
        if (strncmp(f.text, cases[i].where, strlen(cases[i].where)) != 0 ||
            !strstr(f.text, cases[i].what))
            fail_msg("case %zu: '%s'", i, f.text);
        assert_int_equal(lock.date, 7); /* untouched */
        assert_null(lock.packages);
    }
}

static void test_same_name_in_both_roles(void **state)
{
    static const char text[] = HEAD "package system main linux-image-1 1 all 1 " HASH_0 " a\n"
                                    "package kernel main linux-image-1 1 all 1 " HASH_0 " a\n";
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(parse(text, strlen(text), &lock, &f), 0);
    assert_int_equal(lock.package_count, 2);
}

static void test_field_lengths(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    for (size_t length = LOCK_FIELD_MAX - 1; length <= LOCK_FIELD_MAX; length++) {
        _cleanup_lock_ struct lock lock = LOCK_INIT;
        _cleanup_text_ struct text text = TEXT_INIT;

        text_add(&text, HEAD "package system main apt 1 all 1 " HASH_0 " ");
        for (size_t i = 0; i < length; i++)
            text_add(&text, "p");
        text_add(&text, "\n");
        assert_int_equal(parse(text_string(&text), text.length, &lock, &f),
                         length < LOCK_FIELD_MAX ? 0 : -EBADMSG);
    }
    assert_non_null(strstr(f.text, "too long"));
}

static void test_too_many(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    size_t fits;

    (void)state;
    text_add(&text, HEAD);
    for (unsigned i = 0; i <= LOCK_PACKAGES_MAX; i++) {
        fits = text.length;
        text_addf(&text, "package system main p%04u 1 all 1 " HASH_0 " a\n", i);
    }
    assert_int_equal(parse(text_string(&text), text.length, &lock, &f), -EBADMSG);
    assert_non_null(strstr(f.text, "too many"));
    assert_int_equal(parse(text_string(&text), fits, &lock, &f), 0);
    assert_int_equal(lock_add(&lock, &lock.packages[0]), -ERANGE);
}

/* Only whole lines can be left out at the end; no other beginning of a lock is one. */
static void test_truncation(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(VALID); size++) {
        _cleanup_lock_ struct lock lock = LOCK_INIT;
        struct failure f = FAILURE_NONE;
        bool whole = size > strlen(HEAD) && VALID[size - 1] == '\n';

        assert_int_equal(parse(VALID, size, &lock, &f), whole ? 0 : -EBADMSG);
    }
}

/* What is accepted is exactly what would be written: a lock has one form. */
static void test_bit_flips(void **state)
{
    char bytes[] = VALID;

    (void)state;
    for (size_t bit = 0; bit < 8 * strlen(VALID); bit++) {
        _cleanup_lock_ struct lock lock = LOCK_INIT;
        _cleanup_text_ struct text text = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        if (parse(bytes, strlen(VALID), &lock, &f) == 0) {
            lock_format(&lock, &text);
            assert_int_equal(text.length, strlen(VALID));
            assert_memory_equal(text_string(&text), bytes, strlen(VALID));
        }
        bytes[bit / 8] = VALID[bit / 8];
    }
}

static void test_format_sorts(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT, reversed = LOCK_INIT;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(parse(VALID, strlen(VALID), &lock, &f), 0);
    reversed.date = lock.date;
    reversed.list = lock.list;
    for (size_t i = lock.package_count; i-- > 0;)
        assert_int_equal(lock_add(&reversed, &lock.packages[i]), 0);
    lock_format(&reversed, &text);
    assert_string_equal(text_string(&text), VALID);
}

static void test_list_digest(void **state)
{
    static const char *const names[] = { "apt", "bash" }, *const swapped[] = { "bash", "apt" };
    char digits[DIGEST_TEXT_SIZE];
    struct digest digest = lock_list_digest(names, 2, "debian");

    (void)state;
    /* printf 'kernel debian\napt\nbash\n' | sha256sum */
    assert_string_equal(digest_text(&digest, digits), LIST_DIGEST);
    digest = lock_list_digest(swapped, 2, "debian"); /* apt goes by the order */
    assert_string_not_equal(digest_text(&digest, digits), LIST_DIGEST);
    digest = lock_list_digest(names, 2, "none");
    assert_string_not_equal(digest_text(&digest, digits), LIST_DIGEST);
}

static void test_read(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;
    struct digest digest, expected = digest_bytes(VALID, strlen(VALID));

    (void)state;
    assert_int_equal(lock_read("none.lock", &lock, &digest, &f), -ENOENT);
    assert_int_equal(f.code, CODE_LOCK_MISSING);
    test_folder_write("bad.lock", "no lock\n");
    assert_int_equal(lock_read("bad.lock", &lock, &digest, &f), -EBADMSG);
    assert_non_null(strstr(f.text, "bad.lock:1:"));
    test_folder_write("good.lock", VALID);
    assert_int_equal(lock_read("good.lock", &lock, &digest, &f), 0);
    assert_memory_equal(&digest, &expected, sizeof(digest));
}

static void test_out_of_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (size_t n = 1; failed; n++) {
        _cleanup_lock_ struct lock lock = LOCK_INIT;
        struct failure f = FAILURE_NONE;
        int r;

        test_heap_fail_at(n);
        r = parse(VALID, strlen(VALID), &lock, &f);
        failed = test_heap_has_failed();
        test_heap_fail_at(0);
        assert_int_equal(r, failed ? -ENOMEM : 0);
        assert_true(!failed || f.code == CODE_INTERNAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),         cmocka_unit_test(test_no_kernel),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_same_name_in_both_roles),
        cmocka_unit_test(test_field_lengths), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_format_sorts),  cmocka_unit_test(test_list_digest),
        cmocka_unit_test(test_read),          cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
