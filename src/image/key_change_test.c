/* What the factory makes, a machine takes: with its keys, for that variable, and nothing else. */
#include "image/key_change.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "sys/test_folder.h"
#include "trust/signature_list.h"

enum { NOW = 1795206090, LIST_MAX = 4096 };

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct keys keys = KEYS_INIT;
static struct failure f;

static int enter(void **state)
{
    if (test_folder_enter(state) < 0 || keys_init("made", false, NOW, &f) < 0)
        return -1;
    return keys_open("made", &keys, &f);
}

static int leave(void **state)
{
    keys_done(&keys);
    return test_folder_leave(state);
}

/* The firmware's list of a machine that was set up with these keys. */
static size_t enrolled(const char *name, uint8_t *ret)
{
    uint8_t owner[KEYS_OWNER_SIZE];
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    unsigned char *der = NULL;
    int size;

    assert_int_equal(keys_read_owner(&keys, owner, &f), 0);
    assert_int_equal(keys_read_pair(&keys, name, &key, &certificate, &f), 0);
    size = i2d_X509(certificate, &der);
    assert_true(size > 0 && size < 2048);
    signature_list_write(SIGNATURE_CERTIFICATE, owner, der, (size_t)size, ret);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + (size_t)size;
}

static uint8_t *make(enum key_variable variable, const char *what, struct key_change *ret)
{
    const struct key_addition addition = { .variable = variable, .what = what, .now = NOW };
    uint8_t *bytes = NULL;
    size_t size;

    if (key_change_make(&keys, &addition, &bytes, &size, &f) < 0)
        fail_msg("%s", f.text);
    assert_int_equal(key_change_parse(bytes, size, ret), 0);
    return bytes;
}

static void test_signed_for(void **state)
{
    uint8_t kek[LIST_MAX], pk[LIST_MAX];
    const size_t kek_size = enrolled("KEK", kek), pk_size = enrolled("PK", pk);

    (void)state;
    for (enum key_variable v = KEY_VARIABLE_KEK; v < KEY_VARIABLE_MAX_; v++) {
        struct key_change change;
        uint8_t *bytes = make(v, "made/db.crt", &change);
        const bool by_pk = v == KEY_VARIABLE_KEK;

        for (enum key_variable w = KEY_VARIABLE_PK; w < KEY_VARIABLE_MAX_; w++) {
            const struct key_target adds = { w, true }, replaces = { w, false };

            assert_int_equal(
                key_change_verify(&change, adds, by_pk ? pk : kek, by_pk ? pk_size : kek_size),
                v == w ? 0 : -EKEYREJECTED);
            assert_int_equal(
                key_change_verify(&change, adds, by_pk ? kek : pk, by_pk ? kek_size : pk_size),
                -EKEYREJECTED);
            assert_int_equal(key_change_verify(&change, replaces, kek, kek_size), -EKEYREJECTED);
        }
        free(bytes);
    }
}

/* Any bit of the content, the time or the signature. */
static void test_changed(void **state)
{
    const struct key_addition addition = { .variable = KEY_VARIABLE_DBX, .what = HASH, .now = NOW };
    const struct key_target target = { KEY_VARIABLE_DBX, true };
    _cleanup_free_ uint8_t *bytes = NULL;
    uint8_t kek[LIST_MAX];
    const size_t kek_size = enrolled("KEK", kek);
    struct key_change change;
    unsigned taken = 0;
    size_t size;

    (void)state;
    assert_int_equal(key_change_make(&keys, &addition, &bytes, &size, &f), 0);
    for (size_t i = 0; i < size; i += 3) {
        bytes[i] ^= 1;
        taken += key_change_parse(bytes, size, &change) == 0 &&
                 key_change_verify(&change, target, kek, kek_size) == 0;
        bytes[i] ^= 1;
    }
    /* Names of algorithms and the certificate's own signature are not what is checked. */
    assert_true(taken < size / 12);
    for (size_t i = 1; i <= SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + SIGNATURE_HASH_SIZE;
         i++) {
        bytes[size - i] ^= 1;
        assert_false(key_change_parse(bytes, size, &change) == 0 &&
                     key_change_verify(&change, target, kek, kek_size) == 0);
        bytes[size - i] ^= 1;
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_false(key_change_parse(bytes, cut, &change) == 0 &&
                     key_change_verify(&change, target, kek, kek_size) == 0);
    assert_int_equal(key_change_parse(bytes, size, &change), 0);
    assert_int_equal(key_change_verify(&change, target, kek, kek_size), 0);
}

static void test_result(void **state)
{
    struct key_change change;
    uint8_t *bytes = make(KEY_VARIABLE_DBX, HASH, &change);
    _cleanup_free_ uint8_t *after = NULL, *twice = NULL, *half = NULL;
    uint8_t db[LIST_MAX];
    const size_t db_size = enrolled("db", db);
    struct key_change both = change;
    size_t size, twice_size;

    (void)state;
    assert_int_equal(key_change_result(&change, true, db, db_size, &after, &size), 0);
    assert_int_equal(size, db_size + change.size);
    assert_memory_equal(after, db, db_size);
    assert_memory_equal(after + db_size, change.content, change.size);
    assert_int_equal(key_change_result(&change, true, after, size, &twice, &twice_size), -EALREADY);
    /* Some of it is there. */
    half = malloc(2 * change.size);
    assert_non_null(half);
    memcpy(half, change.content, change.size);
    memcpy(half + change.size, change.content, change.size);
    half[2 * change.size - 1] ^= 1;
    both.content = half;
    both.size = 2 * change.size;
    assert_int_equal(key_change_result(&both, true, after, size, &twice, &twice_size), -EEXIST);
    assert_int_equal(key_change_result(&change, true, db, db_size - 1, &twice, &twice_size),
                     -EBADMSG);
    /* In place of all. */
    assert_int_equal(key_change_result(&change, false, after, size, &twice, &twice_size), 0);
    assert_int_equal(twice_size, change.size);
    assert_int_equal(key_change_result(&change, false, twice, twice_size, &twice, &twice_size),
                     -EALREADY);
    free(bytes);
}

static void test_refused(void **state)
{
    static const struct {
        enum key_variable variable;
        const char *what;
        enum code code;
    } cases[] = { { KEY_VARIABLE_KEK, HASH, CODE_USAGE },
                  { KEY_VARIABLE_DBX, "made/owner.guid", CODE_SECUREBOOT_FILE },
                  { KEY_VARIABLE_DBX, "made/db.key", CODE_SECUREBOOT_FILE } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct key_addition addition = { .variable = cases[i].variable,
                                               .what = cases[i].what,
                                               .now = NOW };
        uint8_t *bytes = NULL;
        size_t size;

        assert_true(key_change_make(&keys, &addition, &bytes, &size, &f) < 0);
        assert_int_equal(f.code, cases[i].code);
        assert_null(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed_for),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
