#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "org/record.h"

static void every_kind_has_its_scope(void **state)
{
    assert_int_equal(record_scope(RECORD_MEMBER), RECORD_SCOPE_ROSTER);
    assert_int_equal(record_scope(RECORD_ADMIN), RECORD_SCOPE_ROOT);
    assert_int_equal(record_scope(RECORD_ROLLOUT), RECORD_SCOPE_RELEASE);
    assert_int_equal(record_scope(RECORD_FAILED_VERSION), RECORD_SCOPE_RELEASE);
    assert_int_equal(record_scope(RECORD_EXCLUSIVE_OWNER), RECORD_SCOPE_WORK);
    assert_int_equal(record_scope(RECORD_INVITE_USED), RECORD_SCOPE_ROSTER);
    assert_int_equal(record_scope(RECORD_DOCUMENT), RECORD_SCOPE_CONFIG);
    assert_int_equal(record_scope(RECORD_SEALED), RECORD_SCOPE_CONFIG);
}

/* What nodes say about themselves, and what only a later version knows, an admin may not write. */
static void the_rest_is_the_roots(void **state)
{
    assert_int_equal(record_scope(RECORD_VERDICT), RECORD_SCOPE_ROOT);
    assert_int_equal(record_scope(RECORD_SHARE_SET), RECORD_SCOPE_ROOT);
    assert_int_equal(record_scope(0), RECORD_SCOPE_ROOT);
    assert_int_equal(record_scope(RECORD_MAX_), RECORD_SCOPE_ROOT);
    assert_int_equal(record_scope(UINT16_MAX), RECORD_SCOPE_ROOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_scope),
        cmocka_unit_test(the_rest_is_the_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
