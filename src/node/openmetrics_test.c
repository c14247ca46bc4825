#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/openmetrics.h"

static void test_writing(void **state)
{
    static const char expected[] = "# TYPE a_bytes gauge\n"
                                   "# UNIT a_bytes bytes\n"
                                   "# HELP a_bytes Room.\n"
                                   "a_bytes 7\n"
                                   "a_bytes{x=\"\\\"\\\\\\n??\",y=\"\"} 1.050\n"
                                   "# EOF\n";
    const struct openmetrics_label labels[] = { { "x", "\"\\\n\x1b\xc3" }, { "y", "" } };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    openmetrics_family(&t, "a_bytes", "gauge", "bytes", "Room.");
    openmetrics_sample(&t, "a_bytes", NULL, 0, 7, 0);
    openmetrics_sample(&t, "a_bytes", labels, ARRAY_SIZE(labels), 1050, 3);
    openmetrics_end(&t);
    assert_string_equal(text_string(&t), expected);
}

static void test_taking(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "# anything\n\n", "" },
        { "a 1\n", "# TYPE a unknown\na 1\n" },
        { "# TYPE a gauge\na{b=\"c\"} -1.5e3\na{b=\"d\",} +Inf\n",
          "# TYPE a gauge\na{b=\"c\"} -1.5e3\na{b=\"d\",} +Inf\n" },
        /* The older form: HELP first, a counter with its suffix in the TYPE line. */
        { "# HELP b_total Some \\\\ text.\n# TYPE b_total counter\nb_total 3\n",
          "# TYPE b counter\n# HELP b Some \\\\ text.\nb_total 3\n" },
        { "# TYPE b counter\n# HELP b Text.\nb_total 3\nb_created 1.5\n# EOF\nrubbish",
          "# TYPE b counter\n# HELP b Text.\nb_total 3\nb_created 1.5\n" },
        { "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n",
          "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n" },
        { "# TYPE s untyped\ns{x=\"a\\\"}b\\n\"} NaN\n",
          "# TYPE s unknown\ns{x=\"a\\\"}b\\n\"} NaN\n" },
        /* A type that no sample follows says nothing. */
        { "# TYPE a gauge\nb 1\n", "# TYPE b unknown\nb 1\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static struct openmetrics_names names;
        _cleanup_text_ struct text t = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        names.count = 0;
        assert_int_equal(openmetrics_take(cases[i][0], strlen(cases[i][0]), &names, &t, &f), 0);
        assert_string_equal(text_string(&t), cases[i][1]);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "a\n",
        "a b\n",
        "1a 1\n",
        "a 1 1395066363000\n", /* a time */
        "a  \n",
        "a 1.\x01\n",
        "a 0x1\n",
        "a .\n",
        "a 1e\n",
        "a -\n",
        "a{ 1\n",
        "a{} \n",
        "a{b} 1\n",
        "a{b=c} 1\n",
        "a{b=\"c} 1\n",
        "a{b=\"\\x\"} 1\n",
        "a{b=\"c\"d=\"e\"} 1\n",
        "a{1=\"c\"} 1\n",
        "a{b=\"c\"}1\n",
        "a 1\na 2\n",
        "a{b=\"c\"} 1\na{b=\"c\"} 1\n",
        "a 1\nb 1\na{x=\"y\"} 2\n", /* not together */
        "# TYPE a gauge\na 1\n# TYPE a gauge\n",
        "# TYPE a colour\n",
        "# TYPE 1 gauge\n",
        "# TYPE a\n",
        "broch_ready 1\n",
        "# TYPE broch_x gauge\n",
        "there 1\n",
        "<html>\n",
        "a 1", /* half written */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static struct openmetrics_names names;
        _cleanup_text_ struct text t = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        names.count = 1;
        (void)snprintf(names.list[0], OPENMETRICS_NAME_SIZE, "there");
        if (openmetrics_take(cases[i], strlen(cases[i]), &names, &t, &f) != -EBADMSG)
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(f.code, CODE_METRICS);
        assert_int_equal(strncmp(f.text, "line ", 5), 0);
        assert_int_equal(names.count, 1);
        assert_int_equal(t.length, 0);
    }
}

static void test_limits(void **state)
{
    static struct openmetrics_names names;
    _cleanup_text_ struct text samples = TEXT_INIT, families = TEXT_INIT, t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    for (unsigned i = 0; i <= OPENMETRICS_SAMPLES_MAX; i++)
        text_addf(&samples, "a{b=\"%u\"} 1\n", i);
    assert_int_equal(openmetrics_take(samples.data, samples.length, &names, &t, &f), -ERANGE);
    for (unsigned i = 0; i <= OPENMETRICS_FAMILIES_MAX; i++)
        text_addf(&families, "a%u 1\n", i);
    assert_int_equal(openmetrics_take(families.data, families.length, &names, &t, &f), -ERANGE);
    assert_int_equal(names.count, 0);
    assert_int_equal(t.length, 0);
}

/* Cut anywhere and with any bit turned: never more than a refusal. */
static void test_damage(void **state)
{
    static const char whole[] = "# HELP b_total T.\n# TYPE b_total counter\nb_total{x=\"\\n\"} 3\n";
    static struct openmetrics_names names;

    (void)state;
    for (size_t i = 0; i < sizeof(whole) - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            _cleanup_text_ struct text t = TEXT_INIT;
            char bytes[sizeof(whole)];
            struct failure f = FAILURE_NONE;

            int r;

            memcpy(bytes, whole, sizeof(whole));
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            names.count = 0;
            r = openmetrics_take(bytes, sizeof(whole) - 1, &names, &t, &f);
            assert_true(r == 0 || f.code == CODE_METRICS);
            names.count = 0;
            r = openmetrics_take(whole, i, &names, &t, &f);
            assert_true(r == 0 || f.code == CODE_METRICS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing), cmocka_unit_test(test_taking),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
