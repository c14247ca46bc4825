#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "work/snapshot.h"

static struct snapshot one, two;

static void make_example(struct snapshot *ret)
{
    static const struct snapshot_service services[] = {
        { .name = "clock",
          .description = "Sets the clock",
          .state = SNAPSHOT_DONE,
          .required = true,
          .since_us = 1200000,
          .last_end = SNAPSHOT_END_EXIT },
        { .name = "ssh",
          .description = "Logins \"from\" afar",
          .state = SNAPSHOT_FAILED,
          .local = true,
          .since_us = UINT64_C(1) << 60,
          .restarts = 13,
          .pid = 4711,
          .last_end = SNAPSHOT_END_SIGNAL,
          .last_code = 9,
          .reason = "died 13 times",
          .lines = { "one", "zwei: \xc3\xb6" },
          .line_count = 2 },
    };

    *ret = (struct snapshot){ .written_us = 77, .ready = true, .count = ARRAY_SIZE(services) };
    memcpy(ret->services, services, sizeof(services));
}

static void test_states(void **state)
{
    for (size_t i = 0; i < SNAPSHOT_STATE_MAX_; i++)
        assert_true(snapshot_state_name((enum snapshot_state)i)[0] != '\0');
    assert_true(snapshot_state_satisfies(SNAPSHOT_READY));
    assert_true(snapshot_state_satisfies(SNAPSHOT_DONE));
    assert_true(snapshot_state_satisfies(SNAPSHOT_OFF));
    assert_false(snapshot_state_satisfies(SNAPSHOT_UP));
    assert_false(snapshot_state_satisfies(SNAPSHOT_FAILED));
}

static void test_round_trip(void **state)
{
    _cleanup_text_ struct text first = TEXT_INIT, second = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    make_example(&one);
    snapshot_add_json(&one, &first);
    assert_int_equal(text_status(&first), 0);
    assert_int_equal(snapshot_parse(text_string(&first), first.length, &two, &f), 0);
    assert_int_equal(two.count, 2);
    assert_int_equal(two.services[1].state, SNAPSHOT_FAILED);
    assert_int_equal(two.services[1].last_end, SNAPSHOT_END_SIGNAL);
    assert_int_equal(two.services[1].last_code, 9);
    assert_int_equal(two.services[1].pid, 4711);
    assert_int_equal(two.services[0].pid, 0);
    assert_string_equal(two.services[1].lines[1], "zwei: \xc3\xb6");
    snapshot_add_json(&two, &second);
    assert_string_equal(text_string(&first), text_string(&second));
    assert_ptr_equal(snapshot_find(&two, "ssh"), &two.services[1]);
    assert_null(snapshot_find(&two, "nobody"));
}

static void test_file(void **state)
{
    char folder[] = "/tmp/snapshot-XXXXXX", path[64];
    struct failure f = FAILURE_NONE;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/services.json", folder);
    assert_int_equal(snapshot_read(path, &two, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SNAPSHOT);
    make_example(&one);
    assert_int_equal(snapshot_write(path, &one, &f), 0);
    assert_int_equal(snapshot_read(path, &two, &f), 0);
    assert_int_equal(two.count, 2);
    assert_int_equal(file_write(path, "{", 1, 0644, &f), 0);
    assert_int_equal(snapshot_read(path, &two, &f), -EBADMSG);
    assert_non_null(strstr(f.text, path));
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

/* Each line is a file that lacks something or has something else in its place. */
static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2,\"written_us\":1,\"ready\":true,\"services\":[]}",
        "{\"version\":1,\"ready\":true,\"services\":[]}",
        "{\"version\":1,\"written_us\":1,\"services\":[]}",
        "{\"version\":1,\"written_us\":1,\"ready\":true,\"services\":{}}",
        "{\"version\":1,\"written_us\":1,\"ready\":true,\"services\":[7]}",
        "{\"version\":1,\"written_us\":1,\"ready\":true,\"services\":[{\"name\":\"x\"}]}",
    };
    struct failure f = FAILURE_NONE;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(snapshot_parse(bad[i], strlen(bad[i]), &two, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SNAPSHOT);
    }
}

/* A file cut anywhere is refused; with any byte changed it is refused or is still one. */
static void test_damage(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    _cleanup_free_ char *bytes = NULL;
    size_t length;

    make_example(&one);
    snapshot_add_json(&one, &t);
    length = t.length;
    bytes = text_take(&t);
    assert_non_null(bytes);
    for (size_t cut = 0; cut + 1 < length; cut++)
        assert_int_equal(snapshot_parse(bytes, cut, &two, &f), -EBADMSG);
    for (size_t i = 0; i < length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            if (snapshot_parse(bytes, length, &two, &f) == 0)
                assert_true(two.count <= SNAPSHOT_SERVICES_MAX);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    }
}

static void test_text_from_outside(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "plain", "plain" },
        { "tab\tbell\a\x7f", "tab bell  " },
        { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
        { "\xe2\x82\xac\xf0\x9f\x8f\xb0", "\xe2\x82\xac\xf0\x9f\x8f\xb0" },
        { "\xff"
          "a\xc3",
          "?a?" },
        { "\xc0\xaf", "??" },           /* overlong */
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* beyond the last character */
        { "\xe2\x82x", "??x" },
    };
    char field[32], small[4];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snapshot_set_text(field, sizeof(field), cases[i].from, strlen(cases[i].from));
        assert_string_equal(field, cases[i].to);
    }
    snapshot_set_text(small, sizeof(small), "abcdef", 6);
    assert_string_equal(small, "abc");
    snapshot_set_text(small, sizeof(small), "ab\xc3\xa9", 4); /* cut between characters */
    assert_string_equal(small, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_file),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_text_from_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
