/* Machines that must come up: under Secure Boot with a TPM, without either, started directly, and
 * with everything around the signed file that must be ignored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "fixture.h"

static const char *fact(json_object *facts, const char *key)
{
    json_object *value;

    if (!json_object_object_get_ex(facts, key, &value))
        fail_msg("the facts lack '%s'", key);
    return json_object_get_string(value);
}

static json_object *read_json(struct place *place, const char *command)
{
    _cleanup_free_ char *output = run_inside(place, command);
    const char *brace = strchr(output, '{');
    json_object *document = brace ? json_tokener_parse(brace) : NULL;

    if (!document)
        fail_msg("'%s' printed no JSON: %s", command, output);
    return document;
}

static void expect_word(const char *line, const char *word)
{
    const char *found = strstr(line, word);

    if (!found || (found[strlen(word)] != ' ' && found[strlen(word)] != '\0'))
        fail_msg("'%s' is not in: %s", word, line);
}

static void expect_identity(const char *line)
{
    char digits[DIGEST_TEXT_SIZE];
    _cleanup_free_ char *generation = text_make("generation=%s", fixture_manifest.name);
    _cleanup_free_ char *verity =
        text_make("verity=%s", digest_text(&fixture_manifest.verity_root, digits));

    expect_word(line, generation);
    expect_word(line, verity);
    expect_word(line, "profile=node");
}

static void expect_pcr(json_object *facts, const char *key, const struct digest *expected)
{
    json_object *pcr, *value;
    char digits[DIGEST_TEXT_SIZE];

    assert_true(json_object_object_get_ex(facts, "pcr", &pcr));
    assert_true(json_object_object_get_ex(pcr, key, &value));
    assert_string_equal(json_object_get_string(value), digest_text(expected, digits));
}

static void check_facts(struct place *place)
{
    static const struct digest zero = { .bytes = { 0 } };
    json_object *facts = read_json(place, "cat /run/broch/boot.json");
    _cleanup_free_ char *cap = run_inside(place, "cat /sys/class/tpm/tpm0/pcr-sha256/11");
    const char *value = cap + strspn(cap, "\r\n");
    char digits[DIGEST_TEXT_SIZE];

    assert_string_equal(fact(facts, "secureboot"), "on");
    assert_string_equal(fact(facts, "setupmode"), "off");
    assert_string_equal(fact(facts, "slot"), "A");
    assert_string_equal(fact(facts, "kernel"), fixture_manifest.kernel);
    expect_pcr(facts, "11", &fixture_manifest.pcr11_enter_initrd);
    expect_pcr(facts, "12", &zero);
    /* The cap is random: whatever it is, it is not what it was. */
    assert_int_equal(strspn(value, "0123456789ABCDEF"), 2 * DIGEST_SIZE);
    assert_int_not_equal(strncasecmp(value,
                                     digest_text(&fixture_manifest.pcr11_enter_initrd, digits),
                                     2 * DIGEST_SIZE),
                         0);
    json_object_put(facts);
}

static void check_running_system(struct place *place)
{
    json_object *status = read_json(place, "broch status --json");
    _cleanup_free_ char *write = run_inside(place, "touch /usr/x 2>&1");
    _cleanup_free_ char *execute =
        run_inside(place, "cp /bin/true /tmp/t && /tmp/t 2>&1; rm -f /tmp/t");
    _cleanup_free_ char *lockdown = run_inside(place, "cat /sys/kernel/security/lockdown");
    _cleanup_free_ char *modules =
        run_inside(place, "uname -r; test -d /lib/modules/$(uname -r) && echo there");
    _cleanup_free_ char *motd = run_inside(place, "cat /etc/motd");
    /* A module that nobody the kernel knows had signed would stand here. */
    _cleanup_free_ char *tainted =
        run_inside(place, "echo tainted=$(cat /proc/sys/kernel/tainted).");
    const char *text = json_object_to_json_string(status);

    assert_non_null(strstr(text, fixture_manifest.name));
    assert_non_null(strstr(text, "development"));
    assert_non_null(strstr(text, "persistent"));
    assert_non_null(strstr(write, "Read-only"));
    assert_non_null(strstr(execute, "ermission denied"));
    assert_non_null(strstr(lockdown, "[integrity]"));
    assert_non_null(strstr(modules, "there"));
    assert_non_null(strstr(motd, "development"));
    assert_non_null(strstr(tainted, "tainted=0."));
    json_object_put(status);
}

/* admin is not root, and becomes it with the password. */
static void check_rights(struct place *place)
{
    _cleanup_free_ char *before = run_inside(place, "echo \"uid=$(id -u)\"");
    _cleanup_free_ char *after = as_root(place, "echo \"uid=$(id -u)\"; echo 'it'\\''s'");

    assert_non_null(strstr(before, "uid=1000"));
    assert_non_null(strstr(after, "uid=0"));
    assert_non_null(strstr(after, "it's"));
}

