#include "opened.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/sha.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/derive.h"
#include "disk/luks_header.h"
#include "disk/volume.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "vm/variables.h"
#include "vm/vm.h"

enum {
    SECTOR = 512,
    GPT_ENTRIES = 2 * SECTOR,
    GPT_ENTRY = 128,
    GPT_FIRST_SECTOR = 32,
    PERSIST_INDEX = 2, /* disk.c: two slots, then persist */
    HEADER_BINARY = 4096,
    HEADER_SIZE_AT = 8,
    HEADER_LABEL_AT = 24,
    HEADER_SUM_AT = 448,
    HEADER_SIZE = 16 << 10, /* of each of the two, the JSON included */
};

static const struct {
    const char *name;
    bool in_machine;
} kept[] = { { "disk.raw", false },
             { "variables.fd", true },
             { "variables.fd.keys", true },
             { "tpm/tpm2-00.permall", true } };

static struct place *first;
char opened_key[RECOVERY_KEY_TEXT_SIZE];

/* --- The machine that is copied --- */

void read_recovery_key(struct place *place, char ret[static RECOVERY_KEY_TEXT_SIZE])
{
    const char *console = vm_console(place->vm);
    const char *found = NULL;

    while ((console = strstr(console, "has a new recovery key")) != NULL)
        found = console++;
    if (!found)
        fail_msg("no recovery key was shown");
    found = strstr(found, "\n    ");
    assert_non_null(found);
    found += strlen("\n    ");
    memcpy(ret, found, RECOVERY_KEY_TEXT_SIZE - 1);
    ret[RECOVERY_KEY_TEXT_SIZE - 1] = '\0';
    assert_int_equal(strspn(ret, "0123456789-"), RECOVERY_KEY_TEXT_SIZE - 1);
}

/* As the verdict of a start that went well: the next one is the first that counts. */
static int forget_attempts(struct place *place)
{
    const char *store = place_path(place, place->config.secure_boot ? "machine/variables.fd"
                                                                    : "machine/variables-setup.fd");

    return vm_variables_delete(fixture_tree, store, EFIVARS_ATTEMPTS, &place->f);
}

void restart(struct place *place)
{
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    assert_int_equal(forget_attempts(place), 0);
    start(place);
}

/* Cutting the power is how it stays: whatever a first start has to keep is on the disk by then. */
int opened_start(void **state)
{
    void *made = NULL;

    if (fixture_start(state) < 0 || place_setup(&made) < 0)
        return -1;
    first = made;
    start(first);
    (void)expect_ready(first);
    read_recovery_key(first, opened_key);
    return vm_power_cut(first->vm, &first->f) < 0 ? -1 : forget_attempts(first);
}

int opened_stop(void **state)
{
    void *made = first;

    (void)state;
    first = NULL;
    return place_teardown(&made);
}

int opened_setup(void **state)
{
    struct place *place = NULL;

    if (place_make(state, first->disk) < 0)
        return -1;
    place = *state;
    if (vm_open(&place->config, &place->vm, &place->f) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        _cleanup_free_ char *from = text_make("%s/%s", first->machine, kept[i].name);
        _cleanup_free_ char *to = text_make("%s/%s", place->machine, kept[i].name);

        if (kept[i].in_machine && (!from || !to || file_copy(from, to, 0600, &place->f) < 0))
            return -1;
    }
    return 0;
}

/* --- Ends --- */

static struct vm_match wait_line(struct place *place, const char *const *texts, size_t count)
{
    struct vm_match match = { .index = count };

