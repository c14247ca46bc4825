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
#include "image/key_change.h"
#include "sys/file.h"
#include "sys/test_folder.h"
#include "trust/signature_list.h"

enum { NOW = 1795206090 };

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct keys ours = KEYS_INIT, others = KEYS_INIT;
static struct plan_machine machine;
static struct boot_signature *boot;
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
        assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, what[i], &p), -EKEYREJECTED);
        assert_non_null(strstr(f.text, "the other slot's boot file"));
        /* Neither of them: the change is fine. */
        machine.spare = NULL;
        assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, what[i], &p), 0);
        plan_done(&p);
    }
}

/* A boot file that the firmware refuses already is none to be kept. */
static void test_refused_before(void **state)
{
    const struct plan_lists db = machine.variables[KEY_VARIABLE_DB];
    struct plan p;

    (void)state;
    machine.running = NULL;
    machine.spare = boot;
    machine.variables[KEY_VARIABLE_DB] = machine.variables[KEY_VARIABLE_KEK];
    assert_int_equal(plan(&ours, KEY_VARIABLE_DBX, "signed.efi", &p), 0);
    machine.variables[KEY_VARIABLE_DB] = db;
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
        cmocka_unit_test(test_additions),      cmocka_unit_test(test_guard),
        cmocka_unit_test(test_refused_before), cmocka_unit_test(test_signer),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
