/* testdata/signed.efi as in boot_signature_test.c, and the same file with other messages in place
 * of its signature: such as nobody's tool writes, and a reader has to get over. */
#include "trust/authenticode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "trust/boot_signature.h"

enum {
    OF_DOS_PROGRAM = 2, /* nobody reads it, and it is part of the hash */
    PEM_MAX = 4096,
};

static uint8_t *efi;
static size_t efi_size;
static char leaf[PEM_MAX], authority[PEM_MAX];

static int read_pem(const char *path, char ret[static PEM_MAX])
{
    _cleanup_free_ uint8_t *der = NULL;
    const unsigned char *at;
    struct failure f = FAILURE_NONE;
    BIO *text = BIO_new(BIO_s_mem());
    X509 *certificate = NULL;
    size_t size;
    int length = 0;

    if (file_read(path, 1 << 16, &der, &size, &f) == 0) {
        at = der;
        certificate = d2i_X509(NULL, &at, (long)size);
    }
    if (text && certificate && PEM_write_bio_X509(text, certificate) == 1)
        length = BIO_read(text, ret, PEM_MAX - 1);
    X509_free(certificate);
    (void)BIO_free(text); /* memory only */
    return length > 0 ? 0 : -1;
}

static int load(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    if (read_pem(TESTDATA "/leaf.der", leaf) < 0 ||
        read_pem(TESTDATA "/authority.der", authority) < 0)
        return -1;
    return file_read(TESTDATA "/signed.efi", 1 << 16, &efi, &efi_size, &f);
}

static int unload(void **state)
{
    (void)state;
    free(efi);
    return 0;
}

static int verify(const struct authenticode *a, const char *pem)
{
    struct failure f = FAILURE_NONE;
    int r = authenticode_verify(a, pem, strlen(pem), &f);

    if (r < 0)
        assert_int_equal(f.code, CODE_SIGNATURE);
    return r;
}

static bool covers(const struct authenticode *a)
{
    PKCS7 *message = authenticode_parse(a);
    bool covered = message && authenticode_covers(a, message);

    PKCS7_free(message);
    return covered;
}

static void test_signed(void **state)
{
    struct authenticode a;

    (void)state;
    assert_int_equal(authenticode_read(efi, efi_size, &a), 0);
    assert_true(covers(&a));
    assert_int_equal(verify(&a, leaf), 0);
    assert_int_equal(verify(&a, authority), -EBADMSG); /* it issued the one that signed */
}

static void test_changed(void **state)
{
    struct authenticode a;

    (void)state;
    efi[OF_DOS_PROGRAM] ^= 1;
    assert_int_equal(authenticode_read(efi, efi_size, &a), 0);
    assert_false(covers(&a));
    assert_int_equal(verify(&a, leaf), -EBADMSG);
    efi[OF_DOS_PROGRAM] ^= 1;
}

/* Signed data without its content, which the library takes for well-formed. */
static PKCS7 *hollow(const struct authenticode *a)
{
    PKCS7 *message = PKCS7_new();

    (void)a;
    assert_non_null(message);
    message->type = OBJ_nid2obj(NID_pkcs7_signed);
    return message;
}

/* The true signer, but what is signed is said to be of another type. The library then has it in
 * another form; sixteen bytes of it look like an ASN.1 value of ours, with a pointer in them. */
static PKCS7 *of_another_type(const struct authenticode *a)
{
    static const uint8_t bytes[16] = { 64, 0, 0, 0, 0, 0, 0, 0, 0x41, 0x41, 0x41, 0x41 };
    PKCS7 *message = authenticode_parse(a);

    assert_non_null(message);
    assert_int_equal(PKCS7_content_new(message, NID_pkcs7_data), 1);
    assert_int_equal(ASN1_OCTET_STRING_set(message->d.sign->contents->d.data, bytes, sizeof(bytes)),
                     1);
    return message;
}

/* The true signer of nothing. */
static PKCS7 *of_nothing(const struct authenticode *a)
{
    PKCS7 *message = authenticode_parse(a);

    assert_non_null(message);
    ASN1_TYPE_free(message->d.sign->contents->d.other);
    message->d.sign->contents->d.other = NULL;
    return message;
}

static void test_odd_messages(void **state)
{
    static PKCS7 *(*const makers[])(const struct authenticode *) = { hollow, of_another_type,
                                                                     of_nothing };
    struct authenticode a, odd;
    struct boot_signature *s = NULL;

    (void)state;
    assert_int_equal(authenticode_read(efi, efi_size, &a), 0);
    for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
        struct failure f = FAILURE_NONE;
        PKCS7 *message = makers[i](&a);
        unsigned char *der = NULL;
        int size = i2d_PKCS7(message, &der);
        _cleanup_free_ uint8_t *copy = malloc(efi_size);

        PKCS7_free(message);
        assert_true(size > 0 && (size_t)size <= a.pkcs7.size);
        assert_non_null(copy);
        memcpy(copy, efi, efi_size);
        memcpy(copy + (a.pkcs7.bytes - efi), der, (size_t)size);
        OPENSSL_free(der);
        assert_int_equal(authenticode_read(copy, efi_size, &odd), 0);
        assert_false(covers(&odd));
        assert_int_equal(verify(&odd, leaf), -EBADMSG);
        assert_int_equal(boot_signature_read(copy, efi_size, &s, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SECUREBOOT_FILE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_odd_messages),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
