#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "node/config_applied.h"
#include "node/config_layers.h"
#include "node/config_text.h"
#include "sys/file.h"

static char folder[] = "/tmp/applied-XXXXXX";

static void test_there_and_back(void **state)
{
    static const char text[] = "hostname = 'a'\n[[network.interface]]\nname = 'eth0'\n";
    char *path = text_make("%s/config.toml", folder);
    struct config_layers layers = { .count = 0 };
    struct failure f = FAILURE_NONE;
    struct config before, after;
    bool differ = true;

    (void)state;
    assert_int_equal(config_applied_read(path, &after, &f), -ENOENT);
    assert_int_equal(config_layers_add(&layers, CONFIG_LAYER_MACHINE, "x", text, strlen(text), &f),
                     0);
    assert_int_equal(config_layers_merge(&layers, CONFIG_LAYER_MACHINE, &before, &f), 0);
    assert_int_equal(config_applied_write(path, &before, &f), 0);
    assert_int_equal(config_applied_read(path, &after, &f), 0);
    assert_int_equal(config_text_differ(&before, &after, NULL, &differ), 0);
    assert_false(differ);
    config_done(&before);
    config_done(&after);

    assert_int_equal(file_write(path, "x", 1, 0644, &f), 0);
    assert_int_equal(config_applied_read(path, &after, &f), -EBADMSG);
    config_layers_done(&layers);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_there_and_back) };
    struct failure f = FAILURE_NONE;
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return file_remove_tree(folder, &f) < 0 ? 1 : failed;
}
