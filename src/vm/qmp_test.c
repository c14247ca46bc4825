#include "vm/qmp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

static const char stream[] =
    "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
    "{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESET\", "
    "\"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n"
    "{\"return\": {\"status\": \"running\"}, \"id\": 7}\r\n"
    "{\"id\": 8, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such thing\"}}\r\n";

static void check_message(const struct qmp_message *m, int number)
{
    static const enum qmp_kind kinds[] = { QMP_GREETING, QMP_EVENT, QMP_RETURN, QMP_ERROR };
    static const uint64_t ids[] = { 0, 0, 7, 8 };

    assert_int_equal(m->kind, kinds[number]);
    assert_int_equal(m->id, ids[number]);
    if (m->kind == QMP_EVENT) {
        assert_string_equal(qmp_event_name(m), "RESET");
        assert_string_equal(qmp_event_text(m, "reason"), "guest-reset");
        assert_string_equal(qmp_event_text(m, "guest"), ""); /* no text */
        assert_string_equal(qmp_event_text(m, "nothing"), "");
    }
    if (m->kind == QMP_ERROR)
        assert_string_equal(qmp_error_text(m), "no such thing");
}

/* The same four messages, whatever the size of a read. */
static void test_pieces(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof(stream); step++) {
        struct qmp q = QMP_INIT;
        struct qmp_message message;
        int count = 0;

        for (size_t at = 0; at < sizeof(stream) - 1; at += step) {
            size_t left = sizeof(stream) - 1 - at;

            assert_int_equal(qmp_feed(&q, (const uint8_t *)stream + at, left < step ? left : step),
                             0);
            while (qmp_next(&q, &message) == 1) {
                check_message(&message, count++);
                qmp_message_done(&message);
            }
        }
        assert_int_equal(count, 4);
        qmp_done(&q);
    }
}

static void test_nonsense(void **state)
{
    static const char *const lines[] = { "hello\n",
                                         "\n",
                                         "[1]\n",
                                         "{\"x\": 1}\n",
                                         "{\"return\"\n",
                                         "{} {}\n",
                                         "{\"return\": {}} tail\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct qmp q = QMP_INIT;
        struct qmp_message message;

        assert_int_equal(qmp_feed(&q, (const uint8_t *)lines[i], strlen(lines[i])), 0);
        assert_int_equal(qmp_next(&q, &message), -EBADMSG);
        assert_int_equal(qmp_next(&q, &message), 0); /* consumed */
        qmp_done(&q);
    }
}

static void test_limit(void **state)
{
    struct qmp q = QMP_INIT;
    _cleanup_free_ uint8_t *bytes = calloc(1, QMP_MESSAGE_MAX);

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(qmp_feed(&q, bytes, QMP_MESSAGE_MAX), 0);
    assert_int_equal(qmp_feed(&q, bytes, 1), -EMSGSIZE);
    qmp_done(&q);
}

static void test_command(void **state)
{
    json_object *arguments = json_object_new_object();
    _cleanup_free_ char *plain = qmp_command("quit", NULL, 1);
    _cleanup_free_ char *full = NULL;

    (void)state;
    assert_string_equal(plain, "{\"execute\":\"quit\",\"id\":1}\n");
    assert_int_equal(json_object_object_add(arguments, "text", json_object_new_string("a\nb")), 0);
    full = qmp_command("human-monitor-command", arguments, 2);
    assert_string_equal(full, "{\"execute\":\"human-monitor-command\","
                              "\"arguments\":{\"text\":\"a\\nb\"},\"id\":2}\n");
    assert_int_equal(json_object_put(arguments), 1); /* still ours alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
