/* Another system on the machine, started by its own firmware and with its own TPM: it replays what
 * the machine's boot file measures, and gets nothing, because the firmware measured who it is. Its
 * twin, signed by the machine's owner, gets everything: so the replay is a good one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/luks_header.h"
#include "image/cpio.h"
#include "image/keys.h"
#include "image/pcr.h"
#include "sys/file.h"
#include "vm/variables.h"
#include "opened.h"

enum { INITRD_MAX = 64 << 20, GPT_UNIQUE = 2 * 512 + 16, GUID_SIZE = 16 };

/* --- What the thief takes along --- */

/* Every value that PCR 11 is extended by, from the boot file that lies in the slot. */
static void add_extends(struct place *place, struct cpio *cpio)
{
    static const char word[] = "enter-initrd";
    const struct arguments inspect =
        ARGUMENTS("ukify", "--json=short", "inspect", artifact("linux.efi"));
    _cleanup_free_ char *output = in_tree_output(place, &inspect);
    json_object *document = json_tokener_parse(output), *section, *digest;
    struct digest digests[2 * PCR_SECTIONS_MAX + 1];
    size_t count = 0;

    assert_non_null(document);
    for (size_t i = 0; pcr_section_order[i]; i++) {
        const char *name = pcr_section_order[i], *digits;

        if (!json_object_object_get_ex(document, name, &section))
            continue;
        assert_true(json_object_object_get_ex(section, "sha256", &digest));
        digits = json_object_get_string(digest);
        digests[count++] = digest_bytes(name, strlen(name) + 1);
        assert_int_equal(hex_decode(digits, strlen(digits), digests[count++].bytes, DIGEST_SIZE),
                         0);
    }
    digests[count++] = digest_bytes(word, strlen(word));
    json_object_put(document);
    assert_int_equal(
        cpio_add_bytes(cpio, "thief/extends", digests, count * sizeof(digests[0]), &place->f), 0);
}

static void add_section(struct place *place, struct cpio *cpio, const char *section,
                        const char *name)
{
    _cleanup_free_ char *option = text_make("--dump-section=%s=section", section);
    _cleanup_free_ char *target = text_make("thief/%s", name);
    const struct arguments dump =
        ARGUMENTS("objcopy", "-O", "binary", option, artifact("linux.efi"), "/dev/null");
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    in_tree(place, &dump);
    assert_int_equal(file_read(place_path(place, "section"), 4096, &bytes, &size, &place->f), 0);
    while (size > 0 && bytes[size - 1] == 0)
        size--; /* sections are padded */
    assert_int_equal(cpio_add_bytes(cpio, target, bytes, size, &place->f), 0);
}

static void add_blob(struct place *place, struct cpio *cpio)
{
    static struct luks_header header;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    save_headers(place, "headers");
    assert_int_equal(
        file_read(place_path(place, "headers"), PERSIST_HEADERS_SIZE, &bytes, &size, &place->f), 0);
    assert_int_equal(luks_header_scan(bytes, LUKS_HEADER_SCAN_SIZE, &header), 0);
    assert_int_equal(header.token_count, 1);
    assert_int_equal(cpio_add_bytes(cpio, "thief/blob", header.tokens[0].sealed,
                                    header.tokens[0].sealed_size, &place->f),
                     0);
}

/* The machine's own initrd, for its libraries, and behind it an archive with another /init. */
static const char *make_initrd(struct place *place)
{
    const char *more = place_path(place, "more.cpio"), *path = place_path(place, "initrd.thief");
    /* The kernel takes an archive that is not packed at multiples of four only. */
    const struct arguments join = ARGUMENTS(
        "sh", "-c",
        "cat \"$0\" >initrd.thief; truncate -s %4 initrd.thief; cat more.cpio >>initrd.thief",
        artifact("initrd"));
    struct cpio cpio = { .count = 0 };

    assert_int_equal(cpio_add_file(&cpio, "init", THIEF, true, &place->f), 0);
    add_extends(place, &cpio);
    add_section(place, &cpio, ".pcrsig", "pcrsig");
    add_section(place, &cpio, ".pcrpkey", "pcrpkey");
    add_blob(place, &cpio);
    assert_int_equal(cpio_write(&cpio, more, 0, &place->f), 0);
    cpio_done(&cpio);
    in_tree(place, &join);
    return path;
}

/* --- How it is started --- */

static void sign(struct place *place, const char *keys, const char *in, const char *out)
{
    _cleanup_free_ char *certificate = text_make("%s/db.crt", keys);
    _cleanup_free_ char *key = text_make("%s/db.key", keys);
    const struct arguments arguments =
        ARGUMENTS("osslsigncode", "sign", "-certs", certificate, "-key", key, "-h", "sha256", "-in",
                  in, "-out", out);

    in_tree(place, &arguments);
}

