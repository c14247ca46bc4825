#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"
#include "programs/broch/verb.h"

static void test_table_is_whole(void **state)
{
    for (size_t i = 0; i < verb_table_count; i++) {
        const struct verb *verb = &verb_table[i];

        assert_ptr_equal(verb_find(verb->name), verb);
        assert_true(verb->purpose[0] != '\0' && verb->synopsis);
        assert_true(verb_side(verb)[0] != '\0');
        if (verb->program)
            assert_int_equal(strncmp(verb->program, "broch-", 6), 0);
    }
    assert_null(verb_find(""));
    assert_null(verb_find("stat"));
}

static void test_nearest(void **state)
{
    assert_string_equal(verb_nearest("stauts"), "status");
    assert_string_equal(verb_nearest("biuld"), "build");
    assert_string_equal(verb_nearest("power-off"), "poweroff");
    assert_null(verb_nearest("xyzzy"));
}

static void test_help_fits_one_screen(void **state)
{
    char *text = NULL;
    size_t size = 0, lines = 0, start = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    verb_help(stream);
    assert_int_equal(fclose(stream), 0);
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n')
            continue;
        assert_true(i - start <= 80);
        start = i + 1;
        lines++;
    }
    assert_true(lines <= 40);
    for (size_t i = 0; i < verb_table_count; i++)
        assert_non_null(strstr(text, verb_table[i].purpose));
    free(text);
}

/* Beside the program in a build folder; in ../lib/broch when installed. */
static void test_where_programs_are(void **state)
{
    char folder[] = "/tmp/verb-XXXXXX", bin[64], place[128], found[VERB_PATH_SIZE];
    struct failure f = FAILURE_NONE;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(bin, sizeof(bin), "%s/bin", folder);
    assert_int_equal(file_make_folders(bin, &f), 0);
    assert_int_equal(verb_program_path(bin, "broch-halt", found), -ENOENT);

    (void)snprintf(place, sizeof(place), "%s/lib/broch/broch-halt", folder);
    assert_int_equal(file_make_parent(place, &f), 0);
    assert_int_equal(file_write(place, "", 0, 0644, &f), 0);
    assert_int_equal(verb_program_path(bin, "broch-halt", found), -ENOENT); /* not executable */
    (void)snprintf(place, sizeof(place), "%s/lib/broch/broch-vm", folder);
    assert_int_equal(file_write(place, "", 0, 0755, &f), 0);
    assert_int_equal(verb_program_path(bin, "broch-vm", found), 0);
    assert_non_null(strstr(found, "/bin/../lib/broch/broch-vm"));

    (void)snprintf(place, sizeof(place), "%s/broch-vm", bin);
    assert_int_equal(file_write(place, "", 0, 0755, &f), 0);
    assert_int_equal(verb_program_path(bin, "broch-vm", found), 0);
    assert_string_equal(found, place);
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

static void test_long_folder(void **state)
{
    static char folder[VERB_PATH_SIZE];
    char found[VERB_PATH_SIZE];

    memset(folder, 'a', sizeof(folder) - 1);
    assert_int_equal(verb_program_path(folder, "broch-vm", found), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),       cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_help_fits_one_screen), cmocka_unit_test(test_where_programs_are),
        cmocka_unit_test(test_long_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
