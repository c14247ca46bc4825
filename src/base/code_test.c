#include "base/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/test_death.h"

static void test_find_each(void **state)
{
    (void)state;
    for (int code = 0; code < CODE_MAX_; code++)
        assert_int_equal(code_find(code_entry((enum code)code)->id), code);
    assert_int_equal(code_find("BR-NOT-A-CODE"), CODE_MAX_);
    assert_int_equal(code_find(""), CODE_MAX_);
    assert_int_equal(code_find("BR-LOCK-HASH "), CODE_MAX_);
}

/* Identifiers are for scripts and search engines: one form, each once. */
static void test_identifiers(void **state)
{
    (void)state;
    for (int code = 0; code < CODE_MAX_; code++) {
        const char *id = code_entry((enum code)code)->id;

        assert_int_equal(strncmp(id, "BR-", 3), 0);
        assert_int_equal(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"), strlen(id));
        assert_null(strstr(id, "--"));
        for (int other = 0; other < code; other++)
            assert_string_not_equal(id, code_entry((enum code)other)->id);
    }
}

/* Meaning and advice are sentences for the catalogue. */
static void test_sentences(void **state)
{
    (void)state;
    for (int code = 0; code < CODE_MAX_; code++) {
        const struct code_entry *entry = code_entry((enum code)code);
        const char *sentences[] = { entry->meaning, entry->advice };

        for (size_t i = 0; i < ARRAY_SIZE(sentences); i++) {
            size_t length = strlen(sentences[i]);

            assert_true(length > 10);
            assert_int_equal(sentences[i][length - 1], '.');
            assert_null(strchr(sentences[i], '\n'));
        }
    }
}

static void test_exit_codes(void **state)
{
    static const enum exit_code known[] = {
        EXIT_CODE_ERROR,       EXIT_CODE_USAGE,    EXIT_CODE_REBOOT_NEEDED,
        EXIT_CODE_ROLLED_BACK, EXIT_CODE_NO_SPACE, EXIT_CODE_VERIFICATION_FAILED,
        EXIT_CODE_LOCKED,      EXIT_CODE_PARTIAL,  EXIT_CODE_NOTHING_TO_DO,
    };

    (void)state;
    for (int code = 0; code < CODE_MAX_; code++) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
            found = found || code_entry((enum code)code)->exit == known[i];
        assert_true(found); /* and so no refusal ends with 0 */
    }
}

static void test_pages(void **state)
{
    (void)state;
    assert_string_equal(code_page(CODE_BOOT_PSEUDO), "start");
    assert_string_equal(code_page(CODE_PERSIST_KEY), "disk");
    assert_string_equal(code_page(CODE_UNSEAL_PCR7), "tpm");
    assert_string_equal(code_page(CODE_TPM_OWNED), "tpm");
    assert_string_equal(code_page(CODE_UPDATE_TRIAL), "update");
    assert_string_equal(code_page(CODE_EVENT_LOG), "tpm");
    assert_string_equal(code_page(CODE_READY), "running");
    assert_string_equal(code_page(CODE_REQUEST_TPM), "disk");
    assert_null(code_page(CODE_INTERNAL));
    assert_null(code_page(CODE_LOCK_HASH));
}

static void ask_beyond(void)
{
    (void)code_entry(CODE_MAX_);
}

static void test_beyond(void **state)
{
    (void)state;
    assert_true(test_death_by_abort(ask_beyond, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_each), cmocka_unit_test(test_identifiers),
        cmocka_unit_test(test_sentences), cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_pages),     cmocka_unit_test(test_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
