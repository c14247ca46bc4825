#include "node/coldplug.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

static char root[] = "/tmp/coldplug-XXXXXX";

static void put(const char *path, const char *text)
{
    _cleanup_free_ char *place = text_make("%s/%s", root, path);
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_make_parent(place, &f), 0);
    assert_int_equal(file_write(place, text, strlen(text), 0644, &f), 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree(root, &f);
}

static int count_alias(const char *alias, void *context)
{
    text_addf(context, "[%s]", alias);
    return 0;
}

static int stop_at_once(const char *alias, void *context)
{
    (void)alias;
    (void)context;
    return 7;
}

static void test_walk(void **state)
{
    _cleanup_text_ struct text seen = TEXT_INIT;
    struct coldplug_set *set = coldplug_set_new();
    _cleanup_free_ char *link = text_make("%s/pci0/loop", root);
    char deep[3 * (COLDPLUG_DEPTH_MAX + 2)] = "";
    char longest[COLDPLUG_ALIAS_MAX + 2];
    struct failure f = FAILURE_NONE;

    (void)state;
    put("pci0/modalias", "pci:a\n");
    put("pci0/usb1/modalias", "usb:b\n");
    put("pci0/usb2/modalias", "usb:b\n"); /* the same device twice */
    put("empty/modalias", "\n");
    put("cut/modalias", "pci:c"); /* no end: not what the kernel writes */
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 2] = '\n';
    longest[sizeof(longest) - 1] = '\0';
    put("long/modalias", longest);
    for (size_t i = 0; i < COLDPLUG_DEPTH_MAX + 1; i++)
        memcpy(deep + 2 * i, "d/", 3);
    memcpy(deep + strlen(deep), "modalias", 9);
    put(deep, "pci:deep\n");
    assert_int_equal(symlink("..", link), 0);
    assert_int_equal(coldplug_walk(root, set, count_alias, &seen, &f), 0);
    assert_int_equal(strlen(text_string(&seen)), strlen("[pci:a][usb:b]"));
    assert_non_null(strstr(text_string(&seen), "[pci:a]"));
    assert_non_null(strstr(text_string(&seen), "[usb:b]"));
    /* Looking again finds what is new, and only that. */
    text_clear(&seen);
    put("pci1/modalias", "pci:new\n");
    assert_int_equal(coldplug_walk(root, set, count_alias, &seen, &f), 0);
    assert_string_equal(text_string(&seen), "[pci:new]");
    put("pci2/modalias", "pci:newer\n");
    assert_int_equal(coldplug_walk(root, set, stop_at_once, NULL, &f), 7);
    assert_int_equal(coldplug_walk("/no/such/folder", set, count_alias, &seen, &f), -ENOENT);
    assert_int_equal(f.code, CODE_DEVICES);
    coldplug_set_free(set);
}

static void test_urgent(void **state)
{
    static const char *const urgent[] = {
        "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00",
        "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01",
        "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30",
        "pci:v00001AF4d00001044sv00001AF4sd00001100bcFFsc00i00",
        "virtio:d00000001v00001AF4",
        "usb:v1D6Bp0002d0612dc09dsc00dp01ic09isc00ip00in00",
    };
    static const char *const others[] = {
        "pci:v00008086d00002930sv00001AF4sd00001100bc0Csc05i00",
        "pci:v00008086d00002918sv00001AF4sd00001100bc06sc01i00",
        "cpu:type:x86,ven0002fam006Bmod0001:feature:,0000,0001",
        "acpi:PNP0C0C:",
        "platform:pcspkr",
        "pci:",
        "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urgent); i++)
        assert_true(coldplug_is_urgent(urgent[i]));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(coldplug_is_urgent(others[i]));
}

static void test_set(void **state)
{
    struct coldplug_set *set = coldplug_set_new();
    char alias[32];

    (void)state;
    for (int i = 0; i < COLDPLUG_ALIASES_MAX; i++) {
        (void)snprintf(alias, sizeof(alias), "acpi:%d", i);
        assert_int_equal(coldplug_set_add(set, alias), 1);
    }
    for (int i = 0; i < COLDPLUG_ALIASES_MAX; i++) {
        (void)snprintf(alias, sizeof(alias), "acpi:%d", i);
        assert_int_equal(coldplug_set_add(set, alias), 0);
    }
    assert_int_equal(coldplug_set_add(set, "one more"), -ENOSPC);
    assert_null(coldplug_set_free(set));
    assert_null(coldplug_set_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_set),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
