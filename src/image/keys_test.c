#include "image/keys.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "trust/minisign.h"
#include "sys/test_folder.h"
#include "sys/file.h"

enum { NOW = 1795206090 };

/* Making keys takes a second or two, so one folder is made and copied for each test. */
static int enter(void **state)
{
    struct failure f = FAILURE_NONE;

    return test_folder_enter(state) < 0 ? -1 : keys_init("made", false, NOW, &f);
}

static int copy_one(const char *folder, const char *name, void *context, struct failure *f)
{
    char from[256], to[256];

    (void)snprintf(from, sizeof(from), "%s/%s", folder, name);
    (void)snprintf(to, sizeof(to), "%s/%s", (const char *)context, name);
    return file_copy(from, to, strstr(name, ".key") ? 0600 : 0644, f);
}

static void copy_keys(const char *to)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_remove_tree(to, &f), 0);
    assert_int_equal(mkdir(to, 0700), 0);
    assert_int_equal(file_list("made", copy_one, (void *)(uintptr_t)to, &f), 0);
}

static void test_init(void **state)
{
    static const char *const names[] = { "PK.key",     "PK.crt",     "KEK.key",     "KEK.crt",
                                         "db.key",     "db.crt",     "pcr.key",     "pcr.pub",
                                         "module.key", "module.crt", "release.key", "release.pub",
                                         "owner.guid" };
    struct stat status;

    (void)state;
    assert_int_equal(stat("made", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(test_folder_count("made"), ARRAY_SIZE(names)); /* no mark */
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "made/%s", names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, strstr(names[i], ".key") ? 0600 : 0644);
    }
    assert_int_equal(test_folder_count("."), 1); /* no half-made folder beside it */
}

static void test_init_refuses(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(keys_init("made", false, NOW, &f), -EEXIST);
    assert_int_equal(f.code, CODE_KEYS_EXIST);
    assert_int_equal(mkdir("empty", 0755), 0);
    assert_int_equal(keys_init("empty", false, NOW, &f), -EEXIST);
    test_folder_write("file", "");
    assert_int_equal(keys_init("file", false, NOW, &f), -EEXIST);
    assert_int_equal(keys_init("file/below", false, NOW, &f), -ENOTDIR);
    assert_int_equal(f.code, CODE_IO);
}

static void test_open(void **state)
{
    struct keys keys = KEYS_INIT, again = KEYS_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(keys_open("made", &keys, &f), 0);
    assert_int_equal(keys.folder[0], '/');
    assert_false(keys.development);
    assert_int_equal(keys_open("./made/../made", &again, &f), 0);
    assert_string_equal(keys.folder, again.folder);
    assert_memory_equal(&keys.digest, &again.digest, sizeof(keys.digest));
    keys_done(&keys);
    keys_done(&keys); /* empty by now */
    keys_done(&again);
    assert_int_equal(keys_open("nowhere", &keys, &f), -ENOENT);
    assert_int_equal(f.code, CODE_KEYS_BAD);
}

static void expect_refusal(enum code code, const char *word)
{
    struct keys keys = KEYS_INIT;
    struct failure f = FAILURE_NONE;

    assert_true(keys_open("copy", &keys, &f) < 0);
    if (f.code != code || !strstr(f.text, word))
        fail_msg("%s: code %d, '%s'", word, (int)f.code, f.text);
    assert_null(keys.folder);
}

static void test_missing_files(void **state)
{
    static const char *const names[] = { "PK.key",     "PK.crt",     "KEK.key",     "KEK.crt",
                                         "db.key",     "db.crt",     "pcr.key",     "pcr.pub",
                                         "module.key", "module.crt", "release.key", "release.pub",
                                         "owner.guid" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[64];

        copy_keys("copy");
        (void)snprintf(path, sizeof(path), "copy/%s", names[i]);
        assert_int_equal(unlink(path), 0);
        expect_refusal(CODE_KEYS_BAD, strncmp(names[i], "release", 7) == 0 ? "release" : names[i]);
        test_folder_write(path, "damaged\n");
        assert_int_equal(chmod(path, 0600), 0);
        expect_refusal(CODE_KEYS_BAD, strncmp(names[i], "release", 7) == 0 ? "release" : names[i]);
    }
}

static void test_readable_by_others(void **state)
{
    static const char *const names[] = { "PK", "KEK", "db", "pcr", "module", "release" };
    static const mode_t modes[] = { 0640, 0604, 0660, 0644 };

    (void)state;
    copy_keys("copy");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "copy/%s.key", names[i]);
        for (size_t j = 0; j < ARRAY_SIZE(modes); j++) {
            assert_int_equal(chmod(path, modes[j]), 0);
            expect_refusal(CODE_KEYS_OPEN, path + strlen("copy/")); /* names the file */
        }
        assert_int_equal(chmod(path, 0600), 0);
    }
}

