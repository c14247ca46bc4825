#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "image/component_room.h"

static struct contents_file system_files[] = { { .path = (char[]){ "a" }, .size = 5 },
                                               { .path = (char[]){ "b" }, .size = 7 } };
static struct contents_file initrd_files[] = { { .path = (char[]){ "a" }, .size = 100 } };
static const struct contents system_contents = { .files = system_files, .count = 2 };
static const struct contents initrd_contents = { .files = initrd_files, .count = 1 };

static int read_rooms(const char *text, struct component_room **ret, size_t *ret_count,
                      struct failure *f)
{
    return component_rooms((struct span){ (const uint8_t *)text, strlen(text) }, &system_contents,
                           &initrd_contents, ret, ret_count, f);
}

static void test_sums(void **state)
{
    static const char text[] =
        "{\"components\":["
        "{\"name\":\"small\",\"components\":[{\"name\":\"system/a\"},{\"name\":\"system/b\"}]},"
        "{\"name\":\"none\",\"version\":\"2\",\"components\":[{\"name\":\"linux.efi/.linux\"}]},"
        "{\"name\":\"large\",\"version\":\"1\",\"components\":[{\"name\":\"initrd/a\"}]}]}";
    struct failure f = FAILURE_NONE;
    struct component_room *rooms;
    size_t count;

    assert_int_equal(read_rooms(text, &rooms, &count, &f), 0);
    assert_int_equal(count, 3);
    assert_string_equal(rooms[0].name, "large");
    assert_string_equal(rooms[0].version, "1");
    assert_int_equal(rooms[0].size, 100);
    assert_string_equal(rooms[1].name, "small");
    assert_string_equal(rooms[1].version, "");
    assert_int_equal(rooms[1].size, 12);
    assert_int_equal(rooms[1].count, 2);
    assert_int_equal(rooms[2].size, 0);
    component_rooms_done(rooms, count);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"components\":7}",
        "{\"components\":[{\"name\":\"x\"}]}",
        "{\"components\":[{\"components\":[]}]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct failure f = FAILURE_NONE;
        struct component_room *rooms;
        size_t count;

        assert_true(read_rooms(texts[i], &rooms, &count, &f) < 0);
        assert_int_equal(f.code, CODE_ARTIFACT_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
