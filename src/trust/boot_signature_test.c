/* testdata/signed.efi is a small PE file, signed by osslsigncode with leaf.der, which authority.der
 * issued and which comes along in the signature. */
#include "trust/boot_signature.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "sys/file.h"

/* As 'osslsigncode verify' counts it. */
#define HASH "203aaac288d19a4dc21ecff3b581b99b7b1efca08805c9224a33ec1df2182a75"

enum { LIST_MAX = 4096 };

struct lists {
    uint8_t bytes[LIST_MAX];
    size_t size;
};

static const uint8_t owner[SIGNATURE_OWNER_SIZE] = { 1, 2, 3 };
static uint8_t *efi, *leaf, *authority;
static size_t efi_size, leaf_size, authority_size;
static struct boot_signature *signature;

static int load(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    if (file_read(TESTDATA "/signed.efi", 1 << 16, &efi, &efi_size, &f) < 0 ||
        file_read(TESTDATA "/leaf.der", 1 << 16, &leaf, &leaf_size, &f) < 0 ||
        file_read(TESTDATA "/authority.der", 1 << 16, &authority, &authority_size, &f) < 0)
        return -1;
    return boot_signature_read(efi, efi_size, &signature, &f);
}

static int unload(void **state)
{
    (void)state;
    boot_signature_free(signature);
    free(efi);
    free(leaf);
    free(authority);
    return 0;
}

static void add(struct lists *l, enum signature_kind kind, const void *data, size_t size)
{
    signature_list_write(kind, owner, data, size, l->bytes + l->size);
    l->size += SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size;
}

static void add_tbs(struct lists *l, const uint8_t *der, size_t size)
{
    uint8_t entry[SIGNATURE_HASH_SIZE + 16] = { 0 };
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    unsigned char *tbs = NULL;
    int tbs_size;

    assert_non_null(certificate);
    tbs_size = i2d_re_X509_tbs(certificate, &tbs);
    assert_int_equal(EVP_Digest(tbs, (size_t)tbs_size, entry, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(tbs);
    X509_free(certificate);
    add(l, SIGNATURE_CERTIFICATE_HASH, entry, sizeof(entry));
}

static int ask(const struct lists *db, const struct lists *dbx, struct signature *ret)
{
    const struct boot_lists lists = {
        .db = db->bytes, .db_size = db->size, .dbx = dbx->bytes, .dbx_size = dbx->size
    };
    struct failure f = FAILURE_NONE;
    int r = boot_signature_allowed(signature, &lists, ret, &f);

    if (r == -EKEYREJECTED)
        assert_int_equal(f.code, CODE_SECUREBOOT_REVOKES);
    return r;
}

static void test_read(void **state)
{
    uint8_t hash[SIGNATURE_HASH_SIZE];

    (void)state;
    assert_int_equal(hex_decode(HASH, strlen(HASH), hash, sizeof(hash)), 0);
    assert_memory_equal(boot_signature_hash(signature), hash, sizeof(hash));
    assert_string_equal(boot_signature_signer(signature), "Test image key");
}

static void test_allowed(void **state)
{
    static const uint8_t other_hash[SIGNATURE_HASH_SIZE] = { 1, 2, 3 };
    static struct lists by_leaf, by_authority, by_hash, both, nothing;
    struct signature by;

    (void)state;
    add(&by_leaf, SIGNATURE_CERTIFICATE, leaf, leaf_size);
    add(&by_authority, SIGNATURE_CERTIFICATE, authority, authority_size);
    add(&by_hash, SIGNATURE_IMAGE_HASH, boot_signature_hash(signature), SIGNATURE_HASH_SIZE);
    add(&both, SIGNATURE_IMAGE_HASH, other_hash, sizeof(other_hash));
    add(&both, SIGNATURE_CERTIFICATE, authority, authority_size);
    add(&both, SIGNATURE_CERTIFICATE, leaf, leaf_size);
    assert_int_equal(ask(&by_leaf, &nothing, &by), 0);
    assert_int_equal(ask(&by_authority, &nothing, &by), 0);
    assert_int_equal(ask(&by_hash, &nothing, &by), 0);
    assert_int_equal(by.kind, SIGNATURE_IMAGE_HASH);
    assert_int_equal(ask(&both, &nothing, &by), 0);
    assert_int_equal(by.size, authority_size); /* the first that allows it */
    assert_int_equal(ask(&nothing, &nothing, &by), -EKEYREJECTED);
}

static void test_forbidden(void **state)
{
    static struct lists db, dbx[5], other;
    uint8_t hash[SIGNATURE_HASH_SIZE];
    struct signature by;

    (void)state;
    memcpy(hash, boot_signature_hash(signature), sizeof(hash));
    add(&db, SIGNATURE_CERTIFICATE, authority, authority_size);
    add(&dbx[0], SIGNATURE_IMAGE_HASH, hash, sizeof(hash));
    add(&dbx[1], SIGNATURE_CERTIFICATE, leaf, leaf_size);
    add(&dbx[2], SIGNATURE_CERTIFICATE, authority, authority_size);
    add_tbs(&dbx[3], leaf, leaf_size);
    add_tbs(&dbx[4], authority, authority_size);
    for (size_t i = 0; i < ARRAY_SIZE(dbx); i++)
        assert_int_equal(ask(&db, &dbx[i], &by), -EKEYREJECTED);
    hash[0] ^= 1;
    add(&other, SIGNATURE_IMAGE_HASH, hash, sizeof(hash));
    assert_int_equal(ask(&db, &other, &by), 0);
    other.size--;
    assert_int_equal(ask(&db, &other, &by), -EBADMSG);
}

/* Every truncation; and every byte of what leads to the signature changed. */
static void test_malformed(void **state)
{
    struct failure f = FAILURE_NONE;
    struct boot_signature *s = NULL;

    (void)state;
    for (size_t size = 0; size < efi_size; size += 7) {
        assert_int_equal(boot_signature_read(efi, size, &s, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SECUREBOOT_FILE);
    }
    for (size_t i = 0; i < efi_size; i++) {
        efi[i] ^= 0x41;
        if (boot_signature_read(efi, efi_size, &s, &f) == 0)
            boot_signature_free(s);
        efi[i] ^= 0x41;
    }
}

/* Firmware would not start it, so its signature says nothing about it. */
static void test_changed(void **state)
{
    struct failure f = FAILURE_NONE;
    struct boot_signature *s = NULL;

    (void)state;
    efi[2] ^= 1; /* nobody reads it, and it is part of the hash */
    assert_int_equal(boot_signature_read(efi, efi_size, &s, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SECUREBOOT_FILE);
    efi[2] ^= 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_forbidden), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_changed),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
