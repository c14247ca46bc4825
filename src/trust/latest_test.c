#include "trust/latest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "broch latest 1\n"

static int parse(const char *text, struct latest *ret, struct failure *f)
{
    return latest_parse("latest", text, strlen(text), ret, f);
}

static void test_round_trip(void **state)
{
    static const char text[] = HEAD "core-min x86_64 v1.0.0\nnode aarch64 v0.1.9\n"
                                    "node x86_64 v0.20.3\n";
    _cleanup_text_ struct text again = TEXT_INIT;
    char folder[LATEST_FOLDER_SIZE];
    const struct latest_line *line;
    struct failure f = FAILURE_NONE;
    struct latest latest;

    (void)state;
    assert_int_equal(parse(text, &latest, &f), 0);
    latest_format(&latest, &again);
    assert_string_equal(text_string(&again), text);
    line = latest_find(&latest, "node", "x86_64");
    assert_non_null(line);
    latest_folder(line, folder);
    assert_string_equal(folder, "broch-v0.20.3-node-x86_64");
    assert_null(latest_find(&latest, "node", "riscv64"));
    assert_null(latest_find(&latest, "edge", "x86_64"));
    assert_int_equal(parse(HEAD, &latest, &f), 0);
    assert_int_equal(latest.count, 0);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "broch latest 1",
        "broch latest 2\n",
        HEAD "node x86_64 v0.1.0",
        HEAD "\n",
        HEAD "node x86_64\n",
        HEAD "node x86_64 v0.1.0 more\n",
        HEAD "node  x86_64 v0.1.0\n",
        HEAD " node x86_64 v0.1.0\n",
        HEAD "node x86_64 0.1.0\n",
        HEAD "node x86_64 v0.1\n",
        HEAD "node x86_64 v\n",
        HEAD "node x86_64 \n",
        HEAD "../node x86_64 v0.1.0\n",
        HEAD "node x86/64 v0.1.0\n",
        HEAD "-node x86_64 v0.1.0\n",
        HEAD "Node x86_64 v0.1.0\n",
        HEAD "node%2f x86_64 v0.1.0\n",
        HEAD "node x86_64 v0.1.0\r\n",
        HEAD "node x86_64 v0.1.0\nnode x86_64 v0.2.0\n",
        HEAD "nodenodenodenodenodenodenodenoden x86_64 v0.1.0\n",
    };
    struct latest latest = { .count = 99 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct failure f = FAILURE_NONE;

        if (parse(texts[i], &latest, &f) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(f.code, CODE_SYNTAX);
        assert_int_equal(latest.count, 99);
    }
}

static struct latest_line make_line(const char *profile, uint32_t number)
{
    struct latest_line line = { .arch = "x86_64", .version = { .numbers = { 0, number, 0 } } };

    (void)snprintf(line.profile, sizeof(line.profile), "%s", profile);
    return line;
}

static void test_put(void **state)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct latest latest = { .count = 0 };
    struct latest_line line = make_line("node", 1);

    (void)state;
    assert_int_equal(latest_put(&latest, &line), 0);
    line = make_line("edge", 7);
    assert_int_equal(latest_put(&latest, &line), 0);
    line = make_line("node", 2);
    assert_int_equal(latest_put(&latest, &line), 0);
    latest_format(&latest, &text);
    assert_string_equal(text_string(&text), HEAD "edge x86_64 v0.7.0\nnode x86_64 v0.2.0\n");
    line = make_line("no/de", 1);
    assert_int_equal(latest_put(&latest, &line), -EBADMSG);
    line = make_line("", 1);
    assert_int_equal(latest_put(&latest, &line), -EBADMSG);
}

static void test_limits(void **state)
{
    struct latest latest = { .count = 0 }, again;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    char name[LATEST_WORD_MAX + 1];
    struct latest_line line;

    (void)state;
    for (unsigned i = 0; i < LATEST_LINES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "profile-%u", i);
        line = make_line(name, i);
        assert_int_equal(latest_put(&latest, &line), 0);
    }
    line = make_line("one-more", 0);
    assert_int_equal(latest_put(&latest, &line), -ERANGE);
    latest_format(&latest, &text);
    assert_int_equal(parse(text_string(&text), &again, &f), 0);
    assert_int_equal(again.count, LATEST_LINES_MAX);
    text_add(&text, "one-more x86_64 v0.1.0\n");
    assert_int_equal(parse(text_string(&text), &again, &f), -EBADMSG);
}

/* No index of another form is accepted, wherever it is cut. */
static void test_cut(void **state)
{
    static const char text[] = HEAD "node x86_64 v0.1.0\n";
    struct latest latest;

    (void)state;
    for (size_t size = 0; size < strlen(text); size++) {
        struct failure f = FAILURE_NONE;
        int r = latest_parse("latest", text, size, &latest, &f);

        assert_int_equal(r, size == strlen(HEAD) ? 0 : -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_put),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
