#include "image/resolve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/file.h"

#define HASH "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define VALID                                                                                      \
    "'http://m/debian/pool/main/a/apt/apt_3.0_amd64.deb' apt_3.0_amd64.deb 17 SHA256:" HASH

static const char *const bases[2] = { "http://m/debian", "http://m/debian-security" };

static void test_valid(void **state)
{
    static const struct {
        const char *line;
        enum lock_archive archive;
        const char *name, *version, *arch, *path;
        unsigned size;
    } cases[] = {
        { VALID, LOCK_ARCHIVE_MAIN, "apt", "3.0", "amd64", "pool/main/a/apt/apt_3.0_amd64.deb",
          17 },
        { "'http://m/debian-security/p/x_1%3a2.0-1_all.deb' x_1%3a2.0-1_all.deb 0 SHA256:" HASH,
          LOCK_ARCHIVE_SECURITY, "x", "1:2.0-1", "all", "p/x_1%3a2.0-1_all.deb", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lock_package package;
        char digits[DIGEST_TEXT_SIZE];

        assert_int_equal(resolve_parse_line(cases[i].line, strlen(cases[i].line), bases, &package),
                         0);
        assert_int_equal(package.role, LOCK_ROLE_SYSTEM);
        assert_int_equal(package.archive, cases[i].archive);
        assert_string_equal(package.name, cases[i].name);
        assert_string_equal(package.version, cases[i].version);
        assert_string_equal(package.arch, cases[i].arch);
        assert_string_equal(package.path, cases[i].path);
        assert_int_equal(package.size, cases[i].size);
        assert_string_equal(digest_text(&package.digest, digits), HASH);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "'http", "http" },
        { "deb' ", "deb'" },
        { ".deb' apt", ".deb apt" },
        { "http://m/debian/", "http://n/debian/" }, /* neither archive */
        { "http://m/debian/", "http://m/debianother/" },
        { "pool/main/a/apt/apt_3.0_amd64.deb'", "'" }, /* the archive itself */
        { " apt_3.0_amd64.deb 17", " apt_3.0_amd64.udeb 17" },
        { " apt_3.0_amd64.deb 17", " .deb 17" },
        { " apt_3.0_amd64.deb 17", " apt_3.0.deb 17" },
        { " apt_3.0_amd64.deb 17", " _3.0_amd64.deb 17" },
        { " apt_3.0_amd64.deb 17", " apt__amd64.deb 17" },
        { " apt_3.0_amd64.deb 17", " apt_3.0_.deb 17" },
        { " apt_3.0_amd64.deb 17", " apt_\t_amd64.deb 17" },
        { " apt_3.0_amd64.deb 17", " apt_3.0_\303\244.deb 17" },
        { "SHA256:a", "SHA256:A" },
        { " 17 ", " -17 " },
        { " 17 ", " 017 " },
        { " 17 ", " 1073741825 " },
        { " 17 ", "  " },
        { " 17 ", " " },
        { "SHA256:", "SHA512:" },
        { "SHA256:", "SHA256:a" },
        { "SHA256:a", "SHA256:" },
        { "SHA256:a", "SHA256:g" },
        { "SHA256:" HASH, "" },
    };
    struct lock_package package = { .size = 77 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *at = strstr(VALID, cases[i].from);
        _cleanup_free_ char *line = NULL;

        assert_non_null(at);
        line = text_make("%.*s%s%s", (int)(at - VALID), VALID, cases[i].to,
                         at + strlen(cases[i].from));
        if (resolve_parse_line(line, strlen(line), bases, &package) != -EBADMSG)
            fail_msg("accepted: %s", line);
    }
    for (size_t size = 0; size < strlen(VALID); size++) {
        _cleanup_free_ char *cut = malloc(size + 1); /* so that a reader beyond the end is seen */

        memcpy(cut, VALID, size);
        assert_int_equal(resolve_parse_line(cut, size, bases, &package), -EBADMSG);
    }
    for (size_t at = 0; at < strlen(VALID); at++) {
        char bytes[] = VALID; /* a zero byte does not end a field */

        bytes[at] = '\0';
        assert_int_equal(resolve_parse_line(bytes, strlen(VALID), bases, &package), -EBADMSG);
    }
    assert_int_equal(package.size, 77);
}

static void test_long_fields(void **state)
{
    struct lock_package package;

    (void)state;
    for (size_t length = LOCK_FIELD_MAX - 1; length <= LOCK_FIELD_MAX; length++) {
        char name[LOCK_FIELD_MAX + 1];
        _cleanup_free_ char *line = NULL;

        memset(name, 'n', length);
        name[length] = '\0';
        line = text_make("'http://m/debian/p' %s_1_all.deb 1 SHA256:" HASH, name);
        assert_int_equal(resolve_parse_line(line, strlen(line), bases, &package),
                         length < LOCK_FIELD_MAX ? 0 : -EBADMSG);
    }
}

