#include "programs/broch-disk/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "disk/pcr7.h"
#include "image/key_change.h"
#include "sys/file.h"
#include "sys/test_folder.h"
#include "trust/authenticode.h"
#include "trust/signature_list.h"

enum { NOW = 1795206090, OF_DOS_PROGRAM = 2 };

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct keys ours = KEYS_INIT, others = KEYS_INIT;
static struct plan_machine machine;
static struct boot_signature *boot, *other_boot; /* of another hash, by the same key */
static struct failure f;

static struct plan_lists list_of(const void *der, size_t size)
{
    static const uint8_t owner[SIGNATURE_OWNER_SIZE] = { 7 };
    struct plan_lists l = { .size = SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size };

    l.bytes = malloc(l.size);
    assert_non_null(l.bytes);
    signature_list_write(SIGNATURE_CERTIFICATE, owner, der, size, l.bytes);
    return l;
}

static struct plan_lists list_of_key(const struct keys *keys, const char *name)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    unsigned char *der = NULL;
    struct plan_lists l;
    int size;

    assert_int_equal(keys_read_pair(keys, name, &key, &certificate, &f), 0);
    size = i2d_X509(certificate, &der);
    assert_true(size > 0);
    l = list_of(der, (size_t)size);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return l;
}

/* A certificate as PEM, so that it can be forbidden by name. */
static void write_pem(const uint8_t *der, size_t size, const char *path)
{
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    FILE *file = fopen(path, "we");

    assert_non_null(certificate);
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    X509_free(certificate);
}

/* Another file, and a signature that says it is about that one. */
static void make_other(uint8_t *efi, size_t size)
{
    uint8_t *claim = memmem(efi, size, boot_signature_hash(boot), SIGNATURE_HASH_SIZE);
    struct authenticode file;

    assert_non_null(claim);
    efi[OF_DOS_PROGRAM] ^= 1;
    assert_int_equal(authenticode_read(efi, size, &file), 0);
    memcpy(claim, file.digest.bytes, SIGNATURE_HASH_SIZE);
}

static int enter(void **state)
{
    _cleanup_free_ uint8_t *efi = NULL, *leaf = NULL, *authority = NULL;
    size_t efi_size, leaf_size, authority_size;

    if (test_folder_enter(state) < 0 || keys_init("ours", false, NOW, &f) < 0 ||
        keys_init("others", false, NOW, &f) < 0 || keys_open("ours", &ours, &f) < 0 ||
        keys_open("others", &others, &f) < 0 ||
        file_read(TESTDATA "/signed.efi", 1 << 16, &efi, &efi_size, &f) < 0 ||
        file_read(TESTDATA "/leaf.der", 1 << 16, &leaf, &leaf_size, &f) < 0 ||
        file_read(TESTDATA "/authority.der", 1 << 16, &authority, &authority_size, &f) < 0 ||
        file_write("signed.efi", efi, efi_size, 0644, &f) < 0 ||
        boot_signature_read(efi, efi_size, &boot, &f) < 0)
        return -1;
    make_other(efi, efi_size);
    if (boot_signature_read(efi, efi_size, &other_boot, &f) < 0)
        return -1;
    machine.secure_boot = true;
    write_pem(leaf, leaf_size, "leaf.crt");
    write_pem(authority, authority_size, "authority.crt");
    machine.variables[KEY_VARIABLE_PK] = list_of_key(&ours, "PK");
    machine.variables[KEY_VARIABLE_KEK] = list_of_key(&ours, "KEK");
    machine.variables[KEY_VARIABLE_DB] = list_of(authority, authority_size);
    return 0;
}

static int leave(void **state)
{
    for (size_t i = 0; i < KEY_VARIABLE_MAX_; i++)
        free(machine.variables[i].bytes);
    boot_signature_free(boot);
    boot_signature_free(other_boot);
    keys_done(&ours);
    keys_done(&others);
    return test_folder_leave(state);
}

static int plan(const struct keys *keys, enum key_variable variable, const char *what,
                struct plan *ret)
{
    const struct key_addition addition = { .variable = variable, .what = what, .now = NOW };
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    f = (struct failure)FAILURE_NONE;
    if (key_change_make(keys, &addition, &bytes, &size, &f) < 0)
        fail_msg("%s", f.text);
    return plan_make(&machine, bytes, size, ret, &f);
}

