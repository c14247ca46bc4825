#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/clock_floor.h"
#include "sys/file.h"

static void test_parse(void **state)
{
    static const char good[] = "ID=broch\nBROCH_BUILD_DATE=1760000000\n";
    static const char *const bad[] = { "",
                                       "ID=broch\n",
                                       "BROCH_BUILD_DATE=\n",
                                       "BROCH_BUILD_DATE=-1\n",
                                       "BROCH_BUILD_DATE=4294967296\n",
                                       "BROCH_BUILD_DATE=17x\n" };
    struct failure f = FAILURE_NONE;
    uint64_t floor_s = 0;

    (void)state;
    assert_int_equal(clock_floor_parse(good, strlen(good), &floor_s, &f), 0);
    assert_int_equal(floor_s, 1760000000);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(clock_floor_parse(bad[i], strlen(bad[i]), &floor_s, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_CLOCK);
        assert_int_equal(floor_s, 1760000000);
    }
}

/* A clock that is right is left alone. A wrong one is the VM test's: setting it needs root. */
static void test_good_clock(void **state)
{
    static const char text[] = "BROCH_BUILD_DATE=1000000000\n"; /* 2001 */
    char path[] = "/tmp/broch-floor-XXXXXX";
    struct failure f = FAILURE_NONE;
    bool raised = true;
    int fd = mkostemp(path, O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(file_write(path, text, strlen(text), 0600, &f), 0);
    assert_int_equal(clock_floor_raise(path, &raised, &f), 0);
    assert_false(raised);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(clock_floor_raise(path, &raised, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_good_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
