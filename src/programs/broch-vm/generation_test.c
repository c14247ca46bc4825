#include "programs/broch-vm/generation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "programs/broch-vm/fixture_test.h"

static void test_newest_generation(void **state)
{
    struct place *place = *state;
    struct generation generation = GENERATION_INIT;
    _cleanup_free_ char *inside = NULL;

    make_generation(place->out, "v2-fake-x86_64", "fake");
    make_generation(place->out, "v3-fakery-x86_64", "fakery");
    make_generation(place->out, "v4-not-fake-x86_64", "not-fake");
    make_generation(place->out, "v1-fake-x86_64", "fake"); /* the newest, whatever its name */
    assert_int_equal(generation_find(place->out, "fake", &generation, &f), 0);
    assert_string_equal(generation.name, "v1-fake-x86_64");
    assert_string_equal(generation.cmdline, "quiet");
    generation_done(&generation);
    inside = text_make("%s/broch-v2-fake-x86_64", place->out);
    assert_int_equal(generation_find(inside, "whatever", &generation, &f), 0);
    assert_string_equal(generation.name, "v2-fake-x86_64");
    generation_done(&generation);
    write_in(inside, "generation.json", "{", 1);
    assert_true(generation_find(inside, "fake", &generation, &f) < 0);
    assert_int_equal(f.code, CODE_MANIFEST);
    assert_true(generation_find("/no/such/folder", "fake", &generation, &f) < 0);
    assert_int_equal(f.code, CODE_VM_GENERATION);
    assert_null(generation.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_generation, make_place, free_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
