#include "image/step.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/test_folder.h"
#include "sys/file.h"

static struct progress progress;
static const struct step_shared shared = { .profile = "node", .progress = &progress };

/* What the made-up step does. */
static struct {
    unsigned runs;
    const char *content;
    int result;
} script;

static int enter(void **state)
{
    progress_start(&progress, -1, true);
    return test_folder_enter(state);
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    script.runs = 0;
    script.content = "content";
    script.result = 0;
    return file_remove_tree("cache", &f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    char path[512];

    (void)context;
    script.runs++;
    assert_int_equal(test_folder_count(folder), 0);
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    test_folder_write(path, script.content);
    (void)snprintf(path, sizeof(path), "%s/tree/inner", folder);
    test_folder_write(path, "inner");
    (void)snprintf(path, sizeof(path), "%s/.scratch", folder);
    test_folder_write(path, "not an output");
    return script.result < 0 ? failure_set(f, CODE_STEP_FAILED, script.result, "broken") : 0;
}

static int do_step(struct step *step, const char *input, struct failure *f)
{
    step_init(step, "made-up");
    step_input_text(step, "text", input);
    return step_do(step, &shared, run, NULL, f);
}

/* Does the step and forgets it; returns whether it ran. */
static bool ran(const char *input)
{
    struct failure f = FAILURE_NONE;
    struct step step;
    bool did;

    assert_int_equal(do_step(&step, input, &f), 0);
    did = step.ran;
    step_done(&step);
    return did;
}

static void test_outputs(void **state)
{
    struct failure f = FAILURE_NONE;
    struct digest digest;
    struct step step;
    _cleanup_free_ char *path = NULL, *content = NULL;

    (void)state;
    assert_int_equal(do_step(&step, "x", &f), 0);
    assert_true(step.ran);
    assert_int_equal(step.output_count, 2); /* hidden files are none */
    assert_int_equal(step_output(&step, "file")->size, 7);
    digest = digest_bytes("content", 7);
    assert_memory_equal(&step_output(&step, "file")->digest, &digest, sizeof(digest));
    assert_int_equal(digest_tree("cache/steps", &digest, &f), 0);
    path = step_path(&step, "file");
    content = test_folder_read(path);
    assert_string_equal(content, "content");
    step_done(&step);
}

static void test_second_time(void **state)
{
    struct failure f = FAILURE_NONE;
    struct step first, second;

    (void)state;
    assert_int_equal(do_step(&first, "x", &f), 0);
    assert_int_equal(do_step(&second, "x", &f), 0);
    assert_false(second.ran);
    assert_int_equal(script.runs, 1);
    assert_int_equal(second.output_count, 2);
    assert_memory_equal(&first.result, &second.result, sizeof(first.result));
    assert_string_equal(first.folder, second.folder);
    step_done(&first);
    step_done(&second);
}

static void test_is_cached(void **state)
{
    struct step step;

    (void)state;
    step_init(&step, "made-up");
    step_input_text(&step, "text", "x");
    assert_false(step_is_cached(&step));
    assert_int_equal(script.runs, 0);
    assert_true(ran("x"));
    assert_true(step_is_cached(&step));
    assert_int_equal(step.output_count, 2);
    step_done(&step);
}

/* The same bytes are the same result, whatever they were made from. */
static void test_result(void **state)
{
    struct failure f = FAILURE_NONE;
    struct step first, second, third;

    (void)state;
    assert_int_equal(do_step(&first, "x", &f), 0);
    assert_int_equal(do_step(&second, "y", &f), 0);
    script.content = "another";
    assert_int_equal(do_step(&third, "z", &f), 0);
    assert_string_not_equal(first.folder, second.folder);
    assert_memory_equal(&first.result, &second.result, sizeof(first.result));
    assert_memory_not_equal(&first.result, &third.result, sizeof(first.result));
    step_done(&first);
    step_done(&second);
    step_done(&third);
}

/* Each input is part of the key, and two inputs do not run into each other. */
static void test_key(void **state)
{
    const struct digest digest = digest_bytes("", 0), other = digest_bytes("x", 1);
    char *folders[9];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        struct step step;

        step_init(&step, i == 1 ? "another" : "name");
        step_input_text(&step, i == 2 ? "b" : "a", i == 3 ? "2" : "1");
        step_input_number(&step, i == 4 ? "m" : "n", i == 5 ? 8 : 7);
        step_input_digest(&step, i == 6 ? "e" : "d", i == 7 ? &other : &digest);
        if (i == 8)
            step_input_text(&step, "more", "");
        assert_false(step_is_cached(&step));
        folders[i] = take_ptr(step.folder);
        step_done(&step);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(folders[i], folders[j]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        free(folders[i]);
}

static void test_changed_outputs(void **state)
{
    static const struct timespec another_time[2] = { { 1, 5 }, { 1, 5 } };
    _cleanup_free_ char *path = NULL, *tree = NULL, *result = NULL;
    struct failure f = FAILURE_NONE;
    struct step step;

    (void)state;
    assert_int_equal(do_step(&step, "x", &f), 0);
    path = step_path(&step, "file");
    tree = step_path(&step, "tree");
    result = step_path(&step, ".result");
    step_done(&step);
    assert_false(ran("x"));
    assert_int_equal(utimensat(AT_FDCWD, path, another_time, 0), 0);
    assert_true(ran("x"));
    assert_int_equal(truncate(path, 3), 0);
    assert_true(ran("x"));
    assert_int_equal(unlink(path), 0);
    assert_true(ran("x"));
    assert_int_equal(file_remove_tree(tree, &f), 0);
    assert_true(ran("x"));
    assert_int_equal(unlink(result), 0);
    assert_true(ran("x"));
    assert_false(ran("x"));
}

/* Whatever does not parse is no result. */
static void test_damaged_result(void **state)
{
    _cleanup_free_ char *path = NULL, *original = NULL;
    struct failure f = FAILURE_NONE;
    struct step step;

    (void)state;
    assert_int_equal(do_step(&step, "x", &f), 0);
    path = step_path(&step, ".result");
    original = test_folder_read(path);
    for (size_t i = 0; i < strlen(original); i += 7) {
        _cleanup_free_ char *damaged = strdup(original);

        damaged[i] = '*';
        assert_int_equal(file_write(path, damaged, strlen(damaged), 0644, &f), 0);
        assert_false(step_is_cached(&step));
        if (original[i] == '\n' || i == 0)
            continue;
        assert_int_equal(file_write(path, original, i, 0644, &f), 0); /* cut off */
        assert_false(step_is_cached(&step));
    }
    step_done(&step);
}

static void test_failure_leaves_nothing(void **state)
{
    struct failure f = FAILURE_NONE;
    struct step step;

    (void)state;
    script.result = -EINVAL;
    assert_int_equal(do_step(&step, "x", &f), -EINVAL);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    assert_string_equal(f.text, "step made-up: broken");
    assert_false(step.ran);
    assert_false(file_exists(step.folder));
    assert_int_equal(test_folder_count("cache/steps/made-up"), 1); /* the guard */
    step_done(&step);
    script.result = 0;
    assert_true(ran("x"));
}

/* A build that is killed in a step leaves its working folder; the next one of any key removes it.
 */
static void test_killed_build(void **state)
{
    (void)state;
    test_folder_write("cache/steps/made-up/0123.work/half", "half");
    assert_true(ran("x"));
    assert_false(file_exists("cache/steps/made-up/0123.work"));
    assert_int_equal(test_folder_count("cache/steps/made-up"), 3); /* result, guard, latest.node */
}

static void test_prune(void **state)
{
    char input[8];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(input, sizeof(input), "%u", i);
        assert_true(ran(input));
        assert_int_equal(ran("0"), false); /* used again and again, so it stays */
    }
    assert_int_equal(test_folder_count("cache/steps/made-up"), 6 + 2);
    assert_false(ran("9"));
    assert_true(ran("1"));
}

/* Two builds at once: one runs the step, the other waits and takes the result. */
static void test_two_builds(void **state)
{
    pid_t children[4];
    int status;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(ran("x") ? 1 : 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        script.runs += (unsigned)WEXITSTATUS(status);
    }
    assert_int_equal(script.runs, 1);
}

static void do_talking(void *context)
{
    struct progress loud;
    const struct step_shared talking = { .profile = "node", .progress = &loud, .explain = true };
    struct failure f = FAILURE_NONE;
    struct step step;

    progress_start(&loud, -1, false);
    step_init(&step, "made-up");
    step_input_text(&step, "text", context);
    assert_int_equal(step_do(&step, &talking, run, NULL, &f), 0);
    step_done(&step);
}

/* Standard error of a run with --explain. */
static char *explanation(char *input)
{
    test_folder_hear("stderr", do_talking, input);
    return test_folder_read("stderr");
}

static void test_explain(void **state)
{
    struct failure f = FAILURE_NONE;
    struct step step;
    static char inputs[][2] = { "x", "x", "y", "y" };
    static const char *const words[] = { "made-up runs: it never ran before", "made-up    cached",
                                         "made-up runs: changed input text 1:y",
                                         "made-up runs: its result is gone" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        _cleanup_free_ char *text = NULL;

        if (i == 3) {
            assert_int_equal(do_step(&step, "y", &f), 0);
            assert_int_equal(file_remove_tree(step.folder, &f), 0);
            step_done(&step);
        }
        text = explanation(inputs[i]);
        if (!strstr(text, words[i]))
            fail_msg("case %zu: %s", i, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_outputs, reset),
        cmocka_unit_test_setup(test_second_time, reset),
        cmocka_unit_test_setup(test_is_cached, reset),
        cmocka_unit_test_setup(test_result, reset),
        cmocka_unit_test_setup(test_key, reset),
        cmocka_unit_test_setup(test_changed_outputs, reset),
        cmocka_unit_test_setup(test_damaged_result, reset),
        cmocka_unit_test_setup(test_failure_leaves_nothing, reset),
        cmocka_unit_test_setup(test_killed_build, reset),
        cmocka_unit_test_setup(test_prune, reset),
        cmocka_unit_test_setup(test_two_builds, reset),
        cmocka_unit_test_setup(test_explain, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
