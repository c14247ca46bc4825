#include "disk/test_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/hex.h"

static EVP_PKEY *keys[2];

static void sign(EVP_PKEY *key, const uint8_t *approved, char *ret_text)
{
    uint8_t signature[PCRSIG_MODULUS_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = sizeof(signature);

    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &size, approved, PCRSIG_DIGEST_SIZE), 1);
    assert_int_equal(size, sizeof(signature));
    EVP_MD_CTX_free(context);
    (void)EVP_EncodeBlock((uint8_t *)ret_text, signature, sizeof(signature));
}

static void write_with(EVP_PKEY *key, const uint8_t *approved, uint64_t epoch, char *ret_json,
                       char *ret_pem)
{
    char pkfp[2 * PCRSIG_DIGEST_SIZE + 1], pol[2 * PCRSIG_DIGEST_SIZE + 1];
    char sig[4 * PCRSIG_MODULUS_SIZE];
    uint8_t digest[PCRSIG_DIGEST_SIZE], *der = NULL;
    const int der_size = i2d_PUBKEY(key, &der);
    BIO *memory = BIO_new(BIO_s_mem());
    int size;

    assert_int_equal(EVP_Digest(der, (size_t)der_size, digest, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    hex_encode(digest, sizeof(digest), pkfp);
    hex_encode(approved, PCRSIG_DIGEST_SIZE, pol);
    sign(key, approved, sig);
    (void)snprintf(ret_json, TEST_POLICY_TEXT_MAX,
                   "{\"sha256\":[{\"pcrs\":[11],\"pkfp\":\"%s\",\"pol\":\"%s\",\"sig\":\"%s\","
                   "\"epoch\":%llu,\"nv\":\"0x01800100\"}]}",
                   pkfp, pol, sig, (unsigned long long)epoch);
    assert_int_equal(PEM_write_bio_PUBKEY(memory, key), 1);
    size = BIO_read(memory, ret_pem, TEST_POLICY_TEXT_MAX - 1);
    assert_true(size > 0);
    ret_pem[size] = '\0';
    BIO_free(memory);
}

/* Making a key takes a moment: each is made once. */
static EVP_PKEY *key_number(size_t which)
{
    if (!keys[which])
        keys[which] = EVP_RSA_gen(8 * PCRSIG_MODULUS_SIZE);
    assert_non_null(keys[which]);
    return keys[which];
}

static struct seal_policy make_with(EVP_PKEY *key, const uint8_t *approved, uint64_t epoch)
{
    char json[TEST_POLICY_TEXT_MAX], pem[TEST_POLICY_TEXT_MAX];
    struct failure f = FAILURE_NONE;
    struct seal_policy policy;

    write_with(key, approved, epoch, json, pem);
    assert_int_equal(pcrsig_parse(json, strlen(json), pem, strlen(pem), &policy, &f), 0);
    return policy;
}

void test_policy_write(const uint8_t approved[static PCRSIG_DIGEST_SIZE], uint64_t epoch,
                       char ret_json[static TEST_POLICY_TEXT_MAX],
                       char ret_pem[static TEST_POLICY_TEXT_MAX])
{
    write_with(key_number(0), approved, epoch, ret_json, ret_pem);
}

struct seal_policy test_policy_make(const uint8_t approved[static PCRSIG_DIGEST_SIZE],
                                    uint64_t epoch)
{
    return make_with(key_number(0), approved, epoch);
}

struct seal_policy test_policy_of_another_key(const uint8_t approved[static PCRSIG_DIGEST_SIZE],
                                              uint64_t epoch)
{
    return make_with(key_number(1), approved, epoch);
}
