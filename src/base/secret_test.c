#include "base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool is_zero(const struct secret *s)
{
    static const struct secret zero;

    return memcmp(s, &zero, sizeof(zero)) == 0;
}

static void test_set(void **unused)
{
    uint8_t bytes[SECRET_SIZE_MAX + 1];
    struct secret s = SECRET_INIT;

    (void)unused;
    memset(bytes, 7, sizeof(bytes));
    assert_int_equal(secret_set(&s, bytes, SECRET_SIZE_MAX), 0);
    assert_int_equal(s.size, SECRET_SIZE_MAX);
    assert_memory_equal(s.bytes, bytes, SECRET_SIZE_MAX);
    assert_int_equal(secret_set(&s, "ab", 2), 0);
    assert_int_equal(s.size, 2);
    assert_int_equal(s.bytes[2], 0); /* nothing of the former one is left */
    assert_int_equal(s.bytes[SECRET_SIZE_MAX - 1], 0);
    assert_int_equal(secret_set(&s, bytes, sizeof(bytes)), -ERANGE);
    assert_true(is_zero(&s));
    assert_int_equal(secret_set(&s, NULL, 0), 0);
    assert_int_equal(s.size, 0);
}

static void test_wipe(void **unused)
{
    struct secret s;

    (void)unused;
    memset(&s, 0xaa, sizeof(s));
    s.size = 3; /* bytes behind the size are wiped, too */
    secret_wipe(&s);
    assert_true(is_zero(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
