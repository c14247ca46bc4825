/* Disks that somebody else wrote: a LUKS volume made to look like the machine's own, a plain
 * filesystem, and the machine's own header with something in it changed. None of them is mounted,
 * and the TPM is capped before the machine says why.
 *
 * The header is not authenticated, so all of these are what anybody can do who has the disk for a
 * minute; the true key would open most of them. BROCH_SOAK=1 runs every one, else a sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/derive.h"
#include "disk/luks_header.h"
#include "disk/seal_format.h"
#include "disk/volume.h"
#include "sys/file.h"
#include "opened.h"

enum { UUID_AT = 168, UUID_SIZE = 40, MIB_SIZE = 1 << 20 };

#define SEGMENTS "\"segments\":"

static void start_refused(struct place *place, const char *code)
{
    start(place);
    expect_disk_refusal(place, code);
    assert_null(strstr(vm_console(place->vm), "step=persist status=ok"));
}

/* --- The machine's own header, changed --- */

/* The twin of all that follow: written anew with a right sum, and otherwise as it was. */
static void test_same_header(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "aes-xts-plain64", "aes-xts-plain64");
    start(place);
    expect_opened_by_tpm(place);
}

static void test_null_cipher(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "aes-xts-plain64", "cipher_null-ecb");
    start_refused(place, "BR-PERSIST-BINDING");
}

static void test_ecb(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "aes-xts-plain64", "aes-ecb");
    start_refused(place, "BR-PERSIST-BINDING");
}

static void test_sector_size(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "\"sector_size\":", "\"sector_size\":512,\"x\":");
    start_refused(place, "BR-PERSIST-BINDING");
}

static void test_offset(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "\"offset\":\"16777216\"", "\"offset\":\"33554432\"");
    start_refused(place, "BR-PERSIST-BINDING");
}

static void test_tweak(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"");
    start_refused(place, "BR-PERSIST-BINDING");
}

static void test_second_segment(void **state)
{
    struct place *place = *state;

    edit_headers(place, SEGMENTS, "\"size\":\"dynamic\"", "\"size\":\"1048576\"");
    edit_headers(place, SEGMENTS, "}}",
                 "},\"1\":{\"type\":\"linear\",\"offset\":\"17825792\",\"size\":\"dynamic\"}}");
    start_refused(place, "BR-PERSIST-BINDING");
}

/* The library does not even load a header that says so and has nothing to go on with. */
static void test_reencryption(void **state)
{
    struct place *place = *state;

    edit_headers(place, "\"config\":", "{",
                 "{\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]},");
    start_refused(place, "BR-PERSIST-HEADER");
}

/* Another size of the volume key: the keyslots and the digest hold 512 bits. */
static void test_key_size(void **state)
{
    struct place *place = *state;

    edit_headers(place, "\"keyslots\":", "\"key_size\":64", "\"key_size\":32");
    start_refused(place, "BR-PERSIST-BINDING");
}

/* A keyslot of a null cipher gives the volume key that its maker wrote there, for any passphrase.
 * Here the TPM's says so: it is not tried, and nobody is asked for another one. */
static void test_null_keyslot(void **state)
{
    struct place *place = *state;

    edit_headers(place, "\"keyslots\":", "aes-xts-plain64", "cipher_null-ecb");
    start_refused(place, "BR-PERSIST-BINDING");
}

/* The same where a person is asked, because the TPM knows nothing: the true key opens nothing. */
static void test_null_keyslot_recovery(void **state)
{
    struct place *place = *state;

    edit_headers(place, "\"keyslots\":", "aes-xts-plain64", "cipher_null-ecb");
    edit_headers(place, "\"keyslots\":", "aes-xts-plain64", "cipher_null-ecb");
    replace_tpm(place);
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    assert_int_equal(vm_type(place->vm, opened_key, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "(try 2 of 3): ", PATIENCE_NS, &place->f), 0);
}

/* --- Another volume --- */

/* A volume of the attacker's own, with this label, UUID and layout, and with the machine's tokens:
 * the TPM gives its secret for them, and the volume does not open with it. */
static void plant(struct place *place, const char *cipher, const char *key_size)
{
    const char *planted = place_path(place, "planted"), *key = place_path(place, "key");
    char uuid[UUID_SIZE + 1] = "";
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    save_headers(place, "headers");
    assert_int_equal(
        file_read(place_path(place, "headers"), PERSIST_HEADERS_SIZE, &bytes, &size, &place->f), 0);
    memcpy(uuid, bytes + UUID_AT, UUID_SIZE);
    {
        const struct arguments make = ARGUMENTS("truncate", "-s", "64M", planted);
        const struct arguments cut = ARGUMENTS("truncate", "-s", "16M", planted);
        const struct arguments format =
            ARGUMENTS("cryptsetup", "luksFormat", "--batch-mode", "--disable-locks", "--type",
                      "luks2", "--uuid", uuid, "--label", "broch-persist", "--cipher", cipher,
                      "--key-size", key_size, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                      "1000", "--offset", "32768", planted, key);

        assert_int_equal(file_write(key, "attacker", 8, 0600, &place->f), 0);
        in_tree(place, &make);
        in_tree(place, &format);
        in_tree(place, &cut);
    }
    restore_headers(place, "planted");
}