/* The firmware starts the kernel itself, without systemd's stub: PCR 11 is still zero then. */
static void start_thief(struct place *place, const char *kernel)
{
    const char *store = place_path(place, place->config.secure_boot ? "machine/variables.fd"
                                                                    : "machine/variables-setup.fd");
    struct vm_boot_entry entry = { .number = 0x0077,
                                   .description = "Thief",
                                   .file = "\\EFI\\thief\\linux.efi",
                                   .options = "initrd=\\EFI\\thief\\initrd console=ttyS0 "
                                              "loglevel=5 printk.devkmsg=on panic=5" };
    uint8_t guid[GUID_SIZE];
    int fd = open(place->disk, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, guid, sizeof(guid), GPT_UNIQUE), sizeof(guid));
    assert_int_equal(close(fd), 0);
    entry.partition = guid;
    slot_make_folder(place, "EFI/thief");
    slot_put(place, kernel, "EFI/thief/linux.efi");
    slot_put(place, make_initrd(place), "EFI/thief/initrd");
    assert_int_equal(vm_configure(place->vm, &place->config, &place->f), 0);
    assert_int_equal(vm_variables_set_boot_entry(fixture_tree, store, &entry, &place->f), 0);
    assert_int_equal(vm_variables_set_boot_order(fixture_tree, store, &entry.number, 1, &place->f),
                     0);
    start(place);
}

/* --- What it got --- */

static void expect_said(const struct place *place, const char *key, const char *value)
{
    _cleanup_free_ char *line = text_make("thief %s=%s", key, value);
    const char *found = strstr(vm_console(place->vm), line);

    if (!found)
        fail_msg("the thief did not say '%s': %s", line,
                 strstr(vm_console(place->vm), "thief ") ? strstr(vm_console(place->vm), "thief ")
                                                         : "it did not start");
}

/* Waits for its end. Its replay was exact, and what it tried as an owner was refused. */
static void expect_thief(struct place *place, const char *result)
{
    static const char *const texts[] = { "thief end=", "broch stage1", "broch ready " };
    static const char *const tried[] = { "plant",
                                         "write-as-owner",
                                         "write-as-index",
                                         "undefine-as-owner",
                                         "undefine-as-platform",
                                         "clear-as-lockout",
                                         "clear-as-platform",
                                         "own" };
    struct vm_match match = { .index = ARRAY_SIZE(texts) };
    char digits[DIGEST_TEXT_SIZE];

    if (vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("%s: %s", code_entry(place->f.code)->id, place->f.text);
    assert_int_equal(match.index, 0);
    assert_non_null(strstr(match.line, "thief end=done"));
    expect_said(place, "pcr11", digest_text(&fixture_manifest.pcr11_enter_initrd, digits));
    expect_said(place, "replayed", result);
    expect_said(place, "capped", "BR-UNSEAL-PCR11");
    for (size_t i = 0; i < ARRAY_SIZE(tried); i++)
        expect_said(place, tried[i], "refused");
    assert_null(strstr(vm_console(place->vm), "DONE"));
}

/* After all that, the machine's own system starts as ever. */
static void expect_unharmed(struct place *place)
{
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    slot_remove(place, "EFI/thief/linux.efi");
    restart(place);
    expect_opened_by_tpm(place);
}

/* --- */

/* The twin of the others: who holds the owner's db key is the owner. */
static void test_signed_by_owner(void **state)
{
    struct place *place = *state;
    const char *kernel = place_path(place, "thief.efi");

    sign(place, fixture_keys, artifact("vmlinuz"), kernel);
    start_thief(place, kernel);
    expect_thief(place, "SECRET");
    expect_unharmed(place);
}

static void test_secure_boot_off(void **state)
{
    struct place *place = *state;

    place->config.secure_boot = false;
    place->config.keys = NULL;
    start_thief(place, artifact("vmlinuz"));
    expect_thief(place, "BR-UNSEAL-PCR7");
}

static void add_db_key(struct place *place, const char *keys)
{
    const char *variables = place_path(place, "machine/variables.fd");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", keys);
    const struct arguments arguments =
        ARGUMENTS("virt-fw-vars", "--inplace", variables, "--add-db",
                  "a0baa8a3-041d-48a8-bc87-c36d121b5e3d", certificate);

    in_tree(place, &arguments);
}

/* A key that somebody put into db afterwards. */
static void test_foreign_key(void **state)
{
    struct place *place = *state;
    const char *keys = place_path(place, "other-keys"), *kernel = place_path(place, "thief.efi");

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    add_db_key(place, keys);
    sign(place, keys, artifact("vmlinuz"), kernel);
    start_thief(place, kernel);
    expect_thief(place, "BR-UNSEAL-PCR7");
}

/* A vendor's key that was in db when the disk was made: db is the same for both systems, and the
 * firmware measures which key had signed what it started. */
static void test_vendor_key(void **state)
{
    struct place *place = *state;
    const char *keys = place_path(place, "other-keys"), *kernel = place_path(place, "thief.efi");

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    add_db_key(place, keys);
    start(place);
    expect_prompt(place, "BR-UNSEAL-PCR7");
    recover_and_expect_tpm(place);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    sign(place, keys, artifact("vmlinuz"), kernel);
    start_thief(place, kernel);
    expect_thief(place, "BR-UNSEAL-PCR7");
    expect_unharmed(place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened_setup, place_teardown)
    const struct CMUnitTest sample[] = {
        TEST(test_signed_by_owner),
        TEST(test_secure_boot_off),
        TEST(test_vendor_key),
    };
    const struct CMUnitTest all[] = {
        TEST(test_signed_by_owner),
        TEST(test_secure_boot_off),
        TEST(test_foreign_key),
        TEST(test_vendor_key),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, opened_start, opened_stop)
                                : cmocka_run_group_tests(sample, opened_start, opened_stop);
}
