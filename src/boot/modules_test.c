#include "boot/modules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/line.h"

static const char good[] = "load dm-mod.ko\n"
                           "load dm-verity.ko\n"
                           "alias virtio:d00000002v* virtio_blk.ko\n"
                           "alias pci:v*d*sv*sd*bc01sc06i01* scsi_mod.ko libata.ko ahci.ko\n"
                           "alias broch:slot nls_ascii.ko vfat.ko loop.ko\n"
                           "alias virtio:d0000000[12]v* second.ko\n";

static struct modules_table table;

static int parse(const char *text)
{
    struct failure f = FAILURE_NONE;
    int r = modules_parse(text, strlen(text), &table, &f);

    if (r < 0) {
        assert_int_equal(f.code, CODE_BOOT_MODULE);
        assert_int_equal(table.load_count + table.alias_count, 0);
    }
    return r;
}

static int collect(const char *name, void *context)
{
    struct line *l = context;

    line_addf(l, "%s ", name);
    return strcmp(name, "libata.ko") == 0 && l->capacity == 100 ? -EIO : 0;
}

static void assert_matched(const char *modalias, const char *expected)
{
    char text[200];
    struct line l = line_make(text, sizeof(text));

    assert_int_equal(modules_each_match(&table, modalias, collect, &l), 0);
    assert_string_equal(text, expected);
}

static void test_good(void **unused)
{
    char text[200];
    struct line l = line_make(text, sizeof(text));

    (void)unused;
    assert_int_equal(parse(good), 0);
    assert_int_equal(modules_each_load(&table, collect, &l), 0);
    assert_string_equal(text, "dm-mod.ko dm-verity.ko ");
    assert_matched("virtio:d00000002v00001AF4", "virtio_blk.ko second.ko ");
    assert_matched("virtio:d00000001v00001AF4", "second.ko ");
    assert_matched("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01",
                   "scsi_mod.ko libata.ko ahci.ko ");
    assert_matched("broch:slot", "nls_ascii.ko vfat.ko loop.ko ");
    assert_matched("broch:slots", "");
    assert_matched("", "");
}

static void test_stops(void **unused)
{
    char text[100];
    struct line l = line_make(text, sizeof(text));

    (void)unused;
    assert_int_equal(parse(good), 0);
    assert_int_equal(modules_each_match(&table, "pci:v1d1sv1sd1bc01sc06i01", collect, &l), -EIO);
    assert_string_equal(text, "scsi_mod.ko libata.ko ");
}

static void test_refused(void **unused)
{
    static const char *const cases[] = {
        "load a.ko",
        "\n",
        "load\n",
        "load \n",
        "load a\n",
        "load .ko\n",
        "load a.ko \n",
        "load a.ko b.ko\n",
        "load  a.ko\n",
        " load a.ko\n",
        "load a/b.ko\n",
        "load ../a.ko\n",
        "load a.ko.xz\n",
        "loads a.ko\n",
        "alias x\n",
        "alias x \n",
        "alias x a.ko \n",
        "alias x a.ko  b.ko\n",
        "alias  a.ko\n",
        "alias \x01 a.ko\n",
        "# a comment\n",
        "load a.ko\r\n",
        "alias x\ta.ko\n",
        "Load a.ko\n",
        "load a.ko\n\nload b.ko\n",
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(parse(cases[i]), -EBADMSG);
    assert_int_equal(parse(""), 0); /* everything built in */
}

static void test_line_number(void **unused)
{
    struct failure f = FAILURE_NONE;
    static const char text[] = "load a.ko\nload b.ko\nload c\n";

    (void)unused;
    assert_int_equal(modules_parse(text, strlen(text), &table, &f), -EBADMSG);
    assert_non_null(strstr(f.text, "line 3"));
    assert_int_equal(modules_parse(text, 15, &table, &f), -EBADMSG);
    assert_non_null(strstr(f.text, "line 2"));
}

static void test_limits(void **unused)
{
    static char text[INITRD_MODULES_SIZE_MAX + 1];
    struct line l = line_make(text, sizeof(text));
    struct failure f = FAILURE_NONE;

    (void)unused;
    for (unsigned i = 0; i < INITRD_LOAD_COUNT_MAX; i++)
        line_add(&l, "load a.ko\n");
    assert_int_equal(parse(text), 0);
    line_add(&l, "load a.ko\n");
    assert_int_equal(parse(text), -EBADMSG);

    l = line_make(text, sizeof(text));
    for (unsigned i = 0; i < INITRD_ALIAS_COUNT_MAX; i++)
        line_add(&l, "alias x* a.ko\n");
    assert_int_equal(parse(text), 0);
    line_add(&l, "alias x* a.ko\n");
    assert_int_equal(parse(text), -EBADMSG);

    memset(text, '\n', sizeof(text));
    assert_int_equal(modules_parse(text, sizeof(text), &table, &f), -EBADMSG);
}

static void test_name_lengths(void **unused)
{
    char text[512];

    (void)unused;
    (void)snprintf(text, sizeof(text), "load %0*d.ko\n", INITRD_NAME_MAX - 3, 0);
    assert_int_equal(parse(text), 0);
    (void)snprintf(text, sizeof(text), "load %0*d.ko\n", INITRD_NAME_MAX - 2, 0);
    assert_int_equal(parse(text), -EBADMSG);
    (void)snprintf(text, sizeof(text), "alias %0*d a.ko\n", INITRD_PATTERN_MAX, 0);
    assert_int_equal(parse(text), 0);
    (void)snprintf(text, sizeof(text), "alias %0*d a.ko\n", INITRD_PATTERN_MAX + 1, 0);
    assert_int_equal(parse(text), -EBADMSG);
}

/* The text is not terminated for the parser, so that a sanitizer sees any step beyond its end. */
static void test_truncated(void **unused)
{
    struct failure f = FAILURE_NONE;

    (void)unused;
    for (size_t size = 0; size < strlen(good); size++) {
        bool whole = size == 0 || good[size - 1] == '\n';

        assert_int_equal(modules_parse(good, size, &table, &f), whole ? 0 : -EBADMSG);
    }
}

static void test_flipped(void **unused)
{
    char text[sizeof(good)], out[400];
    struct failure f = FAILURE_NONE;

    (void)unused;
    for (size_t bit = 0; bit < 8 * strlen(good); bit++) {
        struct line l = line_make(out, sizeof(out));

        memcpy(text, good, sizeof(text));
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        if (modules_parse(text, strlen(good), &table, &f) < 0)
            continue;
        (void)modules_each_load(&table, collect, &l);
        (void)modules_each_match(&table, "virtio:d00000002v00001AF4", collect, &l);
        assert_null(strchr(out, '/'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_stops),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_line_number),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_name_lengths),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
