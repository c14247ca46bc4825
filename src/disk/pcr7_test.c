/* With a log of one of our machines, and the value that its TPM had: testdata/, recorded by
 * tests/vm/measured_test.c, which also shows that a prediction comes true. */
#include "disk/pcr7.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "sys/file.h"

static uint8_t *recorded;
static size_t recorded_size;
static uint8_t live[EVENT_DIGEST_SIZE];

static int read_recorded(void **state)
{
    struct failure f = FAILURE_NONE;
    _cleanup_free_ uint8_t *text = NULL;
    size_t size;

    (void)state;
    if (file_read(TESTDATA "/pcr7", 100, &text, &size, &f) < 0 || size < 64 ||
        hex_decode((char *)text, 64, live, sizeof(live)) < 0)
        return -1;
    return file_read(TESTDATA "/measurements", EVENT_LOG_SIZE_MAX, &recorded, &recorded_size, &f);
}

static int free_recorded(void **state)
{
    (void)state;
    free(recorded);
    return 0;
}

static int predict(const struct pcr7_change *changes, size_t count, uint8_t *ret)
{
    struct failure f = FAILURE_NONE;
    struct pcr7_record record = { .log = recorded, .size = recorded_size };
    int r;

    memcpy(record.live, live, sizeof(live));
    r = pcr7_predict(&record, changes, count, ret, &f);

    if (r < 0)
        assert_int_equal(f.code, CODE_EVENT_LOG);
    return r;
}

/* The content of a variable as it was measured: behind GUID, two lengths and the name. */
static struct pcr7_change find_variable(const char *name)
{
    const size_t header = 32 + 2 * strlen(name);
    struct event_log log;
    struct event event;

    assert_int_equal(event_log_open(recorded, recorded_size, &log), 0);
    while (event_log_next(&log, &event) > 0) {
        if (event.pcr == 7 && event.type == EVENT_VARIABLE_CONFIG && event.size >= header &&
            event.data[16] == strlen(name) && event.data[32] == (uint8_t)name[0] &&
            event.data[header - 2] == (uint8_t)name[strlen(name) - 1])
            return (struct pcr7_change){ name, event.data + header, event.size - header };
    }
    fail_msg("no %s", name);
    return (struct pcr7_change){ 0 };
}

static void test_as_it_is(void **state)
{
    uint8_t value[EVENT_DIGEST_SIZE];

    (void)state;
    assert_int_equal(predict(NULL, 0, value), 0);
    assert_memory_equal(value, live, sizeof(live));
}

static void test_same_content(void **state)
{
    const struct pcr7_change changes[] = { find_variable("PK"), find_variable("KEK"),
                                           find_variable("db"), find_variable("dbx") };
    uint8_t value[EVENT_DIGEST_SIZE];

    (void)state;
    assert_true(changes[0].size > 500 && changes[2].size > 500); /* certificates */
    assert_int_equal(predict(changes, ARRAY_SIZE(changes), value), 0);
    assert_memory_equal(value, live, sizeof(live));
}

/* Each change counts, and so does its place. */
static void test_other_content(void **state)
{
    static const char *const names[] = { "PK", "KEK", "db", "dbx" };
    uint8_t values[ARRAY_SIZE(names) + 1][EVENT_DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct pcr7_change change = { names[i], "other", 5 };

        assert_int_equal(predict(&change, 1, values[i]), 0);
        assert_memory_not_equal(values[i], live, sizeof(live));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(values[i], values[j], sizeof(live));
    }
    assert_int_equal(predict(&(struct pcr7_change){ .name = "db" }, 1, values[4]), 0);
    assert_memory_not_equal(values[4], values[2], sizeof(live));
}

/* By Python's hashlib, from the recorded file. */
static void test_number(void **state)
{
    static const char expected[] =
        "e70f67795352b7869ae523b6134d89fbfe76c15921cf133f7e52783d14c81780";
    const struct pcr7_change change = { "dbx", "new revocations", 15 };
    uint8_t value[EVENT_DIGEST_SIZE];
    char text[2 * EVENT_DIGEST_SIZE + 1];

    (void)state;
    assert_int_equal(predict(&change, 1, value), 0);
    hex_encode(value, sizeof(value), text);
    assert_string_equal(text, expected);
}

static void test_stale(void **state)
{
    uint8_t value[EVENT_DIGEST_SIZE] = { 1, 2, 3 };

    (void)state;
    live[5] ^= 1;
    assert_int_equal(predict(NULL, 0, value), -ESTALE);
    assert_int_equal(value[1], 2);
    live[5] ^= 1;
    recorded_size--;
    assert_int_equal(predict(NULL, 0, value), -EBADMSG);
    recorded_size++;
}

/* Where `change`'s content lies in the log, writable. */
static uint8_t *place_of(const struct pcr7_change *change)
{
    return recorded + ((const uint8_t *)change->content - recorded);
}

/* A firmware that hashes something else than what it logs. */
static void test_other_firmware(void **state)
{
    struct pcr7_change change = find_variable("db");
    uint8_t value[EVENT_DIGEST_SIZE];

    (void)state;
    place_of(&change)[3] ^= 1;
    assert_int_equal(predict(NULL, 0, value), 0); /* nothing rests on it */
    assert_int_equal(predict(&change, 1, value), -EOPNOTSUPP);
    place_of(&change)[3] ^= 1;
    /* Another vendor's variable of the same name is not ours. */
    (place_of(&change) - 36)[0] ^= 1;
    assert_int_equal(predict(&change, 1, value), -ENOENT);
    (place_of(&change) - 36)[0] ^= 1;
    /* Lengths that do not fit the event. */
    (place_of(&change) - 36)[24] ^= 1;
    assert_int_equal(predict(&change, 1, value), -EBADMSG);
    (place_of(&change) - 36)[24] ^= 1;
    (place_of(&change) - 36)[31] ^= 0x80;
    assert_int_equal(predict(&change, 1, value), -EBADMSG);
    (place_of(&change) - 36)[31] ^= 0x80;
    assert_int_equal(predict(&change, 1, value), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_it_is),      cmocka_unit_test(test_same_content),
        cmocka_unit_test(test_other_content), cmocka_unit_test(test_number),
        cmocka_unit_test(test_stale),         cmocka_unit_test(test_other_firmware),
    };

    return cmocka_run_group_tests(tests, read_recorded, free_recorded);
}
