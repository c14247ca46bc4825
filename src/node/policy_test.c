/* Against files: the kernel's part is tests/vm/confine_test.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "node/policy.h"
#include "sys/file.h"

static void test_load(void **state)
{
    char folder[] = "/tmp/broch-policy-XXXXXX";
    _cleanup_free_ char *from = NULL, *to = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    assert_non_null(mkdtemp(folder));
    from = text_make("%s/policy", folder);
    to = text_make("%s/load", folder);
    assert_int_equal(policy_load(from, to, &f), -ENOENT);
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(file_write(from, "a\0b", 3, 0600, &f), 0);
    assert_int_equal(policy_load(from, to, &f), -ENOENT); /* a kernel without AppArmor */
    assert_int_equal(f.code, CODE_POLICY);
    assert_int_equal(file_write(to, "", 0, 0600, &f), 0);
    assert_int_equal(policy_load(from, to, &f), 0);
    assert_int_equal(file_read(to, 16, &bytes, &size, &f), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "a\0b", 3);
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_load) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
