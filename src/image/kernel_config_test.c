#include "image/kernel_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

static const char resolved[] = "# Linux/x86 6.12 Kernel Configuration\n"
                               "CONFIG_DM_VERITY=y\n"
                               "CONFIG_DM_VERITY_FEC=m\n"
                               "# CONFIG_MODULES is not set\n"
                               "CONFIG_PANIC_TIMEOUT=5\n"
                               "CONFIG_LSM=\"lockdown,yama\"\n"
                               "CONFIG_EMPTY=\"\"\n";

static void test_in_force(void **state)
{
    static const char *const lists[] = {
        "",
        "# only words\n\n",
        "CONFIG_DM_VERITY=y\n",
        "CONFIG_MODULES=n\n",
        "CONFIG_NOBODY_KNOWS=n\n",
        "CONFIG_PANIC_TIMEOUT=5\n",
        "CONFIG_LSM=\"lockdown,yama\"\n",
        "CONFIG_DM_VERITY=y\n# and\nCONFIG_MODULES=n\nCONFIG_EMPTY=\"\"\n",
    };
    struct failure f = FAILURE_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        assert_int_equal(kernel_config_check("list", lists[i], resolved, &f), 0);
}

static void test_not_in_force(void **state)
{
    static const struct {
        const char *list, *words;
    } rows[] = {
        { "CONFIG_DM_CRYPT=y\n", "CONFIG_DM_CRYPT: list wants y, the kernel has n" },
        { "CONFIG_DM_VERITY_FEC=y\n", "CONFIG_DM_VERITY_FEC: list wants y, the kernel has m" },
        { "CONFIG_DM_VERITY=n\n", "CONFIG_DM_VERITY: list wants n, the kernel has y" },
        { "CONFIG_MODULES=y\n", "CONFIG_MODULES: list wants y, the kernel has n" },
        { "CONFIG_PANIC_TIMEOUT=50\n", "CONFIG_PANIC_TIMEOUT: list wants 50, the kernel has 5" },
        { "CONFIG_LSM=\"lockdown\"\n",
          "CONFIG_LSM: list wants \"lockdown\", the kernel has \"lockdown,yama\"" },
        /* The head of a longer name is another option. */
        { "CONFIG_DM=y\n", "CONFIG_DM: list wants y, the kernel has n" },
        { "CONFIG_DM_VERITY=y\nCONFIG_KVM=y\n", "CONFIG_KVM: list wants y, the kernel has n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct failure f = FAILURE_NONE;

        assert_int_equal(kernel_config_check("list", rows[i].list, resolved, &f), -EINVAL);
        assert_int_equal(f.code, CODE_KERNEL_OPTION);
        assert_string_equal(f.text, rows[i].words);
    }
}

static void test_no_list(void **state)
{
    static const char *const lists[] = {
        "CONFIG_DM_VERITY\n",    "DM_VERITY=y\n",
        "CONFIG_=y\n",           "CONFIG_DM_VERITY=\n",
        " CONFIG_DM_VERITY=y\n", "CONFIG_DM-VERITY=y\n",
        "CONFIG_DM_VERITY=y",    "CONFIG_DM_VERITY=y\nCONFIG_DM_VERITY=y\n",
        "CONFIG_MODULES=n\n?\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct failure f = FAILURE_NONE;

        assert_true(kernel_config_check("list", lists[i], resolved, &f) < 0);
        assert_int_equal(f.code, CODE_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_not_in_force),
        cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
