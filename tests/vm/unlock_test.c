/* The unlock matrix: what opens a machine's disk, what does not, and the way out of it. Every row
 * ends in an open disk, or in the one code that docs/reference/errors.md has for it. BROCH_SOAK=1
 * runs every row, else those that differ most. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/derive.h"
#include "disk/recovery_key.h"
#include "disk/volume.h"
#include "image/keys.h"
#include "sys/file.h"
#include "opened.h"
#include "two_slots.h"
#include "vm/variables.h"

/* A key of the right form that opens nothing. */
#define WRONG_KEY "000000-000011-000022-000033-000044-000055-000066-000077"

/* --- The same machine --- */

/* All the way to the running system, which shows how it was opened and can unseal nothing more. */
static void test_same_machine(void **state)
{
    struct place *place = *state;
    char digits[DIGEST_TEXT_SIZE];
    const char *ready;

    start(place);
    expect_opened_by_tpm(place);
    ready = expect_ready(place);
    assert_non_null(strstr(ready, "tpm=on"));
    login(place);
    expect(place, false, "cat /run/broch/boot.json", "\"route\": \"tpm\"");
    expect(place, false, "grep -c ' /var btrfs' /proc/mounts", "1");
    /* The TPM gives the secret for one value of PCR 11 only, and that is gone. */
    expect_not(place, false, "cat /sys/class/tpm/tpm0/pcr-sha256/11 | tr A-F a-f",
               digest_text(&fixture_manifest.pcr11_enter_initrd, digits));
    /* The verdict of a good start leaves a ticket, which saves the next one three commands. A root
     * that there is no kind for is told, and not followed. */
    free(as_root(place, "echo subvol:debian >/var/lib/broch/root; sync"));
    await_as(place, true,
             "grep -q '\"service\":\"verdict\".*\"to\":\"done\"' /run/broch/events.jsonl && "
             "echo SETT''LED",
             "SETTLED", true);
    restart(place);
    expect_opened_by_tpm(place);
    (void)expect_ready(place);
    assert_non_null(
        strstr(vm_console(place->vm), "root-refused=\"no kind of root: 'subvol:debian'"));
    login(place);
    expect(place, false, "cat /run/broch/boot.json", "\"tpm_commands\": 8}");
    expect(place, false, "cat /run/broch/boot.json", "\"root\": \"system\"");
}

/* --- Another TPM, or none to speak of --- */

static void test_tpm_cleared(void **state)
{
    struct place *place = *state;

    free(with_tpm(place, "tpm2_clear -c p"));
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    recover_and_expect_tpm(place);
}

/* The disk in another machine: same firmware and keys, another TPM. */
static void test_other_tpm(void **state)
{
    struct place *place = *state;

    replace_tpm(place);
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    recover_and_expect_tpm(place);
}

/* A machine whose TPM belongs to somebody else is not taken from them: the key is asked for at each
 * start. */
