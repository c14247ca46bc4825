#include "sys/progress.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_json.h"
#include "sys/test_folder.h"

/* What a run says to people (standard error, into a file) and to programs. */
struct heard {
    char *text, *json;
};

struct session {
    void (*run)(struct progress *p);
    bool quiet;
};

static void talk(void *context)
{
    const struct session *session = context;
    struct progress progress;
    int json = open("json", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(json >= 0);
    progress_start(&progress, json, session->quiet);
    session->run(&progress);
    assert_int_equal(close(json), 0);
}

static struct heard listen(void (*run)(struct progress *p), bool quiet)
{
    struct session session = { run, quiet };

    test_folder_hear("text", talk, &session);
    return (struct heard){ .text = test_folder_read("text"), .json = test_folder_read("json") };
}

static void build(struct progress *p)
{
    progress_step(p, "root\"fs");
    progress_bytes(p, 5, 10);
    progress_bytes(p, 6, 10); /* too soon after the other */
    progress_bytes(p, 10, 10);
    progress_note(p, "a remark about %d things", 2);
    progress_end(p, "done");
}

static void check_json(const char *json)
{
    size_t lines = 0;

    for (const char *at = json; *at; at = strchr(at, '\n') + 1, lines++) {
        _cleanup_free_ char *line = strndup(at, strcspn(at, "\n"));

        assert_true(test_json_is_valid(line));
    }
    assert_int_equal(lines, 4);
    assert_non_null(strstr(json, "\"status\":\"start\",\"ms\":0}"));
    assert_non_null(strstr(json, "\"done\":5,\"total\":10}"));
    assert_null(strstr(json, "\"done\":6"));
    assert_non_null(strstr(json, "\"done\":10,\"total\":10}"));
    assert_non_null(strstr(json, "\"status\":\"done\""));
}

static void test_in_a_pipe(void **state)
{
    struct heard heard = listen(build, false);

    (void)state;
    check_json(heard.json);
    assert_null(strchr(heard.text, '\r')); /* plain lines */
    assert_int_equal(strncmp(heard.text, "  a remark about 2 things\n  root\"fs", 35), 0);
    assert_string_equal(heard.text + strlen(heard.text) - 3, " s\n");
    free(heard.text);
    free(heard.json);
}

static void test_quiet(void **state)
{
    struct heard heard = listen(build, true);

    (void)state;
    check_json(heard.json);
    assert_string_equal(heard.text, "");
    free(heard.text);
    free(heard.json);
}

static void build_on_terminal(struct progress *p)
{
    p->terminal = true;
    build(p);
}

static void test_on_a_terminal(void **state)
{
    struct heard heard = listen(build_on_terminal, false);

    (void)state;
    check_json(heard.json);
    assert_non_null(strstr(heard.text, "\r\033[K  root\"fs    ..."));
    assert_non_null(strstr(heard.text, "\r\033[K  a remark")); /* the open line goes first */
    free(heard.text);
    free(heard.json);
}

/* A reader that leaves is no reason to stop, provided that the program ignores SIGPIPE. */
static void test_reader_leaves(void **state)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct progress progress;
    int pair[2];

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    assert_int_equal(close(pair[0]), 0);
    progress_start(&progress, pair[1], true);
    build(&progress);
    assert_int_equal(close(pair[1]), 0);
    build(&progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_pipe),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_on_a_terminal),
        cmocka_unit_test(test_reader_leaves),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