static void test_additions(void **state)
{
    static const struct {
        enum key_variable variable;
        const char *what;
    } cases[] = { { KEY_VARIABLE_DB, "others/db.crt" },
                  { KEY_VARIABLE_DBX, "others/db.crt" },
                  { KEY_VARIABLE_DBX, HASH },
                  { KEY_VARIABLE_KEK, "others/KEK.crt" } };

    (void)state;
    machine.running = machine.spare = boot;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const size_t before = machine.variables[cases[i].variable].size;
        struct plan p;

        if (plan(&ours, cases[i].variable, cases[i].what, &p) < 0)
            fail_msg("%s", f.text);
        assert_int_equal(p.target.variable, cases[i].variable);
        assert_true(p.target.append);
        assert_false(p.nothing);
        assert_true(p.after.size > before);
        plan_done(&p);
    }
}

/* Whatever forbids one of the two boot files, and says which. */
static void test_guard(void **state)
{
    static const char *const what[] = { "signed.efi", "leaf.crt", "authority.crt" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
        struct plan p;

        machine.running = boot;
        machine.spare = NULL;
        assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, what[i], &p), -EKEYREJECTED);
        assert_int_equal(f.code, CODE_SECUREBOOT_REVOKES);
        assert_non_null(strstr(f.text, "the running boot file"));
        machine.running = NULL;
        machine.spare = boot;
        assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), -ENOENT);
        assert_int_equal(f.code, CODE_SECUREBOOT_UNJUDGED);
    }
}

/* The other slot's is named as such. */
static void test_guard_of_spare(void **state)
{
    struct plan p;

    (void)state;
    machine.running = other_boot;
    machine.spare = boot;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "signed.efi", &p), -EKEYREJECTED);
    assert_int_equal(f.code, CODE_SECUREBOOT_REVOKES);
    assert_non_null(strstr(f.text, "the other slot's boot file"));
    machine.spare = NULL; /* that slot is empty: the change is fine */
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "signed.efi", &p), 0);
    plan_done(&p);
}

/* A boot file that the firmware refuses already is none to be kept. That it has started one which
 * these lists refuse can only mean that they are not understood. */
static void test_refused_before(void **state)
{
    const struct plan_lists db = machine.variables[KEY_VARIABLE_DB];
    struct plan p;

    (void)state;
    machine.running = machine.spare = boot;
    machine.variables[KEY_VARIABLE_DB] = machine.variables[KEY_VARIABLE_KEK];
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "signed.efi", &p), -EKEYREJECTED);
    assert_int_equal(f.code, CODE_SECUREBOOT_UNJUDGED);
    machine.secure_boot = false;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "signed.efi", &p), 0);
    machine.secure_boot = true;
    machine.variables[KEY_VARIABLE_DB] = db;
    plan_done(&p);
}

/* Lists that this code cannot read, the firmware may. */
static void test_malformed_lists(void **state)
{
    struct plan_lists *dbx = &machine.variables[KEY_VARIABLE_DBX];
    const struct plan_lists before = *dbx;
    uint8_t bytes[SIGNATURE_LIST_HEADER] = { 1, [16] = 200 }; /* says that it is longer */
    struct plan p;

    (void)state;
    machine.running = machine.spare = boot;
    *dbx = (struct plan_lists){ .bytes = bytes, .size = sizeof(bytes) };
    assert_int_equal(plan(&ours, KEY_VARIABLE_DB, "others/db.crt", &p), -EBADMSG);
    assert_int_equal(f.code, CODE_SECUREBOOT_UNJUDGED);
    *dbx = before;
}

/* EFI_CERT_X509_SHA384_GUID, 7076876e-80c2-4ee6-aad2-28b349a6865b (UEFI 2.10, 32.4.1): EDK II
 * forbids by it, and nothing here knows how. */
