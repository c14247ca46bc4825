#include "image/module_signature.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "trust/digest.h"
#include "sys/test_folder.h"

/* A pair made for this test; the key opens nothing. */
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC03wdDEug3z0x+\n"
                          "OHljIcIPoC283uNGuuHgoSLplCm4wPcQOaheKXtmcginruZja9x2I++lWIJqV0G7\n"
                          "vfSKOOUG7qIYChYnigPgSUahC4wWaeEpAEwcCTQyvc+VvzlVk9O/8gOTVXTao1nn\n"
                          "LvfSTRKSMbWQrdUI00ZIgcahY0gRUnot5Q2imkJjggDlb7ZG82FrNLjHwH8QPTW7\n"
                          "b0LYarE8z+OnMwSTIKfNiky00d7pxNqeP4uQNjkc+Tm0ybNG3Xq+sgaeTgzeC5Pz\n"
                          "+DLity0gNdLsG/3N+bRzI4lgTeecedWhBUSxRgXxJWIEL69z9TBmWl3imes+u0zE\n"
                          "GEpSE6DBAgMBAAECggEASAawq6Mx2lewzGrM3A8ranGNBTN1Kktte7hvYLjhzHL7\n"
                          "b/il9alrPKaYj730fQ8M4fb5jcyrUpGg2ZSRdyGlApew8QXDQMeTN5O2jpc8mAhd\n"
                          "46f8pwV7ReGUcruNp2iQ4FUN23QibpayTH/FrHeIt7MX7J9swHDyAhm78bTJlCuq\n"
                          "Z5dGEC2j12TVuYFVtzhrqa4iptzVM9Y1fwineXG1uLYJ+rNVgKStj7gqt43MHv8e\n"
                          "SqnlrQ63J8Rs42vQLRMiGMzrJ4ZzbrJwNyGOOBb41vm89F8jTXbjSIWHyXHcUwVE\n"
                          "DoXDB88sw/l98OPk8mc9v8NCgvTJfhUhqpCVWb+LSQKBgQDiN4GLUhkdvvIVasDv\n"
                          "IHb+DY4nPd0bRwzi19ZaIFesP/s2Cfowcsxb9aay1tp/K1pmf+wyYwSGlKQ8hrcw\n"
                          "9uGoZ29Jeomw0qaYhYH2WDzX/tHTDFGxfHHq9+yNeCahOFcurGX30psIk1naXZW8\n"
                          "MaWA9vF0N+RDqybEwJFbu1XhVwKBgQDMry1doi25xX6qEXqKuGfq43MqRwOpTopg\n"
                          "7HGWwKfQNckEokpOfHmWuQMurNE4L3bb//RaWCKHwoEpwR/pjh8um06MrZH9ZO8W\n"
                          "IuTo+F5E6BRok4hiNOfFuGqEtzqK3sYVCUg9Bbnf2V5awp41gd93fk9T5ey4DCEA\n"
                          "UQlqH1XHpwKBgQDDzbONefRPcPVtYEe7M2iLogQHJ174u1kGCDh7Lj900rSII76w\n"
                          "rM0CU/CEH8BkDoxi6Brzyg0iyAoYcaqi8S6Fa3JCMZR4vvyATB8fsWSIuQG5IZKc\n"
                          "g9C+xvWzxen55iBgP8zK4zpaA+DkR9jRWk+c/yIjrDUh9UTLTLsEoXRGZQKBgGae\n"
                          "WPc9rQEbU+K9+pr70xW/TOjgS6ShfN0VDenP0xKfNJX/K5Pn8imvvjmzaP1rRoML\n"
                          "8x0sXLuFt64QZgh5OYbrVFlRWAUbioalnfBzPQf89uZrORBLh/vn9ndtSYuAHv1C\n"
                          "9xWo/kSNPTHxqtIWt8u35tugRasMYas/9aFf7mi3AoGAahrdebYwsrr7y7is0rMV\n"
                          "qFOgQDmLOBXhqc4EmID37oww5lCnhl3tFV/HfoAlYxytVu76iVh3Ujaybc82U6FA\n"
                          "CKmr8bFUF2mpVYzEZQjN3fHbahNNwQJnmiflkW9SJzGFfJVJSLGi7Qi7v2JYhRK6\n"
                          "lGlTMJZNoG3vHw/yNWWCloM=\n"
                          "-----END PRIVATE KEY-----\n";
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIC+jCCAeKgAwIBAgIBBzANBgkqhkiG9w0BAQsFADAVMRMwEQYDVQQDDApCcm9j\n"
    "aCB0ZXN0MCAXDTI2MTEyNTA5MDAyOVoYDzIwNTEwNzE3MDkwMDI5WjAVMRMwEQYD\n"
    "VQQDDApCcm9jaCB0ZXN0MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n"
    "tN8HQxLoN89Mfjh5YyHCD6AtvN7jRrrh4KEi6ZQpuMD3EDmoXil7ZnIIp67mY2vc\n"
    "diPvpViCaldBu730ijjlBu6iGAoWJ4oD4ElGoQuMFmnhKQBMHAk0Mr3Plb85VZPT\n"
    "v/IDk1V02qNZ5y730k0SkjG1kK3VCNNGSIHGoWNIEVJ6LeUNoppCY4IA5W+2RvNh\n"
    "azS4x8B/ED01u29C2GqxPM/jpzMEkyCnzYpMtNHe6cTanj+LkDY5HPk5tMmzRt16\n"
    "vrIGnk4M3guT8/gy4rctIDXS7Bv9zfm0cyOJYE3nnHnVoQVEsUYF8SViBC+vc/Uw\n"
    "Zlpd4pnrPrtMxBhKUhOgwQIDAQABo1MwUTAdBgNVHQ4EFgQUJ+3QsZX4/semCMsd\n"
    "SEukDHG81NwwHwYDVR0jBBgwFoAUJ+3QsZX4/semCMsdSEukDHG81NwwDwYDVR0T\n"
    "AQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAYoaOHcLGoX8Zw9bg8qZnZw9n\n"
    "G6GOVyRZdmUCJ5Mc9x73tWSp6x6ynoqocSVPvWRUkM7HwIlrOJA496ZHZMOfOHEi\n"
    "xtAfMn8Xs2MSZL+oXTTwaQkQ6QYIshWTwiGf8auEUIli+bmub497AAfFV6r3nxzc\n"
    "Ce8OrpAJ6JhZT7nyKw5HbkdbKrHUJXwHv/axxrLMPoILFWaLds0CyDV4x3fDti90\n"
    "ukqKWDfcE6/UXXk8n/mH2a7QB/cjyCT5q4XrHaeyKSPfFCi1dXfSSYCu34ezNW4L\n"
    "ow/y1qMbr9OXC4nic8x8kvkFtxCryxrP2q2TiPPfdbEnyXI+BzEEV9WCLvCyng==\n"
    "-----END CERTIFICATE-----\n";

