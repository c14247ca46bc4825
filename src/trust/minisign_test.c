#include "trust/minisign.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_heap.h"
#include "base/text.h"
#include "sys/test_folder.h"

/* A pair that `minisign -G -W` (0.12) made for this test, and what `minisign -S -m m -t
 * 'timestamp:1\tfile:m' -c 'test signature'` said of "generation\n". The key opens nothing. */
static const char message[] = "generation\n";
static const char comment[] = "timestamp:1\\tfile:m";
static const char vector_public[] = "untrusted comment: minisign public key 39D713E5AA227C24\n"
                                    "RWQkfCKq5RPXObvSjjokbt0k3Q6k1Wp0eoG2TNZrUK4nhI0+ieVWuE6r\n";
static const char vector_private[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJHwiquUT1zmtJUX9OZtsPE"
    "qD"
    "7PcFgzi5L+dTQA6a6XjVf9+nojiM2rvSjjokbt0k3Q6k1Wp0eoG2TNZrUK4nhI0+"
    "ieVWuE6rAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAA=\n";
static const char vector_signature[] =
    "untrusted comment: test signature\n"
    "RUQkfCKq5RPXOWwSv0t7t+dWlvXqN+xzfKZn+"
    "s1tFS1H3deS9MHOR0PTy0JgKPmU5RcPAPkX0SIQk7pgkq5gG6fDvLqUD6et"
    "Mg8=\n"
    "trusted comment: timestamp:1\\tfile:m\n"
    "SK5yEDhGXWE3f7kRn+9fEbRaeE+P8liH81wT6VEQQR2daGUoyWmKd1AAl7gSBXIpUsFiWqOjL8VDkgh+qmiOBg==\n";

static int verify(const char *signature, const char *public, struct failure *f)
{
    char found[MINISIGN_COMMENT_MAX];
    int r = minisign_verify(message, strlen(message), signature, public, found, f);

    if (r == 0)
        assert_string_equal(found, comment);
    return r;
}

static void test_vector_verifies(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(verify(vector_signature, vector_public, &f), 0);
}

/* Ed25519 is deterministic: apart from the untrusted comment we write what minisign writes. */
static void test_vector_signs(void **state)
{
    _cleanup_free_ char *text = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("vector.key", vector_private);
    assert_int_equal(minisign_sign("vector.key", message, strlen(message), comment, &text, &f), 0);
    assert_string_equal(strchr(text, '\n'), strchr(vector_signature, '\n'));
}

static void test_round_trip(void **state)
{
    _cleanup_free_ char *public = NULL, *signature = NULL;
    struct failure f = FAILURE_NONE;
    struct stat status;

    (void)state;
    assert_int_equal(minisign_make_keys("a.key", "a.pub", &f), 0);
    assert_int_equal(stat("a.key", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat("a.pub", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    public = test_folder_read("a.pub");
    assert_int_equal(minisign_sign("a.key", message, strlen(message), comment, &signature, &f), 0);
    assert_int_equal(verify(signature, public, &f), 0);
    assert_int_equal(verify(vector_signature, public, &f), -EKEYREJECTED);
    assert_string_equal(f.text, "the signature is by another key");
    assert_int_equal(f.code, CODE_SIGNATURE);
}

static void test_empty_message_and_comment(void **state)
{
    _cleanup_free_ char *signature = NULL;
    char found[MINISIGN_COMMENT_MAX] = "x";
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("vector.key", vector_private);
    assert_int_equal(minisign_sign("vector.key", "", 0, "", &signature, &f), 0);
    assert_int_equal(minisign_verify("", 0, signature, vector_public, found, &f), 0);
    assert_string_equal(found, "");
}

/* No bit of the message, the key, the signature or its trusted comment can change. Only the
 * untrusted comments are free. */
static void check_flips(const char *original, bool is_signature)
{
    _cleanup_free_ char *text = strdup(original);
    const char *free_end = strchr(original, '\n');

    assert_non_null(text);
    for (size_t bit = 0; bit < 8 * strlen(original); bit++) {
        const char *at = original + bit / 8;
        bool is_free = at < free_end && at >= original + strlen("untrusted comment: ");
        struct failure f = FAILURE_NONE;
        char found[MINISIGN_COMMENT_MAX];
        int r;

        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        r = minisign_verify(message, strlen(message), is_signature ? text : vector_signature,
                            is_signature ? vector_public : text, found, &f);
        if (r == 0 && !is_free)
            fail_msg("bit %zu may change", bit);
        assert_true(r == 0 || f.code == CODE_SIGNATURE);
        text[bit / 8] = original[bit / 8];
    }
}

static void test_flips(void **state)
{
    char changed[sizeof(message)];
    struct failure f = FAILURE_NONE;
    char found[MINISIGN_COMMENT_MAX];

    (void)state;
    check_flips(vector_signature, true);
    check_flips(vector_public, false);
    for (size_t bit = 0; bit < 8 * strlen(message); bit++) {
        memcpy(changed, message, sizeof(message));
        changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(
            minisign_verify(changed, strlen(message), vector_signature, vector_public, found, &f),
            -EKEYREJECTED);
        assert_string_equal(f.text, "the signature is wrong");
    }
}

static void test_truncation(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    for (size_t size = 0; size < strlen(vector_signature); size++) {
        _cleanup_free_ char *text = strndup(vector_signature, size);

        assert_int_equal(verify(text, vector_public, &f), -EBADMSG);
        assert_string_equal(f.text, "the signature is malformed");
    }
    for (size_t size = 0; size < strlen(vector_public); size++) {
        _cleanup_free_ char *text = strndup(vector_public, size);

        assert_int_equal(verify(vector_signature, text, &f), -EBADMSG);
        assert_string_equal(f.text, "the public key is malformed");
    }
}

static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    assert_non_null(at);
    return text_make("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_malformed(void **state)
{
    static const struct {
        const char *from, *to;
        int result;
    } cases[] = {
        { "test signature", "another untrusted comment", 0 },
        { "timestamp:1", "timestamp:2", -EKEYREJECTED },
        { "RUQk", "RWQk", -EBADMSG }, /* not prehashed */
        { "untrusted comment: ", "comment: ", -EBADMSG },
        { "\ntrusted comment: ", "\ntrusted: ", -EBADMSG },
        { "Mg8=", "Mg8", -EBADMSG },
        { "Mg8=", "Mg9=", -EBADMSG }, /* bits that no byte takes */
        { "Mg8=", "Mg8==", -EBADMSG },
        { "Mg8=", " Mg8=", -EBADMSG },
        { "Bg==\n", "Bg==\n\n", -EBADMSG },
        { "Bg==\n", "Bg==", -EBADMSG },
        { "Bg==\n", "Bg==\r\n", -EBADMSG },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text = replace(vector_signature, cases[i].from, cases[i].to);
        struct failure f = FAILURE_NONE;

        assert_int_equal(verify(text, vector_public, &f), cases[i].result);
    }
}

/* Below the limit the signature does not fit the comment; at the limit nothing is verified. */
static void test_long_comment(void **state)
{
    char words[MINISIGN_COMMENT_MAX + 1];
    struct failure f = FAILURE_NONE;

    (void)state;
    for (size_t length = MINISIGN_COMMENT_MAX - 1; length <= MINISIGN_COMMENT_MAX; length++) {
        _cleanup_free_ char *text = NULL;

        memset(words, 'c', length);
        words[length] = '\0';
        text = replace(vector_signature, comment, words);
        assert_int_equal(verify(text, vector_public, &f),
                         length < MINISIGN_COMMENT_MAX ? -EKEYREJECTED : -EBADMSG);
    }
}

/* While a key is replaced an image holds both. */
static void test_several_keys(void **state)
{
    _cleanup_free_ char *own = NULL, *signature = NULL, *both = NULL, *spoilt = NULL,
                        *same_id = NULL;
    _cleanup_text_ struct text many = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(minisign_make_keys("new.key", "new.pub", &f), 0);
    own = test_folder_read("new.pub");
    both = text_make("%s%s", own, vector_public);
    assert_int_equal(minisign_sign("new.key", message, strlen(message), comment, &signature, &f),
                     0);
    assert_int_equal(verify(signature, both, &f), 0);
    assert_int_equal(verify(vector_signature, both, &f), 0);
    assert_int_equal(verify(vector_signature, own, &f), -EKEYREJECTED);
    assert_string_equal(f.text, "the signature is by another key");
    /* One malformed key spoils the file, whichever it is. */
    for (size_t size = strlen(own) + 1; size < strlen(both); size++) {
        spoilt = strndup(both, size);
        assert_int_equal(verify(signature, spoilt, &f), -EBADMSG);
        free(take_ptr(spoilt));
    }
    /* A key of the same id that did not sign, in front of the one that did. */
    same_id = replace(vector_public, "vSjjokbt", "vSjjokbu");
    free(take_ptr(both));
    both = text_make("%s%s", same_id, vector_public);
    assert_int_equal(verify(vector_signature, both, &f), 0);
    assert_int_equal(verify(vector_signature, same_id, &f), -EKEYREJECTED);
    for (size_t i = 0; i < MINISIGN_KEYS_MAX; i++)
        text_add(&many, vector_public);
    assert_int_equal(verify(vector_signature, text_string(&many), &f), 0);
    text_add(&many, vector_public);
    assert_int_equal(verify(vector_signature, text_string(&many), &f), -EBADMSG);
}

static void refuse_key(const char *text)
{
    _cleanup_free_ char *signature = NULL;
    struct failure f = FAILURE_NONE;

    test_folder_write("bad.key", text);
    assert_int_equal(minisign_sign("bad.key", "", 0, "", &signature, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_KEYS_BAD);
    assert_null(signature);
    assert_null(strstr(f.text, "RWQ")); /* nothing of the key in the message */
}

static void test_key_files(void **state)
{
    static const char *const changes[][2] = {
        { "RWQA", "RWQB" },
        { "untrusted comment: ", "comment: " },
        { "AAAA=\n", "AAAA=\n\n" },
        { "AAAA=\n", "AAAA=" },
        { "AAAA=\n", "AAAB=\n" },
        { "AAAA=", "AAA=" },
        { "RWQAAEIy", "RWRTY0IyAAA" }, /* scrypt: with a password */
    };
    _cleanup_free_ char *own = NULL, *signature = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        _cleanup_free_ char *text = replace(vector_private, changes[i][0], changes[i][1]);

        refuse_key(text);
    }
    for (size_t size = 0; size < strlen(vector_private); size++) {
        _cleanup_free_ char *text = strndup(vector_private, size);

        refuse_key(text);
    }
    assert_int_equal(minisign_sign("none.key", "", 0, "", &signature, &f), -ENOENT);
    /* A key of ours has a checksum: any change of it is noticed. */
    assert_int_equal(minisign_make_keys("own.key", "own.pub", &f), 0);
    own = test_folder_read("own.key");
    for (size_t at = strlen(own) - 150; at < strlen(own) - 50; at++) {
        char former = own[at];

        own[at] = former == 'A' ? 'B' : 'A';
        refuse_key(own);
        own[at] = former;
    }
}

static void test_cannot_write(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(minisign_make_keys("no/folder/a.key", "a2.pub", &f), -ENOENT);
    assert_int_equal(minisign_make_keys("a2.key", "no/folder/a.pub", &f), -ENOENT);
}

static void test_out_of_memory(void **state)
{
    bool failed = true;

    (void)state;
    test_folder_write("vector.key", vector_private);
    for (size_t n = 1; failed; n++) {
        _cleanup_free_ char *signature = NULL;
        struct failure f = FAILURE_NONE;
        int r;

        test_heap_fail_at(n);
        r = minisign_sign("vector.key", message, strlen(message), comment, &signature, &f);
        failed = test_heap_has_failed();
        test_heap_fail_at(0);
        assert_true(failed ? r == -ENOMEM && !signature : r == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_verifies), cmocka_unit_test(test_vector_signs),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_empty_message_and_comment),
        cmocka_unit_test(test_flips),           cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_malformed),       cmocka_unit_test(test_long_comment),
        cmocka_unit_test(test_several_keys),    cmocka_unit_test(test_key_files),
        cmocka_unit_test(test_cannot_write),    cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
