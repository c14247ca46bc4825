#include "vm/marker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/line.h"

static const struct {
    const char *line;
    int result;
    const char *json;
} cases[] = {
    { "broch ready generation=v0.1.0-node-x86_64 slot=A us=12", 0,
      "{\"marker\":\"ready\",\"generation\":\"v0.1.0-node-x86_64\",\"slot\":\"A\",\"us\":12}" },
    { "[    3.363675] broch stage1 step=pseudo status=ok us=3337498", 0,
      "{\"marker\":\"stage1\",\"step\":\"pseudo\",\"status\":\"ok\",\"us\":3337498}" },
    { "broch stage1 detail=\"a \\\"b\\\" \\\\ c\\nd = e\" code=BR-X", 0,
      "{\"marker\":\"stage1\",\"detail\":\"a \\\"b\\\" \\\\ c\\nd = e\",\"code\":\"BR-X\"}" },
    { "broch x empty= quoted=\"\"", 0, "{\"marker\":\"x\",\"empty\":\"\",\"quoted\":\"\"}" },
    { "broch x us=banana n=007", 0, "{\"marker\":\"x\",\"us\":\"banana\",\"n\":\"007\"}" },
    { "broch x a=1  b=2 ", 0, "{\"marker\":\"x\",\"a\":\"1\",\"b\":\"2\"}" },
    { "broch login: [    8.049984] broch ready us=5", 0, "{\"marker\":\"ready\",\"us\":5}" },
    { "x[1] [ 2.5] broch ready us=5", 0, "{\"marker\":\"ready\",\"us\":5}" },
    { "x [ 2] broch ready us=5", -ENODATA, NULL },
    { "broch login: [    8.049984] usb 1-1: new", -ENODATA, NULL },
    { "", -ENODATA, NULL },
    { "hello broch ready us=1", -ENODATA, NULL },
    { "broch login: ", -ENODATA, NULL },
    { "[ 1.0]broch ready us=1", -ENODATA, NULL },
    { "[ 1.0 broch ready us=1", -ENODATA, NULL },
    { "broch ready a=1 a=2", -EBADMSG, NULL },
    { "broch ready marker=1", -EBADMSG, NULL },
    { "broch ready a=\"open", -EBADMSG, NULL },
    { "broch ready a=\"bad \\x escape\"", -EBADMSG, NULL },
    { "broch ready a=\"x\"b=1", -EBADMSG, NULL },
    { "broch ready word a=1", -EBADMSG, NULL },
    { "broch ready =1", -EBADMSG, NULL },
    { "broch Ready a=1", -EBADMSG, NULL },
    { "broch a=1", -EBADMSG, NULL },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_object *object = NULL;

        assert_int_equal(marker_parse(cases[i].line, &object), cases[i].result);
        if (cases[i].result < 0) {
            assert_null(object);
            continue;
        }
        assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                            cases[i].json);
        json_object_put(object);
    }
}

/* What our own programs write comes back as it was, whatever the value. */
static void test_round_trip(void **state)
{
    static const char *const values[] = { "plain",     "",    "two words", "q\"uote", "back\\slash",
                                          "new\nline", "a=b", "-._:/@+,",  "\\n",     "\"" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char buffer[256];
        struct line line = line_make(buffer, sizeof(buffer));
        json_object *object = NULL, *value;

        line_add(&line, "broch test");
        line_add_pair(&line, "key", values[i]);
        line_add_number(&line, "us", 5);
        assert_int_equal(marker_parse(buffer, &object), 0);
        assert_true(json_object_object_get_ex(object, "key", &value));
        assert_string_equal(json_object_get_string(value), values[i]);
        json_object_put(object);
    }
}

static void test_too_many_pairs(void **state)
{
    char buffer[2048];
    struct line line = line_make(buffer, sizeof(buffer));
    json_object *object = NULL;

    (void)state;
    line_add(&line, "broch test");
    for (int i = 0; i <= MARKER_PAIRS_MAX; i++)
        line_addf(&line, " k%d=1", i);
    assert_int_equal(marker_parse(buffer, &object), -EBADMSG);
}

/* No cut and no flipped bit may do more than be refused. */
static void test_damage(void **state)
{
    static const char good[] = "[ 1.0] broch stage1 step=slot detail=\"a \\\"b\\\"\" us=1";

    (void)state;
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        for (int bit = 0; bit < 9; bit++) {
            char damaged[sizeof(good)];
            json_object *object = NULL;

            memcpy(damaged, good, sizeof(good));
            damaged[i] = bit == 8 ? '\0' : (char)(damaged[i] ^ (1 << bit));
            if (marker_parse(damaged, &object) == 0)
                assert_non_null(object);
            json_object_put(object);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_too_many_pairs),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
