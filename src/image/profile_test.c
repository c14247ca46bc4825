#include "image/profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sys/test_folder.h"

#define BASE "name = \"node\"\nbase = \"debian\"\ninit = \"s6\"\nkernel = \"debian\"\n"

static int read_text(const char *text, struct profile *ret, struct failure *f)
{
    test_folder_write("profiles/node/profile.toml", text);
    return profile_read(".", "node", ret, f);
}

static void test_defaults(void **state)
{
    struct profile profile;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(read_text(BASE, &profile, &f), 0);
    assert_string_equal(profile.name, "node");
    assert_string_equal(profile.description, "");
    assert_int_equal(profile.epoch, 1);
    assert_int_equal(profile.cmdline.count, 0);
    assert_int_equal(profile.budgets.uki, 32 << 20);
    assert_int_equal(profile.budgets.initrd, 8 << 20);
    assert_int_equal(profile.budgets.system, 512 << 20);
    assert_int_equal(profile.disk.slot, 2ull << 30);
    assert_int_equal(profile.disk.persist, 512 << 20);
    assert_string_equal(profile.folder, "./profiles/node");
    profile_done(&profile);
}

static void test_whole(void **state)
{
    struct profile profile;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(read_text(BASE "description = \"one\"\nepoch = 7\ncmdline = [\"a=b\", \"c\"]\n"
                                    "[budgets]\nuki = \"16MiB\"\n[disk]\nslot = \"1GiB\"\n"
                                    "[services]\nenable = [\"sshd\"]\n",
                               &profile, &f),
                     0);
    assert_int_equal(profile.epoch, 7);
    assert_int_equal(profile.cmdline.count, 2);
    assert_string_equal(profile.cmdline.items[0], "a=b");
    assert_int_equal(profile.budgets.uki, 16 << 20);
    assert_int_equal(profile.disk.slot, 1 << 30);
    assert_string_equal(profile.services.enable.items[0], "sshd");
    profile_done(&profile);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        enum code code;
        const char *word;
    } cases[] = {
        { "name =", CODE_SYNTAX, "profile.toml:1:" },
        { "name = \"node\"\n", CODE_SCHEMA, "base" },
        { BASE "kernal = 1\n", CODE_SCHEMA, "kernel" }, /* the nearest key */
        { BASE "[bugdets]\n", CODE_SCHEMA, "budgets" },
        { BASE "epoch = 0\n", CODE_SCHEMA, "epoch" },
        { BASE "epoch = 1000001\n", CODE_SCHEMA, "epoch" },
        { BASE "epoch = \"1\"\n", CODE_SCHEMA, "epoch" },
        { BASE "cmdline = [\"a b\"]\n", CODE_SCHEMA, "cmdline" },
        { BASE "cmdline = [\"broch.epoch=9\"]\n", CODE_SCHEMA, "broch." },
        { BASE "cmdline = [\"a\\\"b\"]\n", CODE_SCHEMA, "cmdline" },
        { BASE "cmdline = [\"\"]\n", CODE_SCHEMA, "cmdline" },
        { BASE "[budgets]\nuki = \"2GiB\"\n", CODE_SCHEMA, "uki" },
        { BASE "[disk]\nslot = \"1MiB\"\n", CODE_SCHEMA, "slot" },
        { BASE "[services]\nenable = [\"../x\"]\n", CODE_SCHEMA, "enable" },
        { BASE "[services]\nenable = [\"-x\"]\n", CODE_SCHEMA, "enable" },
        { "name = \"other\"\nbase = \"debian\"\ninit = \"s6\"\nkernel = \"debian\"\n", CODE_SCHEMA,
          "but the folder is 'node'" },
        { "name = \"Node\"\nbase = \"debian\"\ninit = \"s6\"\nkernel = \"debian\"\n", CODE_SCHEMA,
          "name" },
        { "name = \"node\"\nbase = \"fedora\"\ninit = \"s6\"\nkernel = \"debian\"\n", CODE_SCHEMA,
          "base" },
        { "name = \"node\"\nbase = \"debian\"\ninit = \"s5\"\nkernel = \"debian\"\n", CODE_SCHEMA,
          "init" },
        { "name = \"node\"\nbase = \"debian\"\ninit = \"s6\"\nkernel = \"hurd\"\n", CODE_SCHEMA,
          "kernel" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct profile profile = { .name = NULL };
        struct failure f = FAILURE_NONE;

        if (read_text(cases[i].text, &profile, &f) >= 0)
            fail_msg("case %zu is accepted", i);
        if (f.code != cases[i].code || !strstr(f.text, cases[i].word))
            fail_msg("case %zu: '%s'", i, f.text);
        assert_null(profile.name);
    }
}

static void test_unknown(void **state)
{
    static const struct {
        const char *name, *word;
    } cases[] = {
        { "nod", "did you mean 'node'?" },  { "xyzzy", "there is no profile 'xyzzy'" },
        { "../node", "'../node'" },         { "", "there is no profile ''" },
        { "Node", "did you mean 'node'?" }, { "node/", "'node/'" },
    };
    struct profile profile = { .name = NULL };
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("profiles/node/profile.toml", BASE);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(profile_read(".", cases[i].name, &profile, &f), -EINVAL);
        assert_int_equal(f.code, CODE_PROFILE_UNKNOWN);
        if (!strstr(f.text, cases[i].word))
            fail_msg("%s", f.text);
    }
    assert_int_equal(profile_read("nowhere", "node", &profile, &f), -ENOENT);
    assert_int_equal(f.code, CODE_PROFILE_UNKNOWN);
    assert_non_null(strstr(f.text, "'nowhere' holds no profiles"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