static const char module[] = "a kernel module\n";

/* SHA-256 of the module, what `openssl cms -sign -binary -noattr -nocerts -outform DER -md sha256`
 * (3.0.19 and 3.5.9 alike) made of it, and the trailer: another version that writes other bytes
 * would break the promise of equal images, and this test. */
static const char golden[] = "3539c76f0bf76cf88392ac21a54865c0c1c1ef85f59684778c47f5b0a371b40e";

enum { MODULE_SIZE = sizeof(module) - 1, CMS_SIZE = 381, TRAILER_SIZE = 12, MAGIC_SIZE = 28 };

static int enter(void **state)
{
    if (test_folder_enter(state) < 0)
        return -1;
    test_folder_write("keys/db.key", key);
    test_folder_write("keys/db.crt", certificate);
    return 0;
}

static struct module_signer *open_signer(void)
{
    struct keys keys = { .folder = (char[]){ "keys" } };
    struct module_signer *signer = NULL;
    struct failure f = FAILURE_NONE;

    assert_int_equal(module_signer_open(&keys, &signer, &f), 0);
    return signer;
}

static void sign(const void *bytes, size_t size, struct text *ret)
{
    struct module_signer *signer = open_signer();
    struct failure f = FAILURE_NONE;

    assert_int_equal(module_sign(signer, bytes, size, ret, &f), 0);
    assert_null(module_signer_free(signer));
}

