#include "work/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"

static char root[] = "/tmp/catalog-XXXXXX";
static char image[64], machine[64], list[64];
static const struct catalog_places places = { .folders = { .image = image, .machine = machine },
                                              .list = list };
static struct catalog catalog;
static char complaints[4096];

static void put(const char *path, const char *text)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_write(path, text, strlen(text), 0644, &f), 0);
}

/* A manifest with nothing but what has to be in it, and `more`. */
static void put_service(const char *folder, const char *name, const char *more)
{
    char path[128], text[1024];

    (void)snprintf(path, sizeof(path), "%s/%s.toml", folder, name);
    (void)snprintf(text, sizeof(text),
                   "name = \"%s\"\ndescription = \"d\"\nrun = [\"/bin/true\"]\n%s\n", name, more);
    put(path, text);
}

static int set_up(void **state)
{
    struct failure f = FAILURE_NONE;

    memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(image, sizeof(image), "%s/image", root);
    (void)snprintf(machine, sizeof(machine), "%s/machine", root);
    (void)snprintf(list, sizeof(list), "%s/list", root);
    if (file_make_folders(image, &f) < 0 || file_make_folders(machine, &f) < 0)
        return -1;
    put(list, "clock\nssh\n");
    put_service(image, "clock", "");
    put_service(image, "ssh", "needs = [\"clock\"]");
    put_service(image, "unlisted", "");
    return 0;
}

static int tear_down(void **state)
{
    struct failure f = FAILURE_NONE;

    catalog_done(&catalog);
    return file_remove_tree(root, &f);
}

static void complain(const char *name, const struct failure *f, void *context)
{
    size_t length = strlen(complaints);

    (void)snprintf(complaints + length, sizeof(complaints) - length, "%s: %s\n", name, f->text);
}

static int load(struct failure *f)
{
    complaints[0] = '\0';
    catalog_done(&catalog);
    return catalog_load(&places, complain, NULL, &catalog, f);
}

static bool needs(const char *one, const char *other)
{
    return catalog.graph.needs[catalog_find(&catalog, one)] >> catalog_find(&catalog, other) & 1;
}

static void test_image_and_machine(void **state)
{
    struct failure f = FAILURE_NONE;

    put_service(machine, "web", "needs = [\"store\"]"); /* found before what it needs */
    put_service(machine, "store", "needs = [\"clock\"]\nbefore = [\"ssh\"]");
    assert_int_equal(load(&f), 0);
    assert_string_equal(complaints, "");
    assert_int_equal(catalog.count, 4);
    assert_string_equal(catalog.manifests[0].name, "clock");
    assert_false(catalog.manifests[1].is_machines);
    assert_true(catalog.manifests[catalog_find(&catalog, "web")].is_machines);
    assert_true(needs("ssh", "clock") && needs("web", "store") && needs("ssh", "store"));
    assert_false(needs("clock", "ssh"));
    assert_int_equal(catalog_find(&catalog, "unlisted"), SERVICES_MAX);
}

static void test_bad_ones_are_left_out(void **state)
{
    struct failure f = FAILURE_NONE;

    put_service(machine, "typo", "descripton = \"d\"");
    put_service(machine, "lonely", "needs = [\"clok\"]");
    put_service(machine, "ssh", "");
    put_service(machine, "a", "needs = [\"b\"]");
    put_service(machine, "b", "needs = [\"a\"]");
    put_service(machine, "good", "needs = [\"clock\"]");
    assert_int_equal(load(&f), 0);
    assert_int_equal(catalog.count, 3);
    assert_true(catalog_find(&catalog, "good") < SERVICES_MAX);
    assert_non_null(strstr(complaints, "typo.toml:4: unknown key 'descripton'"));
    assert_non_null(strstr(complaints, "did you mean 'description'"));
    assert_non_null(strstr(complaints, "lonely: "));
    assert_non_null(strstr(complaints, "did you mean 'clock'"));
    assert_non_null(strstr(complaints, "the image has a service of this name"));
}

static void test_circle_is_named(void **state)
{
    struct failure f = FAILURE_NONE;

    put_service(machine, "a", "needs = [\"b\"]");
    put_service(machine, "b", "needs = [\"a\"]");
    assert_int_equal(load(&f), 0);
    assert_int_equal(catalog.count, 2);
    assert_non_null(strstr(complaints, "a: services need each other in a circle: "));
    assert_non_null(strstr(complaints, "b: services need each other in a circle: "));
}

static void test_no_machine_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_remove_tree(machine, &f), 0);
    assert_int_equal(load(&f), 0);
    assert_int_equal(catalog.count, 2);
}

static void test_image_is_broken(void **state)
{
    struct failure f = FAILURE_NONE;

    put(list, "ssh\n"); /* needs what is not enabled */
    assert_true(load(&f) < 0);
    assert_int_equal(catalog.count, 0);
    put(list, "a-name-that-is-longer-than-any-service-has\n");
    assert_int_equal(load(&f), -EBADMSG);
    assert_int_equal(file_remove_tree(list, &f), 0);
    assert_int_equal(load(&f), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_image_and_machine), TEST(test_bad_ones_are_left_out), TEST(test_circle_is_named),
        TEST(test_no_machine_folder), TEST(test_image_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