static void test_unknown_kind(void **state)
{
    static const uint8_t sha384[16] = { 0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e,
                                        0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6, 0x86, 0x5b };
    const struct key_addition addition = { .variable = KEY_VARIABLE_DBX, .what = HASH, .now = NOW };
    _cleanup_free_ uint8_t *bytes = NULL;
    struct key_change change;
    struct failure why = FAILURE_NONE;
    size_t size, at;

    (void)state;
    assert_int_equal(key_change_make(&ours, &addition, &bytes, &size, &f), 0);
    assert_int_equal(key_change_parse(bytes, size, &change), 0);
    at = (size_t)(change.content - bytes);
    assert_int_equal(plan_check_kinds(&change, &why), 0);
    memcpy(bytes + at, sha384, sizeof(sha384));
    assert_int_equal(plan_check_kinds(&change, &why), -EOPNOTSUPP);
    assert_int_equal(why.code, CODE_SECUREBOOT_UNJUDGED);
}

/* What the firmware started besides, by an entry of db that it measured. */
static void test_others_started(void **state)
{
    struct plan_lists *now = &machine.variables[KEY_VARIABLE_DB];
    const struct plan_lists db = *now;
    _cleanup_free_ uint8_t *log = NULL;
    struct pcr7_authority authority;
    struct event_log events;
    struct plan p;
    size_t size;

    (void)state;
    assert_int_equal(file_read(DISK_TESTDATA "/measurements", EVENT_LOG_SIZE_MAX, &log, &size, &f),
                     0);
    machine.running = machine.spare = boot;
    machine.log = log;
    machine.log_size = size;
    /* The recorded machine's db is another one: what it started would not start with ours. */
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), -EKEYREJECTED);
    assert_int_equal(f.code, CODE_SECUREBOOT_REVOKES);
    assert_non_null(strstr(f.text, "started something"));
    /* With the entry that it measured, as it is and forbidden. */
    assert_int_equal(event_log_open(log, size, &events), 0);
    assert_int_equal(pcr7_next_authority(&events, &authority), 1);
    *now = list_of(authority.entry + SIGNATURE_OWNER_SIZE, authority.size - SIGNATURE_OWNER_SIZE);
    memcpy(now->bytes + SIGNATURE_LIST_HEADER, authority.entry, SIGNATURE_OWNER_SIZE);
    machine.secure_boot = false; /* our boot file was not started by that */
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), 0);
    plan_done(&p);
    write_pem(authority.entry + SIGNATURE_OWNER_SIZE, authority.size - SIGNATURE_OWNER_SIZE,
              "measured.crt");
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "measured.crt", &p), -EKEYREJECTED);
    assert_non_null(strstr(f.text, "dbx forbids it"));
    now->bytes[SIGNATURE_LIST_HEADER] ^= 1; /* another owner: PCR 7 tells them apart */
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), -EKEYREJECTED);
    free(now->bytes);
    *now = db;
    machine.secure_boot = true;
    machine.log_size = 10;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), -EBADMSG);
    assert_int_equal(f.code, CODE_EVENT_LOG);
    machine.log = NULL;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &p), 0);
    plan_done(&p);
}

static void test_signer(void **state)
{
    struct plan p;

    (void)state;
    machine.running = machine.spare = boot;
    assert_int_equal(plan(&others, KEY_VARIABLE_DBX, HASH, &p), -EKEYREJECTED);
    assert_int_equal(f.code, CODE_SECUREBOOT_SIGNER);
    assert_int_equal(plan_make(&machine, "no change", 9, &p, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SECUREBOOT_FILE);
}

static void test_nothing(void **state)
{
    struct plan_lists before = machine.variables[KEY_VARIABLE_DBX];
    struct plan first, second;

    (void)state;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &first), 0);
    machine.variables[KEY_VARIABLE_DBX] = first.after;
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, HASH, &second), 0);
    assert_true(second.nothing);
    machine.variables[KEY_VARIABLE_DBX] = before;
    plan_done(&first);
    plan_done(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_additions),       cmocka_unit_test(test_guard),
        cmocka_unit_test(test_guard_of_spare),  cmocka_unit_test(test_refused_before),
        cmocka_unit_test(test_malformed_lists), cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_others_started),  cmocka_unit_test(test_signer),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