static void test_golden(void **state)
{
    _cleanup_text_ struct text signed_ = TEXT_INIT;
    char digits[DIGEST_TEXT_SIZE];
    struct digest digest;

    (void)state;
    sign(module, MODULE_SIZE, &signed_);
    assert_int_equal(signed_.length, MODULE_SIZE + CMS_SIZE + TRAILER_SIZE + MAGIC_SIZE);
    digest = digest_bytes(signed_.data, signed_.length);
    assert_string_equal(digest_text(&digest, digits), golden);
}

/* Whoever signed it before: the result is the same. */
static void test_signed_anew(void **state)
{
    _cleanup_text_ struct text once = TEXT_INIT, twice = TEXT_INIT;

    (void)state;
    sign(module, MODULE_SIZE, &once);
    sign(once.data, once.length, &twice);
    assert_int_equal(once.length, twice.length);
    assert_memory_equal(once.data, twice.data, once.length);
}

static void test_strip(void **state)
{
    _cleanup_text_ struct text signed_ = TEXT_INIT;
    size_t size = 0;

    (void)state;
    assert_int_equal(module_signature_strip((const uint8_t *)module, MODULE_SIZE, &size), 0);
    assert_int_equal(size, MODULE_SIZE);
    assert_int_equal(module_signature_strip(NULL, 0, &size), 0);
    assert_int_equal(size, 0);
    sign(module, MODULE_SIZE, &signed_);
    assert_int_equal(module_signature_strip((uint8_t *)signed_.data, signed_.length, &size), 0);
    assert_int_equal(size, MODULE_SIZE);
    assert_memory_equal(signed_.data, module, MODULE_SIZE);
}

/* A trailer whose kind or length is impossible, and one that is not all there. */
static void test_strip_refuses(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    uint8_t *bytes;
    size_t size = 99, trailer;

    (void)state;
    sign(module, MODULE_SIZE, &t);
    bytes = (uint8_t *)t.data;
    trailer = t.length - MAGIC_SIZE - TRAILER_SIZE;
    bytes[trailer + 2] = 1; /* PGP, which the kernel no longer knows */
    assert_int_equal(module_signature_strip(bytes, t.length, &size), -EBADMSG);
    bytes[trailer + 2] = 2;
    bytes[trailer + 8] = 0xff;
    assert_int_equal(module_signature_strip(bytes, t.length, &size), -EBADMSG);
    memset(bytes + trailer + 8, 0, 4);
    assert_int_equal(module_signature_strip(bytes, t.length, &size), -EBADMSG);
    for (size_t cut = MAGIC_SIZE; cut < MAGIC_SIZE + TRAILER_SIZE; cut++)
        assert_int_equal(module_signature_strip(bytes + t.length - cut, cut, &size), -EBADMSG);
    assert_int_equal(size, 99);
}

/* Each length of each cut is either a module without signature or refused, never more than there
 * was. */
static void test_strip_any_cut(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    sign(module, MODULE_SIZE, &t);
    for (size_t start = 0; start < t.length; start++) {
        size_t size = SIZE_MAX;
        int r = module_signature_strip((uint8_t *)t.data + start, t.length - start, &size);

        assert_true(r == -EBADMSG || (r == 0 && size <= t.length - start));
    }
}

static void test_missing_keys(void **state)
{
    struct keys keys = { .folder = (char[]){ "nowhere" } };
    struct module_signer *signer = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(module_signer_open(&keys, &signer, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_KEYS_BAD);
    assert_null(signer);
    assert_null(module_signer_free(NULL));
}

static void test_refuses_a_broken_module(void **state)
{
    static const char broken[] = MODULE_SIGNATURE_MAGIC;
    struct module_signer *signer = open_signer();
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(module_sign(signer, (const uint8_t *)broken, sizeof(broken) - 1, &t, &f),
                     -EBADMSG);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    assert_int_equal(t.length, 0);
    (void)module_signer_free(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_signed_anew),
        cmocka_unit_test(test_strip),
        cmocka_unit_test(test_strip_refuses),
        cmocka_unit_test(test_strip_any_cut),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_refuses_a_broken_module),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
