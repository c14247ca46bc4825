#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/heap.h"

static void gives_zeros(void **state)
{
    uint8_t *block = heap_take(3, 5);

    assert_non_null(block);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(block[i], 0);
    heap_release(block);
    block = heap_take(0, 8);
    assert_non_null(block);
    heap_release(block);
    heap_release(NULL);
}

static void products_are_checked(void **state)
{
    assert_null(heap_take(SIZE_MAX / 2, 4));
}

static void the_nth_request_fails_once(void **state)
{
    void *blocks[3];

    heap_fail_after(1);
    for (unsigned i = 0; i < 3; i++)
        blocks[i] = heap_take(1, 1);
    assert_non_null(blocks[0]);
    assert_null(blocks[1]);
    assert_non_null(blocks[2]);
    heap_release(blocks[0]);
    heap_release(blocks[2]);
}

static jmp_buf after_check;

static void jump(void)
{
    longjmp(after_check, 1);
}

static void a_sealed_heap_gives_nothing(void **state)
{
    check_hook former = check_set_hook(jump);
    volatile bool failed = false;

    heap_seal(true);
    if (setjmp(after_check) == 0)
        heap_release(heap_take(1, 1));
    else
        failed = true;
    heap_seal(false);
    (void)check_set_hook(former);
    assert_true(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeros),
        cmocka_unit_test(products_are_checked),
        cmocka_unit_test(the_nth_request_fails_once),
        cmocka_unit_test(a_sealed_heap_gives_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