    if (vm_wait_marker(place->vm, texts, count, PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("%s: %s", code_entry(place->f.code)->id, place->f.text);
    return match;
}

void expect_opened_by_tpm(struct place *place)
{
    static const char *const texts[] = { "step=persist status=ok", "status=fail",
                                         "unseal-refused=", "recovery=wanted", "broch ready " };
    struct vm_match match = wait_line(place, texts, ARRAY_SIZE(texts));

    if (match.index != 0)
        fail_msg("the TPM did not open the disk: %s", match.line);
    assert_null(strstr(vm_console(place->vm), "made anew"));
}

void expect_prompt(struct place *place, const char *code)
{
    static const char *const wanted[] = { "recovery=wanted", "status=fail", "broch ready " };
    static const char mark[] = "unseal-refused=";
    struct vm_match match = wait_line(place, wanted, ARRAY_SIZE(wanted));
    const char *refusal = strstr(vm_console(place->vm), mark);

    if (match.index != 0)
        fail_msg("nobody was asked: %s", match.line);
    assert_non_null(strstr(vm_console(place->vm), "step=pcr-cap status=ok"));
    assert_int_equal(
        vm_wait_prompt(place->vm, "recovery key (try 1 of 3): ", PATIENCE_NS, &place->f), 0);
    if (!code && refusal)
        fail_msg("unexpected: %.60s", refusal);
    if (code && (!refusal || strncmp(refusal + strlen(mark), code, strlen(code)) != 0 ||
                 isalnum((unsigned char)refusal[strlen(mark) + strlen(code)])))
        fail_msg("expected %s, got %.60s", code, refusal ? refusal : "no refusal");
    if (code)
        assert_non_null(strstr(strstr(vm_console(place->vm), "did not open by itself"), code));
}

void open_by_recovery(struct place *place, const char *key)
{
    static const char *const texts[] = { "step=persist status=ok", "status=fail", "broch ready " };
    struct vm_match match;

    assert_int_equal(vm_type(place->vm, key, &place->f), 0);
    match = wait_line(place, texts, ARRAY_SIZE(texts));
    if (match.index != 0)
        fail_msg("the recovery key does not open the disk: %s", match.line);
}

void recover_and_expect_tpm(struct place *place)
{
    open_by_recovery(place, opened_key);
    assert_null(strstr(vm_console(place->vm), "tpm-not-enrolled"));
    assert_null(strstr(vm_console(place->vm), "tpm-not-owned"));
    restart(place);
    expect_opened_by_tpm(place);
}

void expect_disk_refusal(struct place *place, const char *code)
{
    static const char *const texts[] = { "end=reboot", "end=halt", "recovery=wanted",
                                         "broch ready " };
    _cleanup_free_ char *wanted = text_make("code=%s", code);
    struct vm_match match = wait_line(place, texts, ARRAY_SIZE(texts));
    const char *console;

    if (match.index > 1 || !strstr(match.line, wanted))
        fail_msg("expected %s, got: %s", code, match.line);
    console = vm_console(place->vm);
    /* A step's own marker, or, before that step, the failure's way to its end, which only speaks
     * when it could not cap. */
    assert_null(strstr(console, "step=pcr-cap status=fail"));
    if (!strstr(console, "step=unseal status=fail"))
        assert_non_null(strstr(console, "step=pcr-cap status=ok"));
}

/* --- The disk --- */

static int open_disk_file(const struct place *place)
{
    int fd = open(place->disk, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

uint64_t persist_offset(const struct place *place)
{
    int fd = open_disk_file(place);
    uint64_t sector;

    assert_int_equal(pread(fd, &sector, sizeof(sector),
                           GPT_ENTRIES + PERSIST_INDEX * GPT_ENTRY + GPT_FIRST_SECTOR),
                     sizeof(sector));
    assert_int_equal(close(fd), 0);
    return sector * SECTOR;
}

static uint8_t *read_persist(const struct place *place, uint64_t offset, size_t size)
{
    uint8_t *bytes = malloc(size);
    int fd = open_disk_file(place);

    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, size, (off_t)(persist_offset(place) + offset)), size);
    assert_int_equal(close(fd), 0);
    return bytes;
}

void write_persist(struct place *place, uint64_t offset, const void *bytes, size_t size)
{
    int fd = open_disk_file(place);

    assert_int_equal(pwrite(fd, bytes, size, (off_t)(persist_offset(place) + offset)), size);
    assert_int_equal(close(fd), 0);
}

void save_headers(struct place *place, const char *file)
{
    _cleanup_free_ uint8_t *bytes = read_persist(place, 0, PERSIST_HEADERS_SIZE);

    assert_int_equal(
        file_write(place_path(place, file), bytes, PERSIST_HEADERS_SIZE, 0600, &place->f), 0);
}

void restore_headers(struct place *place, const char *file)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    assert_int_equal(
        file_read(place_path(place, file), PERSIST_HEADERS_SIZE, &bytes, &size, &place->f), 0);
    write_persist(place, 0, bytes, size);
}

/* SHA-256 over all of it, with zeros where the sum is. */
static void fix_header(uint8_t header[static HEADER_SIZE])
{
    memset(header + HEADER_SUM_AT, 0, SHA256_DIGEST_LENGTH);
    (void)SHA256(header, HEADER_SIZE, header + HEADER_SUM_AT);
}

void label_headers(struct place *place, const char *label)
{
    _cleanup_free_ uint8_t *bytes = read_persist(place, 0, 2 * HEADER_SIZE);

    for (uint8_t *header = bytes; header < bytes + 2 * HEADER_SIZE; header += HEADER_SIZE) {
        memset(header + HEADER_LABEL_AT, 0, LUKS_HEADER_LABEL_SIZE);
        memcpy(header + HEADER_LABEL_AT, label, strlen(label));
        fix_header(header);
    }
    write_persist(place, 0, bytes, 2 * HEADER_SIZE);
}

static void edit_header(uint8_t header[static HEADER_SIZE], const char *after, const char *old,
                        const char *new)
{
    char *json = (char *)header + HEADER_BINARY, *at;
    size_t room = HEADER_SIZE - HEADER_BINARY, length = strnlen(json, room);

    assert_true(length + strlen(new) < room);
    assert_int_equal(header[HEADER_SIZE_AT + 6] << 8 | header[HEADER_SIZE_AT + 7], HEADER_SIZE);
    at = strstr(json, after);
    at = at ? strstr(at, old) : NULL;
    if (!at)
        fail_msg("no '%s' behind '%s' in: %s", old, after, json);
    memmove(at + strlen(new), at + strlen(old), strlen(at) - strlen(old) + 1);
    memcpy(at, new, strlen(new));
    length = strlen(json);
    memset(json + length, 0, room - length);
    fix_header(header);
}

void edit_headers(struct place *place, const char *after, const char *old, const char *new)
{
    _cleanup_free_ uint8_t *bytes = read_persist(place, 0, 2 * HEADER_SIZE);

    edit_header(bytes, after, old, new);
    edit_header(bytes + HEADER_SIZE, after, old, new);
    write_persist(place, 0, bytes, 2 * HEADER_SIZE);
}

/* --- The TPM --- */

char *with_tpm(struct place *place, const char *line)
{
    _cleanup_free_ char *script = text_make(
        "set -e; swtpm socket --tpm2 --tpmstate dir=machine/tpm --server type=unixio,path=tpm.sock "
        "--ctrl type=unixio,path=tpm.sock.ctrl --flags not-need-init,startup-clear & "
        "while ! [ -S tpm.sock ]; do kill -0 $!; sleep 0.1; done; "
        "export TPM2TOOLS_TCTI=swtpm:path=tpm.sock; %s\n"
        "tpm2_shutdown -c; kill $!; wait",
        line);
    const struct arguments arguments = ARGUMENTS("sh", "-c", script);

    assert_non_null(script);
    return in_tree_output(place, &arguments);
}

static void owner_of(struct place *place, char ret[static 2 * DERIVE_SIZE + 1])
{
    _cleanup_secret_ struct secret digits = SECRET_INIT, key = SECRET_INIT, owner = SECRET_INIT;
    struct volume *v;
    unsigned group;

    save_headers(place, "headers");
    assert_int_equal(recovery_key_parse(opened_key, strlen(opened_key), &digits, &group), 0);
    assert_int_equal(volume_open(place_path(place, "headers"), &v, &place->f), 0);
    assert_int_equal(volume_unlock(v, &digits, VOLUME_ANY, &key, &place->f), 0);
    assert_int_equal(derive_owner(&key, volume_uuid(v), &owner, &place->f), 0);
    volume_close(v);
    hex_encode(owner.bytes, owner.size, ret);
}

void write_epoch(struct place *place, unsigned epoch)
{
    char owner[2 * DERIVE_SIZE + 1];
    _cleanup_free_ char *line = NULL;

    assert_true(epoch < 8);
    owner_of(place, owner);
    line = text_make("printf '\\0\\0\\0\\0\\0\\0\\0\\%u' >epoch; "
                     "tpm2_nvwrite -C o -P hex:%s -i epoch " EPOCH_INDEX,
                     epoch, owner);
    assert_non_null(line);
    free(with_tpm(place, line));
}

void replace_tpm(struct place *place)
{
    assert_int_equal(unlink(place_path(place, "machine/tpm/tpm2-00.permall")), 0);
}