/* --- The whole way, with a script in apt's place --- */

static void say(const char *essential, const char *kernel, int update, int install)
{
    _cleanup_free_ char *script = text_make("#!/bin/sh\n"
                                            "echo \"$*\" >> %s/calls\n"
                                            "case \"$*\" in\n"
                                            "*update) exit %d ;;\n"
                                            "*linux-image-amd64) cat <<'END'\n%sEND\n;;\n"
                                            "*) cat <<'END'\n%sEND\nexit %d ;;\nesac\n",
                                            test_folder_path(), update, kernel, essential, install);

    test_folder_write("bin/apt-get", script);
    assert_int_equal(chmod("bin/apt-get", 0755), 0);
    (void)unlink("calls");
}

#define KERNEL                                                                                     \
    "'http://m/debian-security/l/linux-image-6.12_6_amd64.deb' linux-image-6.12_6_amd64.deb 5 "    \
    "SHA256:" HASH "\n"
#define LINUX_BASE                                                                                 \
    "'http://m/debian/l/linux-base_4_all.deb' linux-base_4_all.deb 5 SHA256:" HASH "\n"
#define METAPACKAGE                                                                                \
    "'http://m/debian/l/linux-image-amd64_6_amd64.deb' linux-image-amd64_6_amd64.deb 5 "           \
    "SHA256:" HASH "\n"

static int resolve(const char *kernel, struct lock *ret, struct failure *f)
{
    static const char *const packages[] = { "bash", "s6" };

    return resolve_packages(packages, ARRAY_SIZE(packages), kernel, 1234, ret, f);
}

static int enter(void **state)
{
    _cleanup_free_ char *path = NULL;

    if (test_folder_enter(state) < 0)
        return -1;
    path = text_make("%s/bin:%s", test_folder_path(), getenv("PATH"));
    return setenv("PATH", path, 1) == 0 ? setenv("BROCH_MIRROR", "http://m/{archive}", 1) : -1;
}

static void test_resolve(void **state)
{
    static const char *const packages[] = { "bash", "s6" };
    _cleanup_lock_ struct lock lock = LOCK_INIT, bare = LOCK_INIT;
    _cleanup_free_ char *calls = NULL, *sources = NULL;
    const struct digest list = lock_list_digest(packages, 2, "debian");
    struct failure f = FAILURE_NONE;

    (void)state;
    say(VALID "\n", METAPACKAGE LINUX_BASE KERNEL, 0, 0);
    assert_int_equal(resolve("debian", &lock, &f), 0);
    assert_int_equal(lock.date, 1234);
    assert_memory_equal(&lock.list, &list, sizeof(list));
    assert_int_equal(lock.package_count, 2);
    assert_string_equal(lock_kernel(&lock)->name, "linux-image-6.12");
    calls = test_folder_read("calls");
    assert_non_null(strstr(calls, "?essential bash s6\n")); /* in the order of the list */
    sources = test_folder_read("cache/apt/sources.list");
    assert_non_null(strstr(sources, "] http://m/debian trixie main\n"));
    assert_non_null(strstr(sources, "] http://m/debian-security trixie-security main\n"));
    assert_int_equal(resolve("none", &bare, &f), 0);
    assert_int_equal(bare.package_count, 1);
    assert_null(lock_kernel(&bare));
}

static void test_resolve_fails(void **state)
{
    static const struct {
        const char *essential, *kernel;
        int update, install;
        enum code code;
    } cases[] = {
        { VALID "\n", KERNEL, 100, 0, CODE_DOWNLOAD },
        { VALID "\n", KERNEL, 0, 100, CODE_SCHEMA },
        { "surprise\n", KERNEL, 0, 0, CODE_SYNTAX },
        { VALID "\n", LINUX_BASE METAPACKAGE, 0, 0, CODE_SCHEMA }, /* no kernel */
        { VALID "\n", KERNEL KERNEL, 0, 0, CODE_SCHEMA },          /* two */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lock lock = LOCK_INIT;
        struct failure f = FAILURE_NONE;

        say(cases[i].essential, cases[i].kernel, cases[i].update, cases[i].install);
        assert_true(resolve("debian", &lock, &f) < 0);
        if (f.code != cases[i].code)
            fail_msg("case %zu: %s", i, f.text);
        assert_null(lock.packages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_fields),   cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_resolve_fails),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
