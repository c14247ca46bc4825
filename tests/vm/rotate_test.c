/* Secure Boot's keys are changed on a machine whose disk the TPM opens: it goes on opening. The
 * same change without asking first costs the recovery key; one that would forbid the running boot
 * file is refused. BROCH_SOAK=1 runs every row, else a sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/key_change.h"
#include "sys/file.h"
#include "vm/variables.h"
#include "opened.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What the factory makes of this machine's keys, into the slot, where the machine finds it. */
static void put_change(struct place *place, enum key_variable variable, const char *what,
                       const char *name)
{
    const struct key_addition addition = { .variable = variable,
                                           .what = what,
                                           .now = fixture_manifest.date };
    _cleanup_free_ char *target = text_make("EFI/broch/%s", name);
    struct keys keys = KEYS_INIT;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    assert_non_null(target);
    assert_int_equal(keys_open(fixture_keys, &keys, &place->f), 0);
    if (key_change_make(&keys, &addition, &bytes, &size, &place->f) < 0)
        fail_msg("%s", place->f.text);
    keys_done(&keys);
    assert_int_equal(file_write(place_path(place, name), bytes, size, 0644, &place->f), 0);
    slot_put(place, place_path(place, name), target);
}

static void begin(struct place *place)
{
    expect_opened_by_tpm(place);
    (void)expect_ready(place);
    login(place);
    free(as_root(place, "mkdir -p /run/changes; mount -o ro /dev/vda1 /run/changes"));
}

/* `broch secureboot apply` ends with this exit code, and says this. */
static void apply(struct place *place, const char *name, unsigned code, const char *text)
{
    _cleanup_free_ char *command =
        text_make("broch secureboot apply /run/changes/EFI/broch/%s 2>&1; echo \"code=$?\"", name);
    _cleanup_free_ char *wanted = text_make("code=%u", code);
    _cleanup_free_ char *output = as_root(place, command);

    if (!strstr(output, wanted) || !strstr(output, text))
        fail_msg("expected '%s' and '%s' in: %s", wanted, text, output);
}

/* Asked for, sealed by stage 1 at the next start, made, and the start after it opens by itself. */
static void rotate(struct place *place, const char *name, const char *variable)
{
    _cleanup_free_ char *changed = text_make("%s is changed", variable);
    _cleanup_free_ char *holds = text_make("%s holds all of this already", variable);

    apply(place, name, EXIT_CODE_REBOOT_NEEDED, "seals the disk for this change");
    restart(place);
    begin(place);
    apply(place, name, EXIT_CODE_REBOOT_NEEDED, changed);
    restart(place);
    begin(place);
    apply(place, name, EXIT_CODE_NOTHING_TO_DO, holds);
}

static void test_dbx(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *output = NULL;

    put_change(place, KEY_VARIABLE_DBX, HASH, "dbx.auth");
    put_change(place, KEY_VARIABLE_DBX, artifact("linux.efi"), "revoke.auth");
    start(place);
    begin(place);
    apply(place, "revoke.auth", EXIT_CODE_VERIFICATION_FAILED, "BR-SECUREBOOT-REVOKES");
    rotate(place, "dbx.auth", "dbx");
    output = as_root(place, "broch secureboot status");
    assert_non_null(strstr(output, "a boot file's hash"));
    assert_non_null(strstr(output, "allowed"));
    apply(place, "revoke.auth", EXIT_CODE_VERIFICATION_FAILED, "BR-SECUREBOOT-REVOKES");
}

/* A new certificate in db, and then a second change on top of it. */
static void test_db(void **state)
{
    struct place *place = *state;
    const char *keys = place_path(place, "new-keys"), *crt = place_path(place, "new-keys/db.crt");
    const char *other = place_path(place, "new-keys/KEK.crt");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", fixture_keys);

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    put_change(place, KEY_VARIABLE_DB, crt, "db.auth");
    put_change(place, KEY_VARIABLE_KEK, other, "kek.auth");
    put_change(place, KEY_VARIABLE_DBX, certificate, "revoke.auth");
    start(place);
    begin(place);
    apply(place, "revoke.auth", EXIT_CODE_VERIFICATION_FAILED, "BR-SECUREBOOT-REVOKES");
    rotate(place, "db.auth", "db");
    rotate(place, "kek.auth", "KEK");
}

/* Somebody else's signature. */
static void test_foreign(void **state)
{
    struct place *place = *state;
    const char *theirs = place_path(place, "their-keys");
    const char *ours = fixture_keys;

    assert_int_equal(keys_init(theirs, false, fixture_manifest.date, &place->f), 0);
    fixture_keys = theirs;
    put_change(place, KEY_VARIABLE_DBX, HASH, "dbx.auth");
    fixture_keys = ours;
    start(place);
    begin(place);
    apply(place, "dbx.auth", EXIT_CODE_VERIFICATION_FAILED, "BR-SECUREBOOT-SIGNER");
}

/* The twin: the same hash in dbx, and nobody has sealed for it. */
static void test_unasked(void **state)
{
    struct place *place = *state;
    const char *variables = place_path(place, "machine/variables.fd");

    assert_int_equal(vm_variables_forbid(fixture_tree, variables, HASH, &place->f), 0);
    start(place);
    expect_prompt(place, "BR-UNSEAL-PCR7");
    recover_and_expect_tpm(place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened_setup, place_teardown)
    const struct CMUnitTest sample[] = { TEST(test_dbx) };
    const struct CMUnitTest all[] = {
        TEST(test_dbx),
        TEST(test_db),
        TEST(test_foreign),
        TEST(test_unasked),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, opened_start, opened_stop)
                                : cmocka_run_group_tests(sample, opened_start, opened_stop);
}