static void test_owned_tpm(void **state)
{
    struct place *place = *state;

    replace_tpm(place);
    free(with_tpm(place, "tpm2_changeauth -c owner somebody"));
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    open_by_recovery(place, opened_key);
    assert_non_null(strstr(vm_console(place->vm), "tpm-not-enrolled="));
    restart(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
}

static void test_bank_off(void **state)
{
    struct place *place = *state;

    free(with_tpm(place, "tpm2_pcrallocate -P '' sha256:none+sha384:all"));
    start(place);
    expect_prompt(place, "BR-UNSEAL-BANK");
    open_by_recovery(place, opened_key);
}

static void test_without_tpm(void **state)
{
    struct place *place = *state;

    place->config.tpm = false;
    assert_int_equal(vm_configure(place->vm, &place->config, &place->f), 0);
    start(place);
    expect_prompt(place, NULL);
    open_by_recovery(place, opened_key);
    (void)expect_ready(place);
    login(place);
    expect(place, false, "cat /run/broch/boot.json", "\"route\": \"recovery\"");
}

/* --- PCR 7 --- */

static void add_db_key(struct place *place, const char *certificate)
{
    const char *variables = place_path(place, "machine/variables.fd");
    const struct arguments arguments =
        ARGUMENTS("virt-fw-vars", "--inplace", variables, "--add-db",
                  "a0baa8a3-041d-48a8-bc87-c36d121b5e3d", certificate);

    in_tree(place, &arguments);
}

static void test_other_key_enrolled(void **state)
{
    struct place *place = *state;
    const char *keys = place_path(place, "other-keys");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", keys);

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    add_db_key(place, certificate);
    start(place);
    expect_prompt(place, "BR-UNSEAL-PCR7");
    recover_and_expect_tpm(place);
}

/* Without Secure Boot there is no way by the TPM, and none is made. */
static void test_secure_boot_off(void **state)
{
    struct place *place = *state;

    place->config.secure_boot = false;
    place->config.keys = NULL;
    assert_int_equal(vm_configure(place->vm, &place->config, &place->f), 0);
    start(place);
    expect_prompt(place, NULL);
    open_by_recovery(place, opened_key);
    restart(place);
    expect_prompt(place, NULL);
}

/* --- The header --- */

static void test_other_org(void **state)
{
    struct place *place = *state;
    char wanted[] = "\"org\":\"";
    _cleanup_free_ char *former = NULL;

    save_headers(place, "headers");
    /* One digit of 64, whatever it is. */
    {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        const char *org;

        assert_int_equal(
            file_read(place_path(place, "headers"), PERSIST_HEADERS_SIZE, &bytes, &size, &place->f),
            0);
        org = memmem(bytes, size, wanted, strlen(wanted));
        assert_non_null(org);
        former = strndup(org + strlen(wanted), 64);
    }
    assert_non_null(former);
    edit_headers(place, wanted, former,
                 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    start(place);
    expect_prompt(place, "BR-PERSIST-KEY");
    recover_and_expect_tpm(place);
}

/* --- Generations --- */

/* A boot file with one letter of .osrel changed, signed by the same db key: it may start, and what
 * it is was signed by nobody. */
static const char *make_other_uki(struct place *place)
{
    static const char mark[] = "PRETTY_NAME=";
    const char *plain = place_path(place, "unsigned.efi"), *uki = place_path(place, "other.efi");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", fixture_keys);
    _cleanup_free_ char *key = text_make("%s/db.key", fixture_keys);
    const struct arguments strip =
        ARGUMENTS("osslsigncode", "remove-signature", "-in", artifact("linux.efi"), "-out", plain);
    const struct arguments sign = ARGUMENTS("osslsigncode", "sign", "-certs", certificate, "-key",
                                            key, "-h", "sha256", "-in", plain, "-out", uki);

    in_tree(place, &strip);
    flip(place, plain, find_bytes(plain, mark, strlen(mark)) + strlen(mark) + 1);
    in_tree(place, &sign);
    return uki;
}

static void test_unsigned_policy(void **state)
{
    struct place *place = *state;

    slot_put_uki(place, make_other_uki(place));
    start(place);
    expect_prompt(place, "BR-UNSEAL-PCR11");
    open_by_recovery(place, opened_key);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    /* The disk is open to whoever has the key; by itself it opens for the generation before. */
    slot_put_uki(place, artifact("linux.efi"));
    restart(place);
    expect_opened_by_tpm(place);
}

/* On trial nobody waits for a person: the generation before is well, and the machine goes back. */
static void test_unsigned_on_trial(void **state)
{
    struct place *place = *state;
    const char *store = place_path(place, "machine/variables.fd");
    const char *const ends[] = { "end=other", "recovery key (try", "broch ready " };
    struct vm_match match = { .index = ARRAY_SIZE(ends) };

    two_slots_fill_b(place, make_other_uki(place));
    two_slots_entries(place, store);
    assert_int_equal(vm_variables_set_boot_next(fixture_tree, store, TWO_SLOTS_ENTRY_B, &place->f),
                     0);
    start(place);
    assert_int_equal(
        vm_wait_marker(place->vm, ends, ARRAY_SIZE(ends), PATIENCE_NS, &match, &place->f), 0);
    if (match.index != 0)
        fail_msg("slot B did not go back: %s", match.line);
    assert_non_null(strstr(match.line, "BR-UNSEAL-PCR11"));
    expect_opened_by_tpm(place);
    assert_non_null(strstr(vm_console(place->vm), "last-failure=\"slot=B BR-UNSEAL-PCR11"));
}

/* The place of snapshots is gone, as on a disk that is full or damaged, and another generation ran
 * last. */
static void lose_snapshots(struct place *place)
{
    start(place);
    (void)expect_ready(place);
    login(place);
    expect(place, true,
           "mkdir /run/whole && mount -o subvol=/ /dev/mapper/broch-persist /run/whole && "
           "rmdir /run/whole/@snapshots && printf other >/var/lib/broch/last-generation && "
           "umount /run/whole && sync; echo =$?",
           "=0");
}

/* A machine that is not on trial starts all the same, and says so. */
static void test_no_snapshots(void **state)
{
    struct place *place = *state;

    lose_snapshots(place);
    restart(place);
    expect_opened_by_tpm(place);
    assert_non_null(strstr(vm_console(place->vm), "broch stage1 snapshots-refused="));
}

/* The only failure with the disk open that can be had: a trial goes back before it has changed
 * anything, and leaves nothing of the disk in the kernel. */
static void test_no_snapshots_on_trial(void **state)
{
    struct place *place = *state;
    const char *store = place_path(place, "machine/variables.fd");
    const char *const ends[] = { "end=other", "broch ready " };
    struct vm_match match = { .index = ARRAY_SIZE(ends) };

    lose_snapshots(place);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    two_slots_fill_b(place, artifact("linux.efi"));
    two_slots_entries(place, store);
    assert_int_equal(vm_variables_set_boot_next(fixture_tree, store, TWO_SLOTS_ENTRY_B, &place->f),
                     0);
    assert_int_equal(vm_start(place->vm, &place->f), 0);
    assert_int_equal(
        vm_wait_marker(place->vm, ends, ARRAY_SIZE(ends), PATIENCE_NS, &match, &place->f), 0);
    if (match.index != 0)
        fail_msg("slot B did not go back: %s", match.line);
    assert_non_null(strstr(match.line, "BR-PERSIST-SNAPSHOT"));
    assert_null(strstr(vm_console(place->vm), "disk-still-mapped"));
    expect_opened_by_tpm(place);
}

/* An older generation stays out, whatever key somebody has, and with every header that the disk
 * ever had. */
static void test_epoch(void **state)
{
    struct place *place = *state;

    save_headers(place, "old-headers");
    write_epoch(place, 2);
    start(place);
    expect_disk_refusal(place, "BR-UNSEAL-EPOCH");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    restore_headers(place, "old-headers");
    restart(place);
    expect_disk_refusal(place, "BR-UNSEAL-EPOCH");
}

/* --- The epoch index --- */

/* Everything that another system can try without the owner's authorization. */
static void test_index_defended(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *before =
        with_tpm(place, "tpm2_nvreadpublic; tpm2_nvread " EPOCH_INDEX " | od -An -tx1");
    _cleanup_free_ char *after = NULL;

    /* The platform's authorization is the firmware's: taken away as the firmware does it. */
    free(with_tpm(place,
                  "printf '\\0\\0\\0\\0\\0\\0\\0\\0' >zero; tpm2_changeauth -c platform firmware; "
                  "! tpm2_nvwrite -C o -i zero " EPOCH_INDEX "; "
                  "! tpm2_nvwrite -C " EPOCH_INDEX " -i zero " EPOCH_INDEX "; "
                  "! tpm2_nvundefine -C o " EPOCH_INDEX "; "
                  "! tpm2_nvundefine -C p " EPOCH_INDEX "; "
                  "! tpm2_nvdefine -C o -s 8 0x01800101; "
                  "! tpm2_evictcontrol -C o -c 0x81000001; "
                  "! tpm2_clear -c l; ! tpm2_clear -c p; "
                  "! tpm2_changeauth -c owner mine"));
    after = with_tpm(place, "tpm2_nvreadpublic; tpm2_nvread " EPOCH_INDEX " | od -An -tx1");
    assert_string_equal(before, after);
    start(place);
    expect_opened_by_tpm(place);
}

/* Deleted with the platform's authorization, which a real firmware gives nobody. */
static void test_index_deleted(void **state)
{
    struct place *place = *state;

    free(with_tpm(place, "tpm2_nvundefine -C p " EPOCH_INDEX));
    start(place);
    expect_prompt(place, "BR-UNSEAL-NV");
    recover_and_expect_tpm(place);
}

/* Put back with the same number and value by somebody else: another index by its name. */
static void test_index_remade(void **state)
{
    struct place *place = *state;

    free(with_tpm(
        place,
        "tpm2_nvundefine -C p " EPOCH_INDEX "; "
        "tpm2_nvdefine -C p -s 8 -a 'ppwrite|authread|no_da|platformcreate' " EPOCH_INDEX
        "; printf '\\0\\0\\0\\0\\0\\0\\0\\0' >zero; tpm2_nvwrite -C p -i zero " EPOCH_INDEX));
    start(place);
    expect_prompt(place, "BR-UNSEAL-NV");
    open_by_recovery(place, opened_key);
}

/* --- Typing the key --- */

/* A slip costs no try; three keys that are none cost the boot. */
static void test_wrong_keys(void **state)
{
    struct place *place = *state;

    replace_tpm(place);
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    assert_int_equal(vm_type(place->vm, "123456", &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "group 1 is mistyped", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, WRONG_KEY, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "(try 2 of 3): ", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, WRONG_KEY, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "(try 3 of 3): ", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, WRONG_KEY, &place->f), 0);
    expect_disk_refusal(place, "BR-PERSIST-KEY");
    /* The same machine with the right key, after two wrong ones. */
    restart(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    assert_int_equal(vm_type(place->vm, WRONG_KEY, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "(try 2 of 3): ", PATIENCE_NS, &place->f), 0);
    open_by_recovery(place, opened_key);
}

/* On the screen, with a keyboard that is plugged into USB. */
static void test_keyboard(void **state)
{
    struct place *place = *state;
    static const char *const texts[] = { "step=persist status=ok", "status=fail" };
    struct vm_match match = { .index = 0 };

    replace_tpm(place);
    place->config.display = true;
    place->config.extra[0] = "-device";
    place->config.extra[1] = "qemu-xhci,id=keyboardbus";
    place->config.extra[2] = "-device";
    place->config.extra[3] = "usb-kbd,bus=keyboardbus.0";
    assert_int_equal(vm_configure(place->vm, &place->config, &place->f), 0);
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    assert_int_equal(vm_press_keys(place->vm, opened_key, &place->f), 0);
    assert_int_equal(
        vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(match.index, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened_setup, place_teardown)
#define SAMPLE                                                                                     \
    TEST(test_same_machine), TEST(test_tpm_cleared), TEST(test_secure_boot_off),                   \
        TEST(test_unsigned_policy), TEST(test_unsigned_on_trial), TEST(test_epoch),                \
        TEST(test_index_defended), TEST(test_index_deleted), TEST(test_wrong_keys),                \
        TEST(test_keyboard)
    const struct CMUnitTest sample[] = { SAMPLE };
    const struct CMUnitTest all[] = { SAMPLE,
                                      TEST(test_bank_off),
                                      TEST(test_other_org),
                                      TEST(test_other_key_enrolled),
                                      TEST(test_other_tpm),
                                      TEST(test_owned_tpm),
                                      TEST(test_without_tpm),
                                      TEST(test_index_remade),
                                      TEST(test_no_snapshots),
                                      TEST(test_no_snapshots_on_trial) };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, opened_start, opened_stop)
                                : cmocka_run_group_tests(sample, opened_start, opened_stop);
}
