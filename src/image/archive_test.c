#include "image/archive.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"

/* Programs of the host are replaced by scripts in this folder, so that its own apt says nothing. */
static void make_program(const char *name, const char *script)
{
    _cleanup_free_ char *path = text_make("bin/%s", name);

    test_folder_write(path, script);
    assert_int_equal(chmod(path, 0755), 0);
}

struct expectation {
    const char *snapshot, *mirror, *apt, *builder; /* NULL: not set, or says nothing */
    const char *main, *security;                   /* NULL: refused */
};

static void set(const char *variable, const char *value)
{
    if (value)
        assert_int_equal(setenv(variable, value, 1), 0);
    else
        assert_int_equal(unsetenv(variable), 0);
}

static void say(const char *program, const char *text, int status)
{
    _cleanup_free_ char *script =
        text_make("#!/bin/sh\ncat <<'END'\n%s\nEND\nexit %d\n", text ? text : "nothing", status);

    make_program(program, script);
}

static const struct expectation cases[] = {
    { NULL, NULL, NULL, NULL, NULL, NULL },
    { NULL, "http://m/{archive}", NULL, NULL, "http://m/debian", "http://m/debian-security" },
    { NULL, "http://m/{archive}/", NULL, NULL, "http://m/debian", "http://m/debian-security" },
    { NULL, "http://m/{archive}/now/", NULL, NULL, "http://m/debian/now",
      "http://m/debian-security/now" },
    { "http://s/{archive}/2026", "http://m/{archive}", NULL, NULL, "http://s/debian/2026",
      "http://s/debian-security/2026" },
    { "http://s/main//", "http://m/{archive}", NULL, NULL, "http://s/main",
      "http://m/debian-security" },
    { "", "http://m/{archive}", NULL, NULL, "http://m/debian", "http://m/debian-security" },
    /* One address alone: the security archive comes from the next source, at last from its name. */
    { NULL, "http://m/debian", NULL, NULL, "http://m/debian", "http://m/debian-security" },
    { NULL, "http://m/x", "http://a/debian-security/", NULL, "http://m/x",
      "http://a/debian-security" },
    /* The host's apt, then the builder's default. */
    { NULL, NULL, "http://a/debian/\nhttp://a/debian-security/", "http://b/debian",
      "http://a/debian", "http://a/debian-security" },
    { NULL, NULL, "http://a/ubuntu/\nhttps://a/debian\nhttp://z/debian", NULL, "https://a/debian",
      "https://a/debian-security" },
    { NULL, NULL, "http://a/ubuntu/",
      "deb http://b/debian trixie main\ndeb http://c/debian-security x-security main",
      "http://b/debian", "http://c/debian-security" },
    { NULL, NULL, "http://debian\nhttp:/debianx\nhttp\n/debian", NULL, "http://debian",
      "http://debian-security" },
};

static void test_precedence(void **state)
{
    _cleanup_free_ char *path = text_make("%s/bin:/usr/bin:/bin", test_folder_path());

    (void)state;
    set("PATH", path);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_archives_ struct archives archives = ARCHIVES_INIT;
        struct failure f = FAILURE_NONE;
        int r;

        set("BROCH_SNAPSHOT", cases[i].snapshot);
        set("BROCH_MIRROR", cases[i].mirror);
        say("apt-get", cases[i].apt, 0);
        say("mmdebstrap", cases[i].builder, 1); /* it is stopped, so it fails */
        r = archives_find(&archives, &f);
        if (!cases[i].main) {
            assert_int_equal(r, -EINVAL);
            assert_int_equal(f.code, CODE_DOWNLOAD);
            assert_non_null(strstr(f.text, "BROCH_MIRROR"));
            assert_null(archives.base[0]);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(archives.base[LOCK_ARCHIVE_MAIN], cases[i].main);
        assert_string_equal(archives.base[LOCK_ARCHIVE_SECURITY], cases[i].security);
    }
    set("BROCH_SNAPSHOT", NULL);
    set("BROCH_MIRROR", NULL);
}

static void test_no_programs(void **state)
{
    _cleanup_archives_ struct archives archives = ARCHIVES_INIT;
    _cleanup_free_ char *former = strdup(getenv("PATH"));
    struct failure f = FAILURE_NONE;

    (void)state;
    set("PATH", "/nowhere");
    assert_int_equal(archives_find(&archives, &f), -EINVAL);
    set("PATH", former);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_no_programs),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
