/* With a log of one of our machines (testdata/, by tests/vm/measured_test.c). */
#include "disk/event_log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sys/file.h"

static uint8_t *recorded;
static size_t recorded_size;

static int read_recorded(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_read(TESTDATA "/measurements", EVENT_LOG_SIZE_MAX, &recorded, &recorded_size, &f);
}

static int free_recorded(void **state)
{
    (void)state;
    free(recorded);
    return 0;
}

/* The number of events, or the error. */
static int walk(const void *bytes, size_t size)
{
    struct event_log log;
    struct event event;
    int count = 0, r = event_log_open(bytes, size, &log);

    while (r == 0 && (r = event_log_next(&log, &event)) > 0) {
        r = 0;
        count++;
    }
    return r < 0 ? r : count;
}

static void test_recorded(void **state)
{
    struct event_log log;
    struct event event;
    size_t configurations = 0, authorities = 0, separators = 0;

    (void)state;
    assert_int_equal(event_log_open(recorded, recorded_size, &log), 0);
    while (event_log_next(&log, &event) > 0) {
        if (event.pcr != 7)
            continue;
        configurations += event.type == EVENT_VARIABLE_CONFIG;
        authorities += event.type == EVENT_VARIABLE_AUTHORITY;
        separators += event.type == EVENT_SEPARATOR;
    }
    assert_int_equal(cursor_left(&log.cursor), 0);
    assert_int_equal(configurations, 5); /* SecureBoot, PK, KEK, db, dbx */
    assert_int_equal(authorities, 1);
    assert_int_equal(separators, 1);
}

/* Wherever it is cut, it is refused, but between two events. */
static void test_truncated(void **state)
{
    const int whole = walk(recorded, recorded_size);
    int good = 0;

    (void)state;
    assert_true(whole > 10);
    for (size_t size = 0; size < recorded_size; size++) {
        uint8_t *exact = malloc(size + 1);
        int r;

        assert_non_null(exact);
        memcpy(exact, recorded, size);
        r = walk(exact, size);
        free(exact);
        assert_true(r >= 0 || r == -EBADMSG);
        good += r >= 0;
    }
    assert_int_equal(good, whole);
}

/* Any flipped bit: another log or a refusal, never a walk outside (the sanitizers look). */
static void test_flipped(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * recorded_size; bit += 5) {
        recorded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)walk(recorded, recorded_size);
        recorded[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* A first event with one algorithm, and one event of one byte. */
static const uint8_t small[] = {
    0,           0,   0,   0,   3,   0,   0,   0,   0,   0,    0,   0,   0,    0, 0, 0,   0,
    0,           0,   0,   0,   0,   0,   0,   0,   0,   0,    0,   33,  0,    0, 0, 'S', 'p',
    'e',         'c', ' ', 'I', 'D', ' ', 'E', 'v', 'e', 'n',  't', '0', '3',  0, 0, 0,   0,
    0,           0,   2,   0,   2,   1,   0,   0,   0,   0x0b, 0,   32,  0,    0,
    /* 65: */ 7, 0,   0,   0,   4,   0,   0,   0,   1,   0,    0,   0,   0x0b, 0, 9, 9,   9,
    9,           9,   9,   9,   9,   9,   9,   9,   9,   9,    9,   9,   9,    9, 9, 9,   9,
    9,           9,   9,   9,   9,   9,   9,   9,   9,   9,    9,   9,   1,    0, 0, 0,   'x',
};

static void test_small(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        int result;
    } changes[] = {
        { 28, 33, 1 },          /* as it is */
        { 0, 1, -EBADMSG },     /* PCR of the first event */
        { 4, 4, -EBADMSG },     /* its type */
        { 28, 32, -EBADMSG },   /* its size, below what is in it */
        { 28, 34, -EBADMSG },   /* and above */
        { 31, 0xff, -EBADMSG }, /* beyond everything */
        { 46, '2', -EBADMSG },  /* another format */
        { 56, 0, -EBADMSG },    /* no algorithm */
        { 56, 2, -EBADMSG },    /* one that is not there */
        { 59, 0x80, -ERANGE },  /* two thousand million of them */
        { 60, 0x0c, -ENOENT },  /* without SHA-256 */
        { 62, 20, -EBADMSG },   /* SHA-256 of 20 bytes */
        { 62, 0, -EBADMSG },    /* of none */
        { 64, 1, -EBADMSG },    /* a vendor's byte that is not there */
        { 73, 0, -EBADMSG },    /* no digest */
        { 73, 2, -EBADMSG },    /* more than algorithms */
        { 77, 0x0c, -EBADMSG }, /* of an algorithm that was not named */
        { 111, 2, -EBADMSG },   /* data beyond the end */
        { 111, 0, -EBADMSG },   /* something behind it */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        uint8_t bytes[sizeof(small)];

        memcpy(bytes, small, sizeof(small));
        bytes[changes[i].offset] = changes[i].value;
        assert_int_equal(walk(bytes, sizeof(bytes)), changes[i].result);
    }
}

static void test_limits(void **state)
{
    const size_t event = sizeof(small) - 65, size = 65 + (EVENT_LOG_EVENTS_MAX + 1) * event;
    uint8_t *bytes = malloc(size);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, small, 65);
    for (size_t at = 65; at < size; at += event)
        memcpy(bytes + at, small + 65, event);
    assert_int_equal(walk(bytes, size - event), EVENT_LOG_EVENTS_MAX);
    assert_int_equal(walk(bytes, size), -ERANGE);
    assert_int_equal(walk(bytes, EVENT_LOG_SIZE_MAX + 1), -ERANGE); /* not even looked at */
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),  cmocka_unit_test(test_small),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, read_recorded, free_recorded);
}