/* Nothing in it is for this machine's TPM; a person is asked, and has no key for it. */
static void test_planted_volume(void **state)
{
    struct place *place = *state;

    plant(place, "aes-xts-plain64", "512");
    start(place);
    expect_prompt(place, NULL);
    assert_int_equal(vm_type(place->vm, opened_key, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "(try 2 of 3): ", PATIENCE_NS, &place->f), 0);
}

static void test_planted_weak_volume(void **state)
{
    struct place *place = *state;

    plant(place, "aes-ecb", "256");
    start_refused(place, "BR-PERSIST-BINDING");
}

/* --- A secret of the attacker's own --- */

/* Somebody has a disk that is right in everything, with a keyslot for a secret that he made up, and
 * wants this machine's TPM to give that secret to stage 1. The machine's own disk stands for his:
 * it gets the keyslot, and its header says at which place of the TPM the secret would be. */
struct planted {
    struct secret owner; /* what he does not have */
    struct seal_parts parts;
    uint8_t content[SEAL_CONTENT_SIZE];
};

static void read_token(struct place *place, struct token_tpm2 *ret)
{
    static struct luks_header header;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    assert_int_equal(
        file_read(place_path(place, "headers"), PERSIST_HEADERS_SIZE, &bytes, &size, &place->f), 0);
    assert_int_equal(luks_header_scan(bytes, LUKS_HEADER_SCAN_SIZE, &header), 0);
    assert_int_equal(header.token_count, 1);
    *ret = header.tokens[0];
}

/* The same token, for another place. */
static void move_token(struct token_tpm2 *token, struct seal_parts *ret_parts)
{
    struct seal_blob blob = { .size = token->sealed_size };

    memcpy(blob.bytes, token->sealed, token->sealed_size);
    assert_int_equal(seal_blob_decode(&blob, ret_parts), 0);
    assert_int_equal(ret_parts->place, 0);
    ret_parts->place = 1;
    seal_blob_encode(ret_parts, &blob);
    memcpy(token->sealed, blob.bytes, blob.size);
}

static void add_keyslot(struct place *place, struct planted *p)
{
    static struct token_tpm2 token;
    _cleanup_secret_ struct secret digits = SECRET_INIT, key = SECRET_INIT,
                                   passphrase = SECRET_INIT;
    const struct volume_route route = { &token, &passphrase };
    _cleanup_volume_ struct volume *v = NULL;
    struct binding binding;

    read_token(place, &token);
    move_token(&token, &p->parts);
    assert_int_equal(recovery_key_parse(opened_key, strlen(opened_key), &digits, NULL), 0);
    assert_int_equal(volume_open(place_path(place, "headers"), &v, &place->f), 0);
    assert_int_equal(volume_binding(v, &binding, &place->f), 0);
    assert_int_equal(volume_unlock(v, &digits, VOLUME_ANY, &key, &place->f), 0);
    assert_int_equal(derive_owner(&key, binding.uuid, &p->owner, &place->f), 0);
    memset(p->content, 0x5a, DERIVE_PREBOOT_SIZE);
    binding_hash(&binding, p->content + DERIVE_PREBOOT_SIZE);
    binding_key_hash(key.bytes, p->content + DERIVE_PREBOOT_SIZE + BINDING_HASH_SIZE);
    assert_int_equal(derive_passphrase(p->content, token.org, binding.uuid, &passphrase, &place->f),
                     0);
    assert_int_equal(volume_set_tpm(v, &key, &route, 1, &place->f), 0);
}

static void make_planted(struct place *place, struct planted *p)
{
    TPM2B_NV_PUBLIC area;

    save_headers(place, "headers");
    add_keyslot(place, p);
    restore_headers(place, "headers");
    area = seal_place_public(&p->parts);
    assert_int_equal(file_write(place_path(place, "policy"), area.nvPublic.authPolicy.buffer,
                                area.nvPublic.authPolicy.size, 0600, &place->f),
                     0);
    assert_int_equal(
        file_write(place_path(place, "content"), p->content, sizeof(p->content), 0600, &place->f),
        0);
}

