/* Machines that must not come up: every change of what was signed is refused, by the firmware or by
 * stage 1 with its code, and `broch ready` never appears. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/keys.h"
#include "sys/file.h"
#include "fixture.h"

enum { BLOCK = 4096, PROBE_SIZE = 64 };

/* Size of the data in front of the hash tree: the superblock counts blocks at offset 24... but the
 * test must not trust the code that it tests, so it looks for the superblock's magic itself. */
static uint64_t hash_offset(const char *image)
{
    uint64_t offset = find_bytes(image, "verity\0\0\1\0\0\0\1\0\0\0", 16);

    assert_int_equal(offset % BLOCK, 0);
    return offset;
}

static void boot_refused_by_firmware(struct place *place, const char *uki)
{
    slot_put_uki(place, uki);
    start(place);
    expect_firmware_refusal(place);
}

/* --- The signed file --- */

static void test_flipped_kernel(void **state)
{
    struct place *place = *state;
    const char *uki = copy_artifact(place, "linux.efi");

    /* In the middle of .linux: the bytes of vmlinuz are in the file as they are. */
    char probe[PROBE_SIZE];
    FILE *file = fopen(artifact("vmlinuz"), "re");

    assert_non_null(file);
    assert_int_equal(fseek(file, 1 << 20, SEEK_SET), 0);
    assert_int_equal(fread(probe, sizeof(probe), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    flip(place, uki, find_bytes(uki, probe, sizeof(probe)));
    boot_refused_by_firmware(place, uki);
}

static void test_flipped_cmdline(void **state)
{
    struct place *place = *state;
    const char *uki = copy_artifact(place, "linux.efi");

    flip(place, uki,
         find_bytes(uki, fixture_manifest.cmdline, strlen(fixture_manifest.cmdline)) + 10);
    boot_refused_by_firmware(place, uki);
}

static void test_unsigned_uki(void **state)
{
    struct place *place = *state;
    const char *uki = place_path(place, "unsigned.efi");
    const struct arguments arguments =
        ARGUMENTS("osslsigncode", "remove-signature", "-in", artifact("linux.efi"), "-out", uki);

    in_tree(place, &arguments);
    boot_refused_by_firmware(place, uki);
}

static void test_other_key(void **state)
{
    struct place *place = *state;
    const char *plain = place_path(place, "unsigned.efi"), *uki = place_path(place, "other.efi");
    const char *keys = place_path(place, "other-keys");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", keys);
    _cleanup_free_ char *key = text_make("%s/db.key", keys);
    const struct arguments strip =
        ARGUMENTS("osslsigncode", "remove-signature", "-in", artifact("linux.efi"), "-out", plain);
    const struct arguments sign = ARGUMENTS("osslsigncode", "sign", "-certs", certificate, "-key",
                                            key, "-h", "sha256", "-in", plain, "-out", uki);

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    in_tree(place, &strip);
    in_tree(place, &sign);
    boot_refused_by_firmware(place, uki);
}

static void test_forbidden_hash(void **state)
{
    static const char mark[] = "Calculated message digest : ";
    struct place *place = *state;
    _cleanup_free_ char *certificate = text_make("%s/db.crt", fixture_keys);
    const struct arguments arguments =
        ARGUMENTS("osslsigncode", "verify", "-CAfile", certificate, "-in", artifact("linux.efi"));
    _cleanup_free_ char *output = in_tree_output(place, &arguments);
    const char *found = strstr(output, mark);
    char hash[DIGEST_TEXT_SIZE] = "";

    if (!found)
        fail_msg("osslsigncode names no digest: %s", output);
    for (size_t i = 0; i < DIGEST_TEXT_SIZE - 1; i++)
        hash[i] = (char)tolower((unsigned char)found[strlen(mark) + i]);
    place->config.forbidden_hashes[0] = hash;
    start(place);
    expect_firmware_refusal(place);
}

/* --- The command line --- */

static void test_smbios_string(void **state)
{
    struct place *place = *state;

    place->config.smbios[0] = "io.systemd.stub.kernel-cmdline-extra=broch.verity=0000";
    place->config.reboot_ends = true;
    start(place);
    expect_refusal(place, "BR-BOOT-CMDLINE");
}

/* --- The system image --- */

static void boot_image(struct place *place, const char *image)
{
    slot_put(place, image, "EFI/broch/system.erofs");
    place->config.reboot_ends = true;
    start(place);
}

/* In a block that every boot reads: a text of the program that stage 1 hands over to. */
#define STRING_OF_INIT "only the kernel starts this program, as PID 1"

static void test_flipped_data(void **state)
{
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");

    flip(place, image, find_bytes(image, STRING_OF_INIT, strlen(STRING_OF_INIT)));
    boot_image(place, image);
    expect_corruption_restart(place);
}

/* The top block of the tree lies right behind the superblock's block. */
static void test_flipped_tree(void **state)
{
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");

    flip(place, image, hash_offset(image) + BLOCK + 5);
    boot_image(place, image);
    expect_corruption_restart(place);
}

/* Refused twice: the first time the machine restarts, the second time it stops and says so. */
static void test_flipped_superblock(void **state)
{
    static const char *const halts[] = { "end=halt", "broch ready " };
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");
    struct vm_match match;

    flip(place, image, hash_offset(image) + 20); /* the UUID */
    slot_put(place, image, "EFI/broch/system.erofs");
    start(place);
    expect_refusal(place, "BR-BOOT-IMAGE-FOREIGN");
    expect_refusal(place, "BR-BOOT-IMAGE-FOREIGN");
    assert_int_equal(
        vm_wait_marker(place->vm, halts, ARRAY_SIZE(halts), PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(match.index, 0);
    assert_int_equal(vm_counts(place->vm).guest_resets, 1);
}

static void test_image_missing(void **state)
{
    struct place *place = *state;

    slot_remove(place, "EFI/broch/system.erofs");
    place->config.reboot_ends = true;
    start(place);
    expect_refusal(place, "BR-BOOT-IMAGE-MISSING");
}

/* A sound image with its own sound tree, but not the one that was signed. */
static void test_image_of_another_generation(void **state)
{
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");
    uint64_t offset = hash_offset(image);
    _cleanup_free_ char *option = text_make("--hash-offset=%llu", (unsigned long long)offset);
    _cleanup_free_ char *blocks =
        text_make("--data-blocks=%llu", (unsigned long long)(offset / BLOCK));
    const struct arguments arguments =
        ARGUMENTS("veritysetup", "format", "--hash=sha256", option, blocks, image, image);

    in_tree(place, &arguments);
    boot_image(place, image);
    expect_refusal(place, "BR-BOOT-IMAGE-FOREIGN");
}

/* A byte-for-byte copy of the disk beside it. */
static void test_copied_disk(void **state)
{
    struct place *place = *state;
    const char *copy = place_path(place, "copy.raw");

    assert_int_equal(file_copy(place->disk, copy, 0600, &place->f), 0);
    place->config.disks[1] = (struct vm_disk){ .path = copy, .format = VM_DISK_RAW };
    place->config.reboot_ends = true;
    start(place);
    expect_refusal(place, "BR-BOOT-SLOT-TWICE");
}

/* --- Started directly: a failure stops the machine, and each has its code --- */

static void expect_halt(struct place *place)
{
    static const char *const texts[] = { "end=halt", "end=reboot", "broch ready " };
    struct vm_match match;

    assert_int_equal(
        vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(match.index, 0);
}

static void test_direct_cmdline(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *cmdline = text_make("%s debug", fixture_manifest.cmdline);

    use_direct(place, cmdline, artifact("system.erofs"));
    start(place);
    expect_refusal(place, "BR-BOOT-CMDLINE");
    expect_halt(place);
}

static void test_direct_foreign_disk(void **state)
{
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");

    flip(place, image, hash_offset(image) + 20);
    use_direct(place, fixture_manifest.cmdline, image);
    start(place);
    expect_refusal(place, "BR-BOOT-IMAGE-MISSING");
    expect_halt(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
        TEST(test_flipped_kernel),
        TEST(test_flipped_cmdline),
        TEST(test_unsigned_uki),
        TEST(test_other_key),
        TEST(test_forbidden_hash),
        TEST(test_smbios_string),
        TEST(test_flipped_data),
        TEST(test_flipped_tree),
        TEST(test_flipped_superblock),
        TEST(test_image_missing),
        TEST(test_image_of_another_generation),
        TEST(test_copied_disk),
        TEST(test_direct_cmdline),
        TEST(test_direct_foreign_disk),
#undef TEST
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
