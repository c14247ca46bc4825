#include "sys/tpm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/test_tpm.h"
#include "sys/tpm_esys.h"
#include "sys/tpm_transport.h"

static struct test_tpm tpm;

static int start(void **state)
{
    (void)state;
    test_tpm_make(&tpm);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_tpm_remove(&tpm);
    return 0;
}

static const uint8_t zeros[TPM_PCR_SIZE];

/* SHA-256(zeros || SHA-256("enter-initrd")), by Python's hashlib. */
static const uint8_t entered[TPM_PCR_SIZE] = { 0xd1, 0x5b, 0x0e, 0x8e, 0x24, 0x4e, 0x65, 0xc4,
                                               0x0f, 0x02, 0x4e, 0x95, 0x77, 0x3f, 0x23, 0x47,
                                               0xce, 0x4e, 0xf3, 0xff, 0xe6, 0xb5, 0x97, 0xc9,
                                               0xa1, 0x4b, 0x50, 0xbb, 0xab, 0x6d, 0xf3, 0x19 };

static void test_measure(void **state)
{
    static const unsigned pcrs[] = { 7, 11, 12 };
    uint8_t values[3][TPM_PCR_SIZE];
    uint64_t before = tpm_command_count();

    (void)state;
    assert_int_equal(tpm_measure(11, "enter-initrd", 12), 0);
    assert_int_equal(tpm_command_count() - before, 1);
    before = tpm_command_count();
    assert_int_equal(tpm_read(pcrs, 3, values), 0);
    assert_int_equal(tpm_command_count() - before, 1);
    assert_memory_equal(values[0], zeros, TPM_PCR_SIZE);
    assert_memory_equal(values[1], entered, TPM_PCR_SIZE);
    assert_memory_equal(values[2], zeros, TPM_PCR_SIZE);
}

static void test_measure_longest(void **state)
{
    static const unsigned pcr = 11;
    uint8_t bytes[TPM_MEASURE_SIZE_MAX] = { 1 }, values[1][TPM_PCR_SIZE];

    (void)state;
    assert_int_equal(tpm_measure(11, bytes, sizeof(bytes)), 0);
    assert_int_equal(tpm_read(&pcr, 1, values), 0);
    assert_memory_not_equal(values[0], zeros, TPM_PCR_SIZE);
}

static void test_reset(void **state)
{
    static const unsigned pcr = 11;
    uint8_t values[1][TPM_PCR_SIZE];

    (void)state;
    assert_int_equal(tpm_measure(11, "word", 4), 0);
    test_tpm_reset(&tpm);
    assert_int_equal(tpm_read(&pcr, 1, values), 0);
    assert_memory_equal(values[0], zeros, TPM_PCR_SIZE);
}

/* Extends every active bank; reading names one bank. */
static void test_no_bank(void **state)
{
    static const unsigned pcr = 11;
    uint8_t values[1][TPM_PCR_SIZE] = { { 1 } };

    (void)state;
    test_tpm_banks(true, false);
    test_tpm_reset(&tpm);
    assert_int_equal(tpm_measure(11, "enter-initrd", 12), 0);
    assert_int_equal(tpm_read(&pcr, 1, values), -ENOENT);
    assert_int_equal(values[0][0], 1);
}

static void test_open(void **state)
{
    uint64_t before = tpm_command_count();
    int ends[2];

    (void)state;
    assert_int_equal(tpm_open(TPM_DEVICE), -EALREADY);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(tpm_open_fd(ends[0]), -EALREADY);
    assert_int_equal(write(ends[0], "", 1), -1); /* closed */
    (void)close(ends[1]);
    assert_int_equal(tpm_command_count(), before);
}

static void test_closed(void **state)
{
    static const unsigned pcr = 11;
    uint8_t values[1][TPM_PCR_SIZE];

    (void)state;
    assert_int_equal(tpm_open("/nowhere"), -ENOENT);
    assert_int_equal(tpm_measure(11, "word", 4), -ENXIO);
    assert_int_equal(tpm_read(&pcr, 1, values), -ENXIO);
    tpm_close();
    tpm_forget_response();
}

/* A TPM that dies, or answers nonsense, is a failure and no endless wait. */
static void test_nonsense(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } answers[] = {
        { "", 0 },
        { "\x80", 1 },
        { "\x80\x01\0\0\0\x09\0\0\0\0", 10 },         /* shorter than a header */
        { "\x80\x01\0\0\0\x0b\0\0\0\0", 10 },         /* ends early */
        { "\x80\x01\xff\xff\xff\xff\0\0\0\0", 10 },   /* longer than any buffer */
        { "\x80\x01\0\0\0\x0a\0\0\0\0", 10 },         /* "done", without a result */
        { "\x80\x01\0\0\0\x0a\0\0\x01\x01", 10 },     /* TPM_RC_FAILURE */
        { "\x80\x01\0\0\0\x0a\0\0\x01\x01more", 14 }, /* something after the end */
    };
    static const unsigned pcr = 11;
    uint8_t values[1][TPM_PCR_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(tpm_open_fd(ends[0]), 0);
        assert_int_equal(write(ends[1], answers[i].bytes, answers[i].size), answers[i].size);
        assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
        assert_int_equal(tpm_read(&pcr, 1, values), -EIO);
        tpm_close();
        (void)close(ends[1]);
    }
}

static void test_loaded(void **state)
{
    static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    ESYS_TR session;

    (void)state;
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(Esys_StartAuthSession(tpm_esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &none,
                                           TPM2_ALG_SHA256, &session),
                     0);
    assert_int_equal(test_tpm_loaded(), 1);
    assert_int_equal(Esys_FlushContext(tpm_esys(), session), 0);
    assert_int_equal(test_tpm_loaded(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test_setup_teardown(test_measure, start, stop),
        cmocka_unit_test_setup_teardown(test_measure_longest, start, stop),
        cmocka_unit_test_setup_teardown(test_reset, start, stop),
        cmocka_unit_test_setup_teardown(test_no_bank, start, stop),
        cmocka_unit_test_setup_teardown(test_open, start, stop),
        cmocka_unit_test_setup_teardown(test_loaded, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