/* With this authorization of the TPM's owner. True when the TPM took it. */
static bool plant_secret(struct place *place, const struct planted *p, const char *owner)
{
    _cleanup_free_ char *line =
        text_make("{ tpm2_nvdefine %#x -C o -P '%s' -s %d -g sha256 -L policy "
                  "-a 'ownerwrite|policyread|no_da' && tpm2_nvwrite %#x -C o -P '%s' -i content; } "
                  ">/dev/null 2>&1 && printf planted || printf refused",
                  SEAL_PLACE_INDEX + p->parts.place, owner, SEAL_CONTENT_SIZE,
                  SEAL_PLACE_INDEX + p->parts.place, owner);
    _cleanup_free_ char *output = with_tpm(place, line);

    return strcmp(output, "planted") == 0;
}

static void test_planted_secret(void **state)
{
    struct place *place = *state;
    struct planted p = { .owner = SECRET_INIT };

    make_planted(place, &p);
    assert_false(plant_secret(place, &p, ""));
    start(place);
    expect_prompt(place, "BR-UNSEAL-TPM");
    secret_wipe(&p.owner);
}

/* The twin: there is nothing else that keeps him out. */
static void plant_as_owner(struct place *place, struct planted *p)
{
    char digits[2 * DERIVE_SIZE + 1];
    _cleanup_free_ char *owner = NULL;

    hex_encode(p->owner.bytes, p->owner.size, digits);
    owner = text_make("hex:%s", digits);
    assert_true(plant_secret(place, p, owner));
    secret_wipe(&p->owner);
}

static void test_owner_secret(void **state)
{
    struct place *place = *state;
    struct planted p = { .owner = SECRET_INIT };

    make_planted(place, &p);
    plant_as_owner(place, &p);
    start(place);
    expect_opened_by_tpm(place);
}

/* The secret says which volume key belongs to it: a keyslot that gives another one is refused, as
 * if somebody had written all of the volume anew. */
static void test_other_volume_key(void **state)
{
    struct place *place = *state;
    struct planted p = { .owner = SECRET_INIT };

    make_planted(place, &p);
    p.content[SEAL_CONTENT_SIZE - 1] ^= 1;
    assert_int_equal(
        file_write(place_path(place, "content"), p.content, sizeof(p.content), 0600, &place->f), 0);
    plant_as_owner(place, &p);
    start_refused(place, "BR-PERSIST-BINDING");
}

/* --- No volume --- */

/* A disk without anything, in a machine whose TPM is that of another disk: no new one is made. With
 * a TPM that is nobody's, as after clearing it, one is. */
static void test_empty(void **state)
{
    struct place *place = *state;
    static const uint8_t zeros[PERSIST_HEADERS_SIZE];

    write_persist(place, 0, zeros, sizeof(zeros));
    start_refused(place, "BR-PERSIST-OWNED");
    assert_null(strstr(vm_console(place->vm), "made anew"));
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    replace_tpm(place);
    start(place);
    (void)expect_ready(place);
    assert_non_null(strstr(vm_console(place->vm), "made anew"));
}

static void test_plaintext(void **state)
{
    struct place *place = *state;
    const char *image = place_path(place, "plain.img");
    const struct arguments size = ARGUMENTS("truncate", "-s", "128M", image);
    const struct arguments make = ARGUMENTS("mkfs.btrfs", "--quiet", "--label", "broch", image);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t length;

    in_tree(place, &size);
    in_tree(place, &make);
    assert_int_equal(file_read(image, 128 << 20, &bytes, &length, &place->f), 0);
    write_persist(place, 0, bytes, 16 << 20);
    start_refused(place, "BR-PERSIST-FOREIGN");
}

/* One byte within the look is enough: what is not zero may be somebody's. */
static void test_not_empty(void **state)
{
    struct place *place = *state;
    static uint8_t zeros[PERSIST_HEADERS_SIZE];

    zeros[sizeof(zeros) - 1] = 1;
    write_persist(place, 0, zeros, sizeof(zeros));
    start_refused(place, "BR-PERSIST-FOREIGN");
}

/* --- */

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened_setup, place_teardown)
#define SAMPLE                                                                                     \
    TEST(test_same_header), TEST(test_null_cipher), TEST(test_second_segment),                     \
        TEST(test_planted_volume), TEST(test_planted_secret), TEST(test_plaintext)
    const struct CMUnitTest sample[] = { SAMPLE };
    const struct CMUnitTest all[] = {
        SAMPLE,
        TEST(test_ecb),
        TEST(test_null_keyslot),
        TEST(test_null_keyslot_recovery),
        TEST(test_sector_size),
        TEST(test_offset),
        TEST(test_tweak),
        TEST(test_reencryption),
        TEST(test_key_size),
        TEST(test_planted_weak_volume),
        TEST(test_not_empty),
        TEST(test_owner_secret),
        TEST(test_other_volume_key),
        TEST(test_empty),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, opened_start, opened_stop)
                                : cmocka_run_group_tests(sample, opened_start, opened_stop);
}
