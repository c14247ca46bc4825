#include "programs/broch-disk/lists_shown.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "sys/file.h"

/* Of testdata: `authority` issued the certificate `leaf`, which signed signed.efi. */
static struct plan_machine machine;
static struct boot_signature *boot;

static const struct lists_shown shown = { .secure_boot = "on", .machine = &machine };

static struct plan_lists list_of(enum signature_kind kind, const void *data, size_t size)
{
    static const uint8_t owner[SIGNATURE_OWNER_SIZE] = { 7 };
    struct plan_lists l = { .size = SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size };

    l.bytes = malloc(l.size);
    assert_non_null(l.bytes);
    signature_list_write(kind, owner, data, size, l.bytes);
    return l;
}

static int enter(void **state)
{
    _cleanup_free_ uint8_t *efi = NULL, *authority = NULL;
    struct failure f = FAILURE_NONE;
    size_t efi_size, authority_size;

    (void)state;
    if (file_read(TESTDATA "/signed.efi", 1 << 16, &efi, &efi_size, &f) < 0 ||
        file_read(TESTDATA "/authority.der", 1 << 16, &authority, &authority_size, &f) < 0 ||
        boot_signature_read(efi, efi_size, &boot, &f) < 0)
        return -1;
    machine.variables[KEY_VARIABLE_DB] = list_of(SIGNATURE_CERTIFICATE, authority, authority_size);
    machine.running = boot;
    return 0;
}

static int leave(void **state)
{
    (void)state;
    free(machine.variables[KEY_VARIABLE_DB].bytes);
    boot_signature_free(boot);
    return 0;
}

static void forbid_boot_file(void)
{
    machine.variables[KEY_VARIABLE_DBX] =
        list_of(SIGNATURE_IMAGE_HASH, boot_signature_hash(boot), SIGNATURE_HASH_SIZE);
}

static void allow_again(void)
{
    free(machine.variables[KEY_VARIABLE_DBX].bytes);
    machine.variables[KEY_VARIABLE_DBX] = (struct plan_lists){ .bytes = NULL };
}

static void test_table(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(lists_shown_add_table(&shown, &t, &f), 0);
    assert_string_equal(text_string(&t), "Secure Boot   on\n"
                                         "PK            empty\n"
                                         "KEK           empty\n"
                                         "db           \n"
                                         "              certificate 'Test authority'\n"
                                         "dbx           empty\n"
                                         "running slot  signed by 'Test image key', allowed\n"
                                         "other slot    holds no boot file\n");
    text_clear(&t);
    forbid_boot_file();
    assert_int_equal(lists_shown_add_table(&shown, &t, &f), 0);
    assert_non_null(strstr(text_string(&t), "dbx          \n              a boot file's hash\n"));
    assert_non_null(strstr(text_string(&t), "signed by 'Test image key', refused: "));
    allow_again();
}

static const char *word_at(json_object *object, const char *outer, const char *inner)
{
    json_object *at;

    assert_true(json_object_object_get_ex(object, outer, &at));
    assert_true(json_object_object_get_ex(at, inner, &at));
    return json_object_get_string(at);
}

static json_object *parse(struct text *t)
{
    struct failure f = FAILURE_NONE;
    json_object *object;

    text_clear(t);
    assert_int_equal(lists_shown_add_json(&shown, t, &f), 0);
    assert_int_equal(text_status(t), 0);
    object = json_tokener_parse(text_string(t));
    assert_non_null(object);
    return object;
}

static void test_json(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    json_object *object = parse(&t), *other;

    (void)state;
    assert_string_equal(word_at(object, "variables", "PK"), "[ ]");
    assert_string_equal(word_at(object, "variables", "db"),
                        "[ { \"kind\": \"certificate\", \"name\": \"Test authority\" } ]");
    assert_string_equal(word_at(object, "running", "signer"), "Test image key");
    assert_string_equal(word_at(object, "running", "allowed"), "true");
    assert_true(json_object_object_get_ex(object, "other", &other));
    assert_null(other);
    json_object_put(object);
    forbid_boot_file();
    object = parse(&t);
    assert_non_null(strstr(word_at(object, "variables", "dbx"), "\"sha256\": \""));
    assert_string_equal(word_at(object, "running", "allowed"), "false");
    assert_non_null(strstr(word_at(object, "running", "refusal"), "dbx has "));
    json_object_put(object);
    allow_again();
}

static void test_malformed(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    machine.variables[KEY_VARIABLE_DB].size--;
    assert_true(lists_shown_add_table(&shown, &t, &f) < 0);
    assert_int_equal(f.code, CODE_SECUREBOOT_FILE);
    assert_string_equal(f.text, "db is malformed");
    assert_true(lists_shown_add_json(&shown, &t, &f) < 0);
    machine.variables[KEY_VARIABLE_DB].size++;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_json),
                                        cmocka_unit_test(test_malformed) };

    return cmocka_run_group_tests(tests, enter, leave);
}
