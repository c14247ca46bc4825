#include "work/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sys/file.h"

static const struct events_moment moment = { .seconds = 1700000000, .us = 42 };

static void test_lines(void **state)
{
    const struct snapshot_service ssh = { .name = "ssh",
                                          .state = SNAPSHOT_FAILED,
                                          .reason = "why \"x\"" };
    _cleanup_text_ struct text t = TEXT_INIT, words = TEXT_INIT;
    struct failure complaint = FAILURE_NONE;
    const char *line;

    (void)failure_set(&complaint, CODE_SCHEMA, -1, "a.toml:3: unknown key 'x'");
    events_add_change(&moment, &ssh, SNAPSHOT_BACKOFF, &t);
    events_add_request(&moment, "restart", "ssh", 1000, &t);
    events_add_complaint(&moment, "a", &complaint, &t);
    events_add_note(&moment, "started", &t);
    assert_int_equal(text_status(&t), 0);
    assert_non_null(strstr(text_string(&t),
                           "{\"time\":\"2023-11-14T22:13:20Z\",\"us\":42,\"event\":\"state\","
                           "\"service\":\"ssh\",\"from\":\"backoff\",\"to\":\"failed\","
                           "\"reason\":\"why \\\"x\\\"\"}\n"));
    for (line = text_string(&t); *line; line = strchr(line, '\n') + 1)
        events_add_words(line, (size_t)(strchr(line, '\n') - line), &words);
    assert_string_equal(text_string(&words),
                        "2023-11-14T22:13:20Z  ssh: backoff -> failed (why \"x\")\n"
                        "2023-11-14T22:13:20Z  user 1000 asked: restart ssh\n"
                        "2023-11-14T22:13:20Z  a: left out, BR-SCHEMA: a.toml:3: unknown key "
                        "'x'\n"
                        "2023-11-14T22:13:20Z  orchestrator: started\n");
    text_clear(&words);
    events_add_words("{ broken", 8, &words);
    assert_string_equal(text_string(&words), "{ broken\n");
}

/* Whatever is written, two files of the bounded size are all there is. */
static void test_bounded(void **state)
{
    char folder[] = "/tmp/events-XXXXXX", path[64], former[72];
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    uint8_t *bytes;
    size_t size, total = 0;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/events.jsonl", folder);
    (void)snprintf(former, sizeof(former), "%s.1", path);
    events_add_note(&moment, "a note that takes some room", &t);
    while (total <= 5 * EVENTS_FILE_SIZE_MAX) {
        assert_int_equal(events_append(path, &t, &f), 0);
        total += t.length;
    }
    assert_int_equal(file_read(path, EVENTS_FILE_SIZE_MAX, &bytes, &size, &f), 0);
    assert_int_equal(bytes[size - 1], '\n');
    free(bytes);
    assert_int_equal(file_read(former, EVENTS_FILE_SIZE_MAX, &bytes, &size, &f), 0);
    assert_true(size > EVENTS_FILE_SIZE_MAX - t.length);
    free(bytes);
    assert_int_equal(file_remove_tree(folder, &f), 0);
    assert_true(events_append(path, &t, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
