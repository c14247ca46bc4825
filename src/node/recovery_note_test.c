#include "node/recovery_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define UUID  "01234567-89ab-cdef-0123-456789abcdef"
#define OTHER "11111111-89ab-cdef-0123-456789abcdef"

static bool holds(const char *text)
{
    return recovery_note_holds(text, strlen(text), UUID);
}

static void test_holds(void **state)
{
    (void)state;
    assert_true(holds("{\"schema\":1,\"confirmed\":\"" UUID "\"}\n"));
    assert_false(holds("{\"schema\":1,\"confirmed\":\"" OTHER "\"}\n"));
    assert_false(holds("{\"schema\":2,\"confirmed\":\"" UUID "\"}\n"));
    assert_false(holds("{\"confirmed\":\"" UUID "\"}\n"));
    assert_false(holds("{\"schema\":1,\"confirmed\":null}\n"));
    assert_false(holds("{\"schema\":1}\n"));
    assert_false(holds("\"" UUID "\""));
    assert_false(holds(""));
    assert_false(recovery_note_holds("{\"schema\":1,\"confirmed\":\"\"}", 28, ""));
}

static void test_file(void **state)
{
    char folder[] = "/tmp/broch-note-XXXXXX", path[sizeof(folder) + sizeof("/note")];
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/note", folder);
    assert_false(recovery_note_read(path, UUID));
    assert_int_equal(recovery_note_write(path, UUID, &f), 0);
    assert_true(recovery_note_read(path, UUID));
    assert_false(recovery_note_read(path, OTHER));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_true(recovery_note_write(path, UUID, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_holds), cmocka_unit_test(test_file) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
