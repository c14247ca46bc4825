#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "node/sysctl.h"
#include "sys/file.h"

static void test_good_lines(void **state)
{
    static const struct {
        const char *line, *name, *value;
        bool optional;
    } cases[] = {
        { "kernel/kptr_restrict = 2 # no addresses", "kernel/kptr_restrict", "2" },
        { "net/ipv4/conf/all/rp_filter=1#x", "net/ipv4/conf/all/rp_filter", "1" },
        { "kernel/core_pattern = |/usr/lib/broch/core %P %u  # ours", "kernel/core_pattern",
          "|/usr/lib/broch/core %P %u" },
        { "net/ipv4/conf/eth0.1/x = 1 # a dot inside", "net/ipv4/conf/eth0.1/x", "1" },
        { "?kernel/sysrq = 16 # why", "kernel/sysrq", "16", true },
        { "? kernel/sysrq = 16 # why", "kernel/sysrq", "16", true },
    };
    struct failure f = FAILURE_NONE;
    struct sysctl s;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(sysctl_parse_line(cases[i].line, strlen(cases[i].line), &s, &f), 0);
        assert_string_equal(s.name, cases[i].name);
        assert_string_equal(s.value, cases[i].value);
        assert_int_equal(s.optional, cases[i].optional);
    }
}

static void test_bad_lines(void **state)
{
    static const char *const lines[] = {
        "",
        "kernel/x",
        "kernel/x = 1",
        "kernel/x = 1 #",
        "kernel/x = 1 #  ",
        "kernel/x = # why",
        "= 1 # why",
        "# kernel/x = 1",
        "/kernel/x = 1 # why",
        "kernel//x = 1 # why",
        "kernel/../x = 1 # why",
        "./x = 1 # why",
        "kernel/x/ = 1 # why",
        "kernel x = 1 # why",
        "?",
        "? = 1 # why",
        "??kernel/x = 1 # why",
        "kernel/x? = 1 # why",
        "kernel/x = 1\t2 # why",
    };
    struct failure f = FAILURE_NONE;
    struct sysctl s;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        assert_int_equal(sysctl_parse_line(lines[i], strlen(lines[i]), &s, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SYSCTL);
    }
}

static unsigned complaints;

static void count(const struct failure *f)
{
    assert_int_equal(f->code, CODE_SYSCTL);
    complaints++;
}

/* One line that the "kernel" lacks is a complaint, unless it may be missing; all others are set. */
static void test_set(void **state)
{
    static const char list[] = "# a comment\n\nb/c = 7 # why\nmissing = 1 # why\n"
                               "? other = 1 # why\n? a = 1 2 # why\n? b = 1 # a folder\n";
    char folder[] = "/tmp/broch-sysctl-XXXXXX";
    _cleanup_free_ char *path = NULL, *a = NULL, *b = NULL, *c = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = text_make("%s/list", folder);
    a = text_make("%s/a", folder);
    b = text_make("%s/b", folder);
    c = text_make("%s/b/c", folder);
    assert_int_equal(mkdir(b, 0700), 0);
    assert_int_equal(file_write(path, list, strlen(list), 0600, &f), 0);
    assert_int_equal(file_write(a, "", 0, 0600, &f), 0);
    assert_int_equal(file_write(c, "", 0, 0600, &f), 0);
    complaints = 0;
    assert_int_equal(sysctl_set(path, folder, count, &f), 0);
    assert_int_equal(complaints, 2);
    assert_int_equal(file_read(a, 64, &bytes, &size, &f), 0);
    assert_string_equal((const char *)bytes, "1 2");
    assert_true(sysctl_set(b, folder, count, &f) < 0); /* a folder is no list */
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
