/* PCR 7 of a whole machine: its log leads to it, and says what it will be when dbx is another one.
 * BROCH_RECORD names a file that gets the log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/pcr7.h"
#include "sys/file.h"
#include "vm/variables.h"
#include "fixture.h"

enum { VARIABLE_MAX = 16384 };

#define LOG  "/sys/kernel/security/tpm0/binary_bios_measurements"
#define PCR7 "/sys/class/tpm/tpm0/pcr-sha256/7"

struct log {
    uint8_t bytes[EVENT_LOG_SIZE_MAX];
    size_t size;
};

static void read_pcr7(struct place *place, uint8_t ret[EVENT_DIGEST_SIZE])
{
    _cleanup_free_ char *text = as_root(place, "cat " PCR7);
    const size_t start = strcspn(text, "0123456789ABCDEF");

    assert_int_equal(hex_decode(text + start, 64, ret, EVENT_DIGEST_SIZE), 0);
}

/* Base64 in one line, between two words. */
static void read_log(struct place *place, struct log *log)
{
    _cleanup_free_ char *text = as_root(place, "echo \"<$(base64 -w0 " LOG ")>\"");
    char *begin = strchr(text, '<'), *end = begin ? strchr(begin, '>') : NULL;
    const char *record = getenv("BROCH_RECORD");
    struct failure f = FAILURE_NONE;
    size_t length;
    int size;

    assert_non_null(end);
    begin++;
    length = (size_t)(end - begin);
    assert_true(length > 0 && length % 4 == 0 && length / 4 * 3 < sizeof(log->bytes));
    size = EVP_DecodeBlock(log->bytes, (const uint8_t *)begin, (int)length);
    assert_true(size > 0);
    log->size = (size_t)size - (end[-1] == '=') - (end[-2] == '=');
    if (record)
        assert_int_equal(file_write(record, log->bytes, log->size, 0644, &f), 0);
}

static void off(struct place *place)
{
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
}

/* The disk is sealed for the former value. Stage 1 says so, with both of them. */
static void expect_both(struct place *place, const uint8_t is[EVENT_DIGEST_SIZE],
                        const uint8_t was[EVENT_DIGEST_SIZE])
{
    static const char *const texts[] = { "unseal-detail=", "broch ready" };
    char is_text[2 * EVENT_DIGEST_SIZE + 1], was_text[2 * EVENT_DIGEST_SIZE + 1];
    _cleanup_free_ char *wanted = NULL;
    struct vm_match match;

    hex_encode(is, EVENT_DIGEST_SIZE, is_text);
    hex_encode(was, EVENT_DIGEST_SIZE, was_text);
    wanted = text_make("PCR 7 is %s, it is sealed for %s", is_text, was_text);
    assert_non_null(wanted);
    if (vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("%s", place->f.text);
    if (!strstr(match.line, wanted))
        fail_msg("'%s' is not in: %s", wanted, match.line);
}

static void test_predicted(void **state)
{
    static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct place *place = *state;
    const char *variables = place_path(place, "machine/variables.fd");
    uint8_t predicted[EVENT_DIGEST_SIZE], content[VARIABLE_MAX];
    _cleanup_free_ struct log *log = malloc(sizeof(*log));
    _cleanup_free_ char *digits = NULL;
    struct pcr7_record record;
    struct pcr7_change change = { .name = "dbx", .content = content };

    assert_non_null(log);
    start(place);
    (void)expect_ready(place);
    login(place);
    read_log(place, log);
    record = (struct pcr7_record){ .log = log->bytes, .size = log->size };
    read_pcr7(place, record.live);
    if (pcr7_predict(&record, NULL, 0, predicted, &place->f) < 0)
        fail_msg("%s", place->f.text);
    assert_memory_equal(predicted, record.live, sizeof(record.live));
    off(place);

    assert_int_equal(vm_variables_forbid(fixture_tree, variables, hash, &place->f), 0);
    assert_int_equal(
        vm_variables_get(fixture_tree, variables, "dbx", VM_GUID_SECURITY, &digits, &place->f), 0);
    change.size = strlen(digits) / 2;
    assert_int_equal(hex_decode(digits, strlen(digits), content, change.size), 0);
    assert_int_equal(pcr7_predict(&record, &change, 1, predicted, &place->f), 0);
    assert_memory_not_equal(predicted, record.live, sizeof(record.live));
    start(place);
    expect_both(place, predicted, record.live);
    off(place);
    /* The old log is of the past. */
    memcpy(record.live, predicted, sizeof(predicted));
    assert_int_equal(pcr7_predict(&record, NULL, 0, predicted, &place->f), -ESTALE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_predicted, place_setup, place_teardown),
    };

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