/* doas asks for admin's password. */
static void type_as_root(struct place *place, const char *command)
{
    _cleanup_free_ char *line = text_make("doas %s\n", command);

    assert_int_equal(vm_type(place->vm, line, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "assword", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, "broch\n", &place->f), 0);
}

/* One machine, all the way: firmware, ready, log in, look, reboot, ready, power off. */
static void test_secure_boot(void **state)
{
    struct place *place = *state;
    enum vm_end_reason reason;
    const char *line;

    start(place);
    line = expect_ready(place);
    expect_identity(line);
    expect_word(line, "slot=A");
    expect_word(line, "secureboot=on");
    expect_word(line, "tpm=on");
    login(place);
    check_facts(place);
    check_running_system(place);
    check_rights(place);
    type_as_root(place, "reboot");
    line = expect_ready(place); /* the attempt counter was cleared, or this would end in a halt */
    expect_word(line, "secureboot=on");
    login(place);
    type_as_root(place, "poweroff");
    assert_int_equal(vm_wait_end(place->vm, PATIENCE_NS, &reason, &place->f), 0);
    assert_int_equal(reason, VM_END_POWEROFF);
    assert_int_equal(vm_counts(place->vm).watchdogs, 0);
}

static void make_addon(struct place *place, const char *name, bool sign)
{
    _cleanup_free_ char *certificate = text_make("%s/db.crt", fixture_keys);
    _cleanup_free_ char *key = text_make("%s/db.key", fixture_keys);
    const char *plain = place_path(place, "plain.addon.efi"), *path = place_path(place, name);
    const struct arguments make =
        ARGUMENTS("ukify", "build", "--stub=/usr/lib/systemd/boot/efi/addonx64.efi.stub",
                  "--cmdline=broch.verity=0000", "--output", sign ? plain : path);
    const struct arguments signing =
        ARGUMENTS("osslsigncode", "sign", "-certs", certificate, "-key", key, "-h", "sha256", "-in",
                  plain, "-out", path);

    in_tree(place, &make);
    if (sign)
        in_tree(place, &signing);
}

/* Load options, an unsigned add-on, credentials and system extensions: none of them is part of what
 * was signed, and none of them changes anything. */
static void test_surroundings_are_ignored(void **state)
{
    struct place *place = *state;
    const char *junk = place_path(place, "junk");
    _cleanup_free_ char *cmdline = NULL;

    make_addon(place, "unsigned.addon.efi", false);
    assert_int_equal(file_write(junk, "not an image", 12, 0644, &place->f), 0);
    slot_make_folder(place, "EFI/broch/linux.efi.extra.d");
    slot_put(place, place_path(place, "unsigned.addon.efi"),
             "EFI/broch/linux.efi.extra.d/unsigned.addon.efi");
    slot_put(place, junk, "EFI/broch/linux.efi.extra.d/evil.cred");
    slot_put(place, junk, "EFI/broch/linux.efi.extra.d/evil.sysext.raw");
    use_boot_entry(place, "init=/bin/sh broch.verity=0000 console=ttyS1");
    start(place);
    expect_identity(expect_ready(place));
    login(place);
    cmdline = run_inside(place, "cat /proc/cmdline");
    assert_non_null(strstr(cmdline, fixture_manifest.cmdline));
    assert_null(strstr(cmdline, "/bin/sh"));
    assert_null(strstr(cmdline, "0000 "));
}

/* The negative twin of the unsigned add-on stands in refuse_test.c; this one is signed with db. */
static void test_signed_addon(void **state)
{
    struct place *place = *state;

    make_addon(place, "signed.addon.efi", true);
    slot_make_folder(place, "EFI/broch/linux.efi.extra.d");
    slot_put(place, place_path(place, "signed.addon.efi"),
             "EFI/broch/linux.efi.extra.d/signed.addon.efi");
    use_boot_entry(place, NULL);
    place->config.reboot_ends = true;
    assert_int_equal(vm_configure(place->vm, &place->config, &place->f), 0);
    start(place);
    expect_refusal(place, "BR-BOOT-CMDLINE");
}

static void test_without_secure_boot_and_tpm(void **state)
{
    struct place *place = *state;
    const char *line;

    place->config.secure_boot = false;
    place->config.keys = NULL;
    place->config.tpm = false;
    start(place);
    line = expect_ready(place);
    expect_identity(line);
    expect_word(line, "secureboot=off");
    expect_word(line, "tpm=off");
}

static void test_direct(void **state)
{
    struct place *place = *state;
    const char *line;

    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    start(place);
    line = expect_ready(place);
    expect_identity(line);
    expect_word(line, "slot=direct");
    expect_word(line, "secureboot=off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_direct, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_secure_boot, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_surroundings_are_ignored, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_signed_addon, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_without_secure_boot_and_tpm, place_setup,
                                        place_teardown),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
