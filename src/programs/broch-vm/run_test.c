/* `broch run` as a developer meets it: the program itself, on a generation that is small enough to
 * boot in no time. argv[1] is the program; BROCH_TREE names the tools tree. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "programs/broch-vm/fixture_test.h"

enum { OUTPUT_MAX = 1 << 20 };

static const char *program;

/* Runs the program on the place's generations; returns its status and what it printed. */
static int run(const struct place *place, const char *const *more, char **ret_output)
{
    struct arguments arguments = ARGUMENTS(program, "run", "--direct", "--emulate", "--memory",
                                           "128MiB", "--out", place->out);
    _cleanup_free_ char *path = text_make("%s/output", place->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    uint8_t *bytes;
    size_t size;
    pid_t pid;
    int status;

    for (size_t i = 0; more[i]; i++)
        arguments_add(&arguments, more[i]);
    spawn.output_fd = spawn.error_fd = fd;
    assert_int_equal(spawn_start(&spawn, &pid, &f), 0);
    status = spawn_wait(pid);
    (void)close(fd);
    assert_int_equal(file_read(path, OUTPUT_MAX, &bytes, &size, &f), 0);
    *ret_output = (char *)bytes;
    return status;
}

static void check_in(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in '%s'", part, text);
}

static void test_until_ready(void **state)
{
    static const char *const plain[] = { "fake", "--until-ready", "--snapshot", NULL };
    static const char *const json[] = { "fake", "--until-ready", "--snapshot", "--json", NULL };
    struct place *place = *state;
    _cleanup_free_ char *shown = NULL, *lines = NULL, *log = NULL;

    make_generation(place->out, "v1-fake-x86_64", "fake");
    assert_int_equal(run(place, plain, &shown), 0);
    check_in(shown, "broch ready generation=fake");
    check_in(shown, "console log: ");
    check_in(shown, "emulating (");
    assert_int_equal(run(place, json, &lines), 0);
    assert_ptr_equal(strstr(lines, "{\"event\":\"start\",\"generation\":\"v1-fake-x86_64\""),
                     lines);
    check_in(lines,
             "\n{\"marker\":\"ready\",\"generation\":\"fake\",\"slot\":\"direct\",\"us\":7}\n");
    assert_null(strstr(lines, "login")); /* markers only */
    log = text_make("%s/broch/machines/fake.snapshot.log", place->folder);
    assert_true(file_exists(log));
}

static void test_deadline(void **state)
{
    static const char *const never[] = { "fake", "--deadline", "2", NULL };
    struct place *place = *state;
    _cleanup_free_ char *shown = NULL;

    make_generation(place->out, "v1-fake-x86_64", "fake");
    assert_int_equal(run(place, never, &shown), EXIT_CODE_ERROR);
    check_in(shown, "BR-VM-DEADLINE");
}

static void test_refusals(void **state)
{
    static const struct {
        const char *arguments[8];
        int status;
        const char *words;
    } cases[] = {
        { { "other", NULL }, EXIT_CODE_ERROR, "BR-VM-GENERATION" },
        { { "fake", "--machine", "../x", NULL }, EXIT_CODE_USAGE, "BR-USAGE" },
        { { "fake", "--cpus", "65", NULL }, EXIT_CODE_USAGE, "BR-USAGE" },
        { { "fake", "--cpus", "4294967298", NULL }, EXIT_CODE_USAGE, "BR-USAGE" },
        { { "fake", "--memory", "1", NULL }, EXIT_CODE_USAGE, "BR-VM-CONFIG" },
        { { "fake", "--deadline", "99999999", NULL }, EXIT_CODE_USAGE, "BR-USAGE" },
        { { "fake", "--disk", "/no/such/disk", NULL }, EXIT_CODE_ERROR, "/no/such/disk" },
        { { "fake", "--snapshit", NULL }, EXIT_CODE_USAGE, "did you mean '--snapshot'" },
        { { "fake", "extra", NULL }, EXIT_CODE_USAGE, "BR-USAGE" },
        { { "--help", NULL }, EXIT_CODE_DONE, "Ctrl-A X" },
    };
    struct place *place = *state;

    make_generation(place->out, "v1-fake-x86_64", "fake");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *shown = NULL;

        assert_int_equal(run(place, cases[i].arguments, &shown), cases[i].status);
        check_in(shown, cases[i].words);
    }
}

/* Killed in the worst way, the program takes QEMU and swtpm with it, and the machine is free. */
static void test_killed(void **state)
{
    struct place *place = *state;
    struct arguments arguments = ARGUMENTS(program, "run", "fake", "--direct", "--emulate",
                                           "--memory", "128MiB", "--out", place->out);
    static const char *const again[] = { "fake", "--until-ready", NULL };
    static const char *const snapshot[] = { "fake", "--until-ready", "--snapshot", NULL };
    _cleanup_free_ char *shown = NULL, *kept = NULL, *left = NULL;
    int alive[2], output[2];
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    struct pollfd ended;
    char bytes[4096];
    pid_t pid;

    make_generation(place->out, "v1-fake-x86_64", "fake");
    assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
    assert_true(fcntl(alive[1], F_SETFD, 0) >= 0); /* inherited by all that is started */
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    spawn.output_fd = output[1];
    assert_int_equal(spawn_start(&spawn, &pid, &f), 0);
    (void)close(alive[1]);
    assert_true(read(output[0], bytes, sizeof(bytes)) > 0); /* the guest speaks */
    assert_int_equal(run(place, again, &shown), EXIT_CODE_LOCKED);
    check_in(shown, "BR-VM-BUSY");
    assert_int_equal(run(place, snapshot, &kept), 0); /* does not touch the other's state */
    left = text_make("%s/broch/machines/fake.snapshot", place->folder);
    assert_false(file_exists(left));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(spawn_wait(pid), 128 + SIGKILL);
    ended = (struct pollfd){ .fd = alive[0], .events = POLLIN };
    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_int_equal(read(alive[0], bytes, 1), 0);
    free(take_ptr(shown));
    assert_int_equal(run(place, again, &shown), 0);
    (void)close(alive[0]);
    (void)close(output[0]);
    (void)close(output[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_until_ready),
        TEST(test_deadline),
        TEST(test_refusals),
        TEST(test_killed),
    };

    if (argc < 2 || !getenv("BROCH_TREE")) {
        (void)fprintf(stderr, "needs the program as argument and BROCH_TREE\n");
        return 1;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
