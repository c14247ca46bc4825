/* Every failure of stage 1 that refuse_test.c does not force by tampering: each ends in its
 * documented code. Most start the kernel directly, with an archive behind the initrd whose files
 * take the place of those in it, which a signed UKI does not allow. */
#include <fcntl.h>
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
#include "boot/attempts.h"
#include "boot/initrd.h"
#include "boot/superblock.h"
#include "image/cpio.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "vm/variables.h"
#include "fixture.h"

/* What the dynamic loader puts before every other library. */
#define PRELOAD     "etc/ld.so.preload"
#define TPM_LIBRARY "lib/broken-tpm.so"

enum {
    INITRD_SIZE_MAX = 64 << 20,
    DATA_SIZE = 1 << 20,
    GUID_SIZE = 16,
    SECTOR = 512,
};

/* --- Other files in the initrd --- */

/* The kernel unpacks archives that follow each other; zeros may lie between. */
static const char *append(struct place *place, struct cpio *cpio)
{
    const char *more = place_path(place, "more.cpio"), *path = place_path(place, "initrd");
    _cleanup_free_ uint8_t *base = NULL, *extra = NULL;
    static const uint8_t zeros[4] = { 0 };
    size_t base_size, extra_size;
    FILE *file;

    assert_int_equal(cpio_write(cpio, more, 0, &place->f), 0);
    cpio_done(cpio);
    assert_int_equal(file_read(artifact("initrd"), INITRD_SIZE_MAX, &base, &base_size, &place->f),
                     0);
    assert_int_equal(file_read(more, INITRD_SIZE_MAX, &extra, &extra_size, &place->f), 0);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(base, 1, base_size, file), base_size);
    assert_int_equal(fwrite(zeros, 1, -base_size % 4, file), -base_size % 4);
    assert_int_equal(fwrite(extra, 1, extra_size, file), extra_size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void add(struct place *place, struct cpio *cpio, const char *path, const void *bytes,
                size_t size)
{
    const char *below = path[0] == '/' ? path + 1 : path;

    assert_int_equal(cpio_add_bytes(cpio, below, bytes, size, &place->f), 0);
}

static void start_with(struct place *place, const char *path, const void *bytes, size_t size)
{
    struct cpio cpio = { .count = 0 };

    add(place, &cpio, path, bytes, size);
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    place->config.initrd = append(place, &cpio);
    start(place);
}

/* Nothing counts attempts here, so the first failure halts, and names its code once more. */
static void expect_halt(struct place *place, const char *code)
{
    static const char *const texts[] = { "end=halt", "end=reboot", "broch ready " };
    struct vm_match match = { .index = ARRAY_SIZE(texts) };

    expect_refusal(place, code);
    assert_int_equal(
        vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(match.index, 0);
    assert_non_null(strstr(match.line, code));
}

/* The twin of all below: it is not the archive that stops a machine. */
static void test_harmless_file(void **state)
{
    start_with(*state, "broch/harmless", "x", 1);
    (void)expect_ready(*state);
}

static void test_pseudo(void **state)
{
    start_with(*state, "run", "no folder to mount on", 21);
    expect_halt(*state, "BR-BOOT-PSEUDO");
}

static void test_module(void **state)
{
    static const char table[] = "load missing.ko\n";

    start_with(*state, INITRD_MODULES, table, strlen(table));
    expect_halt(*state, "BR-BOOT-MODULE");
}

static void test_superblock(void **state)
{
    static const uint8_t zeros[SUPERBLOCK_SIZE] = { 0 };

    start_with(*state, INITRD_SUPERBLOCK, zeros, sizeof(zeros));
    expect_halt(*state, "BR-BOOT-VERITY");
}

/* A key twice, in the signed copy and in what the kernel was started with. */
static void test_cmdline_syntax(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *cmdline = text_make("%s broch.epoch=2", fixture_manifest.cmdline);
    struct cpio cpio = { .count = 0 };

    add(place, &cpio, INITRD_CMDLINE, cmdline, strlen(cmdline));
    use_direct(place, cmdline, artifact("system.erofs"));
    place->config.initrd = append(place, &cpio);
    start(place);
    expect_halt(place, "BR-BOOT-CMDLINE-SYNTAX");
}

/* --- A TPM that answers, and wrongly --- */

static void start_with_tpm(struct place *place, const char *library)
{
    struct cpio cpio = { .count = 0 };

    assert_int_equal(cpio_add_file(&cpio, TPM_LIBRARY, library, false, &place->f), 0);
    add(place, &cpio, PRELOAD, "/" TPM_LIBRARY, strlen("/" TPM_LIBRARY));
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    place->config.tpm = true;
    place->config.initrd = append(place, &cpio);
    start(place);
    expect_halt(place, "BR-BOOT-PCR");
}

static void test_failing_tpm(void **state)
{
    start_with_tpm(*state, FAILING_TPM);
}

static void test_babbling_tpm(void **state)
{
    start_with_tpm(*state, BABBLING_TPM);
}

/* --- System images that are sound, and of no use --- */

/* Adds a hash tree behind the image's data; the root hash as text, freed by the caller. */
static char *make_verity(struct place *place, const char *image, uint64_t data_size)
{
    static const char mark[] = "Root hash:";
    _cleanup_free_ char *offset = text_make("--hash-offset=%llu", (unsigned long long)data_size);
    _cleanup_free_ char *blocks =
        text_make("--data-blocks=%llu", (unsigned long long)data_size / SUPERBLOCK_BLOCK_SIZE);
    const struct arguments arguments =
        ARGUMENTS("veritysetup", "format", "--hash=sha256", offset, blocks, image, image);
    _cleanup_free_ char *output = in_tree_output(place, &arguments);
    const char *found = strstr(output, mark);

    assert_non_null(found);
    found += strlen(mark);
    found += strspn(found, " \t");
    return strndup(found, strcspn(found, " \n"));
}

/* Starts the kernel as if this image had been signed. */
static void start_image(struct place *place, const char *image, uint64_t data_size)
{
    static const char key[] = "broch.verity=";
    _cleanup_free_ char *root = make_verity(place, image, data_size), *cmdline = NULL;
    const char *old = strstr(fixture_manifest.cmdline, key);
    uint8_t superblock[SUPERBLOCK_SIZE];
    struct cpio cpio = { .count = 0 };
    int fd = open(image, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, superblock, sizeof(superblock), (off_t)data_size),
                     sizeof(superblock));
    assert_int_equal(close(fd), 0);
    assert_non_null(old);
    old += strlen(key);
    cmdline = text_make("%.*s%s%s", (int)(old - fixture_manifest.cmdline), fixture_manifest.cmdline,
                        root, old + strcspn(old, " "));
    assert_non_null(cmdline);
    add(place, &cpio, INITRD_CMDLINE, cmdline, strlen(cmdline));
    add(place, &cpio, INITRD_SUPERBLOCK, superblock, sizeof(superblock));
    use_direct(place, cmdline, image);
    place->config.initrd = append(place, &cpio);
    start(place);
}

static void test_no_filesystem(void **state)
{
    static const uint8_t zeros[DATA_SIZE] = { 0 };
    struct place *place = *state;
    const char *image = place_path(place, "zeros.img");

    assert_int_equal(file_write(image, zeros, sizeof(zeros), 0600, &place->f), 0);
    start_image(place, image, sizeof(zeros));
    expect_halt(place, "BR-BOOT-ROOT");
}

static void test_nothing_to_switch_to(void **state)
{
    struct place *place = *state;
    const char *image = place_path(place, "empty.erofs"), *folder = place_path(place, "empty");
    const struct arguments arguments = ARGUMENTS("mkfs.erofs", image, folder);
    _cleanup_free_ char *etc = text_make("%s/etc", folder);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    assert_int_equal(file_make_folders(etc, &place->f), 0);
    in_tree(place, &arguments);
    assert_int_equal(file_read(image, DATA_SIZE, &bytes, &size, &place->f), 0);
    assert_int_equal(size % SUPERBLOCK_BLOCK_SIZE, 0);
    start_image(place, image, size);
    expect_halt(place, "BR-BOOT-SWITCH");
}

/* --- Through the firmware: variables that somebody wrote before --- */

static void use_firmware(struct place *place)
{
    place->config.secure_boot = false;
    place->config.keys = NULL;
    place->config.tpm = false;
    place->config.reboot_ends = true;
    assert_int_equal(vm_open(&place->config, &place->vm, &place->f), 0);
}

static void set_variable(struct place *place, const char *name, const char *guid, const char *hex)
{
    const struct vm_variable variable = {
        name, guid, VM_VARIABLE_NON_VOLATILE | VM_VARIABLE_BOOT | VM_VARIABLE_RUNTIME, hex
    };

    assert_int_equal(vm_variables_set(fixture_tree, place_path(place, "machine/variables-setup.fd"),
                                      &variable, &place->f),
                     0);
}

/* Two starts without a verdict: the third halts, and whoever switches the machine on again gets a
 * fresh try. */
static void test_attempts(void **state)
{
    struct place *place = *state;
    struct attempts attempts = { .slots = { { .count = ATTEMPTS_MAX } } };
    uint8_t bytes[ATTEMPTS_SIZE];
    char hex[2 * ATTEMPTS_SIZE + 1];
    uint64_t sector;

    read_partition(place, 0, attempts.slots[0].guid, &sector);
    attempts_encode(&attempts, bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    use_firmware(place);
    set_variable(place, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, hex);
    start(place);
    expect_halt(place, "BR-BOOT-ATTEMPTS");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    start(place);
    (void)expect_ready(place);
}

/* Says in the loader's place which partition this UKI came from; the stub keeps what is there. */
static void claim_slot(struct place *place, const uint8_t guid[static GUID_SIZE])
{
    /* Three numbers little endian, then bytes (UEFI 2.10, appendix A). */
    static const uint8_t order[GUID_SIZE] = {
        3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
    };
    _cleanup_text_ struct text hex = TEXT_INIT;

    for (size_t i = 0; i < GUID_SIZE; i++) {
        char digits[3];

        hex_encode(&guid[order[i]], 1, digits);
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text_add(&hex, "2d00");
        text_addf(&hex, "%02x00%02x00", (unsigned)digits[0], (unsigned)digits[1]);
    }
    text_add(&hex, "0000");
    set_variable(place, "LoaderDevicePartUUID", EFIVARS_GUID_LOADER, text_string(&hex));
}

static void test_slot_missing(void **state)
{
    static const uint8_t nobody[GUID_SIZE] = { 0x42 };
    struct place *place = *state;

    use_firmware(place);
    claim_slot(place, nobody);
    start(place);
    expect_refusal(place, "BR-BOOT-SLOT-MISSING");
}

static void test_slot_without_filesystem(void **state)
{
    static const uint8_t zeros[SECTOR] = { 0 };
    struct place *place = *state;
    uint8_t guid[GUID_SIZE];
    uint64_t sector;
    int fd = open(place->disk, O_WRONLY | O_CLOEXEC);

    read_partition(place, 1, guid, &sector);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)(sector * SECTOR)), sizeof(zeros));
    assert_int_equal(close(fd), 0);
    use_firmware(place);
    claim_slot(place, guid);
    start(place);
    expect_refusal(place, "BR-BOOT-SLOT-MOUNT");
}

/* The boot stub tells that it measured the boot file, and the kernel finds no TPM: without the cap
 * nothing may go on, since it might be found later. (The variable is a former start's here: this
 * stub has no TPM to measure into, and leaves it.) The twins are all starts without a TPM. */
static void test_tpm_missing(void **state)
{
    struct place *place = *state;

    use_firmware(place);
    set_variable(place, "StubPcrKernelImage", EFIVARS_GUID_LOADER, "310031000000");
    start(place);
    expect_refusal(place, "BR-BOOT-PCR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
        TEST(test_harmless_file), TEST(test_pseudo),         TEST(test_module),
        TEST(test_superblock),    TEST(test_cmdline_syntax), TEST(test_failing_tpm),
        TEST(test_babbling_tpm),  TEST(test_no_filesystem),  TEST(test_nothing_to_switch_to),
        TEST(test_attempts),      TEST(test_slot_missing),   TEST(test_slot_without_filesystem),
        TEST(test_tpm_missing),
#undef TEST
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