static void test_mixed_pairs(void **state)
{
    static const struct {
        const char *from, *to, *word;
    } cases[] = {
        { "made/PK.crt", "copy/db.crt", "db.crt' does not belong to" },
        { "made/KEK.key", "copy/PK.key", "PK.crt' does not belong to" },
        { "other.pub", "copy/release.pub", "release" },
        { "other.key", "copy/release.key", "release" },
    };
    struct failure f = FAILURE_NONE;

    (void)state;
    if (!file_exists("other.key"))
        assert_int_equal(minisign_make_keys("other.key", "other.pub", &f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        copy_keys("copy");
        assert_int_equal(file_copy(cases[i].from, cases[i].to, 0600, &f), 0);
        expect_refusal(CODE_KEYS_BAD, cases[i].word);
    }
}

/* The library would ask for the password, and a build would wait for an answer for ever. */
static void test_password(void **state)
{
    FILE *file;
    EVP_PKEY *key;

    (void)state;
    copy_keys("copy");
    file = fopen("made/db.key", "re");
    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    assert_non_null(key);
    assert_int_equal(fclose(file), 0);
    file = fopen("copy/db.key", "we");
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
    expect_refusal(CODE_KEYS_BAD, "db.key");
}

static void test_owner(void **state)
{
    static const char *const cases[] = { "",
                                         "\n",
                                         "0123\n",
                                         "0123456789ab-cdef-0123-456789abcdefABC\n",
                                         "01234567-89ab-4def-8123-456789abcdef",
                                         "01234567-89ab-4def-8123-456789abcdef\n\n",
                                         "01234567-89ab-4def-8123-456789abcdeg\n" };

    (void)state;
    copy_keys("copy");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        test_folder_write("copy/owner.guid", cases[i]);
        expect_refusal(CODE_KEYS_BAD, "owner.guid");
    }
}

static void test_mark(void **state)
{
    struct keys keys = KEYS_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    copy_keys("copy");
    test_folder_write("copy/development", "");
    assert_int_equal(keys_open("copy", &keys, &f), 0);
    assert_true(keys.development);
    keys_done(&keys);
}

/* Made on first use, found afterwards, and still development keys when the mark gets lost. */
static void test_development(void **state)
{
    _cleanup_free_ char *first = NULL, *second = NULL, *mark = NULL;
    struct keys keys = KEYS_INIT;
    struct failure f = FAILURE_NONE;
    struct stat status;

    (void)state;
    assert_int_equal(keys_development(NOW, &first, &f), 0);
    assert_non_null(strstr(first, "/xdg-data/broch/development-keys"));
    assert_int_equal(stat(first, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(keys_development(NOW, &second, &f), 0);
    assert_string_equal(first, second);
    assert_int_equal(asprintf(&mark, "%s/development", first) > 0, 1);
    assert_int_equal(unlink(mark), 0);
    assert_int_equal(keys_open(first, &keys, &f), 0);
    assert_true(keys.development);
    keys_done(&keys);
}

static void test_development_without_home(void **state)
{
    _cleanup_free_ char *data = strdup(getenv("XDG_DATA_HOME")), *path = NULL;
    _cleanup_free_ char *home = strdup(getenv("HOME"));
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    assert_int_equal(setenv("HOME", "relative", 1), 0);
    assert_int_equal(keys_development(NOW, &path, &f), -EINVAL);
    assert_int_equal(f.code, CODE_USAGE);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(keys_development(NOW, &path, &f), -EINVAL);
    assert_int_equal(setenv("XDG_DATA_HOME", data, 1), 0);
    assert_int_equal(setenv("HOME", home, 1), 0);
}

static void test_sign_pcr(void **state)
{
    struct keys keys = KEYS_INIT;
    _cleanup_free_ uint8_t *signature = NULL, *again = NULL;
    struct digest fingerprint = { .bytes = { 0 } }, none = { .bytes = { 0 } };
    struct failure f = FAILURE_NONE;
    size_t size, again_size;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FILE *file = fopen("made/pcr.pub", "re");
    EVP_PKEY *public = PEM_read_PUBKEY(file, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(fclose(file), 0);
    assert_int_equal(keys_open("made", &keys, &f), 0);
    assert_int_equal(keys_sign_pcr(&keys, "policy", 6, &signature, &size, &f), 0);
    assert_int_equal(size, 256);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, size, (const uint8_t *)"policy", 6), 1);
    assert_int_equal(keys_sign_pcr(&keys, "policy", 6, &again, &again_size, &f), 0);
    assert_memory_equal(signature, again, size); /* the same bytes each time */
    assert_int_equal(keys_pcr_fingerprint(&keys, &fingerprint, &f), 0);
    assert_memory_not_equal(&fingerprint, &none, sizeof(none));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    free(keys.folder);
    keys.folder = strdup("nowhere");
    assert_int_equal(keys_sign_pcr(&keys, "policy", 6, &again, &again_size, &f), -EBADMSG);
    assert_int_equal(keys_pcr_fingerprint(&keys, &fingerprint, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_KEYS_BAD);
    keys_done(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_init_refuses),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_readable_by_others),
        cmocka_unit_test(test_mixed_pairs),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_development),
        cmocka_unit_test(test_development_without_home),
        cmocka_unit_test(test_sign_pcr),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
