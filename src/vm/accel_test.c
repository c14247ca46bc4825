#include "vm/accel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "sys/file.h"
#include "vm/fixture_test.h"
#include "vm/vm.h"

/* No kernel comes out of bare firmware, so the verdict is `no` on every host. */
static void test_kvm_is_not_believed(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    struct vm_accel_choice choice, again;
    const char *reason;
    struct vm *vm = NULL;
    uint64_t before;

    config.accel = VM_ACCEL_AUTO;
    config.cache = place->cache;
    config.kernel = place->kernel;
    OK(vm_open(&config, &vm, &f));
    OK(vm_start(vm, &f));
    assert_string_equal(vm_acceleration(vm, &reason), "tcg");
    assert_true(reason[0] != '\0');
    OK(vm_power_cut(vm, &f));
    before = event_now_ns();
    OK(vm_accel_choose(&config, &choice, &f));
    assert_true(event_now_ns() - before < 5 * NS_PER_S); /* remembered, or nothing to try */
    OK(vm_accel_choose(&config, &again, &f));
    assert_string_equal(choice.reason, again.reason);
    assert_false(choice.kvm);
    vm_close(vm);
}

/* What the configuration decides needs neither proof nor reason. */
static void test_decided(void **state)
{
    struct place *place = *state;
    struct vm_config config = firmware_machine(place);
    struct vm_accel_choice choice;

    OK(vm_accel_choose(&config, &choice, &f));
    assert_false(choice.kvm);
    assert_string_equal(choice.reason, "");
    config.accel = VM_ACCEL_AUTO;
    config.icount = true;
    OK(vm_accel_choose(&config, &choice, &f));
    assert_false(choice.kvm);
    config.icount = false;
    config.accel = VM_ACCEL_KVM;
    OK(vm_accel_choose(&config, &choice, &f));
    assert_true(choice.kvm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_kvm_is_not_believed), TEST(test_decided) };

    return fixture_tree() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
