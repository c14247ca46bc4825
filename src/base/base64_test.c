#include "base/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* RFC 4648, section 10. */
static const struct {
    const char *bytes, *text;
} vectors[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xff\xff\xfe", "///+" },
};

static void test_vectors(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        size_t size = strlen(vectors[i].bytes), got = 99;
        uint8_t bytes[8] = { 0 };
        char text[16];

        base64_encode((const uint8_t *)vectors[i].bytes, size, text);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(strlen(text), BASE64_LENGTH(size));
        assert_int_equal(base64_decode(text, strlen(text), bytes, size, &got), 0);
        assert_int_equal(got, size);
        assert_memory_equal(bytes, vectors[i].bytes, size);
        if (size > 0)
            assert_int_equal(base64_decode(text, strlen(text), bytes, size - 1, &got), -ERANGE);
    }
}

static void test_refused(void **unused)
{
    static const char *const texts[] = { "Z",    "Zg",   "Zg=",      "Zh==",   "Zm9=",
                                         "====", "Z===", "Zg==Zg==", "Zm9v\n", " Zm9v",
                                         "Zm-v", "Zm_v", "=m9v",     "Zm=v" };
    uint8_t bytes[16];
    size_t size = 0;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(base64_decode(texts[i], strlen(texts[i]), bytes, sizeof(bytes), &size),
                         -EBADMSG);
    assert_int_equal(size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
