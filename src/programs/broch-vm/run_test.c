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
#include "image/manifest.h"
#include "programs/broch-vm/generation.h"
#include "programs/broch-vm/terminal.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "vm/guest_test.h"

enum { OUTPUT_MAX = 1 << 20 };

static const char *program;
static struct failure f;

struct place {
    char folder[64];
    char *out;
};

static void write_in(const char *folder, const char *name, const void *bytes, size_t size)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    assert_int_equal(file_write(path, bytes, size, 0644, &f), 0);
}

/* A generation whose kernel is our guest. */
static void make_generation(const char *out, const char *name, const char *profile)
{
    _cleanup_free_ char *folder = text_make("%s/broch-%s", out, name);
    _cleanup_free_ struct manifest *manifest = calloc(1, sizeof(*manifest));
    _cleanup_text_ struct text text = TEXT_INIT;
    uint8_t sector[4096] = { 0 };

    (void)snprintf(manifest->name, sizeof(manifest->name), "%s", name);
    (void)snprintf(manifest->profile, sizeof(manifest->profile), "%s", profile);
    (void)snprintf(manifest->version, sizeof(manifest->version), "v1");
    (void)snprintf(manifest->arch, sizeof(manifest->arch), "x86_64");
    (void)snprintf(manifest->channel, sizeof(manifest->channel), "development");
    (void)snprintf(manifest->kernel, sizeof(manifest->kernel), "6.0");
    (void)snprintf(manifest->cmdline, sizeof(manifest->cmdline), "quiet");
    manifest_format(manifest, &text);
    assert_int_equal(file_make_folders(folder, &f), 0);
    write_in(folder, "generation.json", text_string(&text), text.length);
    write_in(folder, "vmlinuz", guest_start, (size_t)(guest_end - guest_start));
    write_in(folder, "initrd", "x", 1);
    write_in(folder, "system.erofs", sector, sizeof(sector));
}

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (!place)
        return -1;
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/broch-run-test.XXXXXX");
    if (!mkdtemp(place->folder) || !(place->out = text_make("%s/out", place->folder)) ||
        file_make_folders(place->out, &f) < 0)
        return -1;
    *state = place;
    return setenv("XDG_STATE_HOME", place->folder, 1) < 0 ||
                   setenv("BROCH_CACHE", place->folder, 1) < 0
               ? -1
               : 0;
}

static int free_place(void **state)
{
    struct place *place = *state;
    int r = file_remove_tree(place->folder, &f);

    free(place->out);
    free(place);
    return r;
}

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
    assert_int_equal(pipe(alive), 0); /* inherited by all that is started */
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

/* --- Without a machine --- */

static void test_newest_generation(void **state)
{
    struct place *place = *state;
    struct generation generation = GENERATION_INIT;
    _cleanup_free_ char *inside = NULL;

    make_generation(place->out, "v2-fake-x86_64", "fake");
    make_generation(place->out, "v3-fakery-x86_64", "fakery");
    make_generation(place->out, "v4-not-fake-x86_64", "not-fake");
    make_generation(place->out, "v1-fake-x86_64", "fake"); /* the newest, whatever its name */
    assert_int_equal(generation_find(place->out, "fake", &generation, &f), 0);
    assert_string_equal(generation.name, "v1-fake-x86_64");
    assert_string_equal(generation.cmdline, "quiet");
    generation_done(&generation);
    inside = text_make("%s/broch-v2-fake-x86_64", place->out);
    assert_int_equal(generation_find(inside, "whatever", &generation, &f), 0);
    assert_string_equal(generation.name, "v2-fake-x86_64");
    generation_done(&generation);
    write_in(inside, "generation.json", "{", 1);
    assert_true(generation_find(inside, "fake", &generation, &f) < 0);
    assert_int_equal(f.code, CODE_MANIFEST);
    assert_true(generation_find("/no/such/folder", "fake", &generation, &f) < 0);
    assert_int_equal(f.code, CODE_VM_GENERATION);
    assert_null(generation.folder);
}

static void test_terminal_key(void **state)
{
    static const struct {
        const char *typed;
        const char *sent;
        bool leaves;
    } cases[] = {
        { "hello", "hello", false },     { "a\x01xb", "a", true },          { "\x01X", "", true },
        { "\x01\x01", "\x01", false },   { "\x01q", "\x01q", false },       { "x\x01", "x", false },
        { "\x01\x01x", "\x01x", false }, { "\x03\x04", "\x03\x04", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint8_t *typed = (const uint8_t *)cases[i].typed;
        size_t length = strlen(cases[i].typed);

        /* In one read, and cut at every place. */
        for (size_t cut = 0; cut <= length; cut++) {
            struct terminal_filter filter = { .prefix = false };
            uint8_t sent[64];
            size_t first, second = 0;
            bool leaves = terminal_filter(&filter, typed, cut, sent, &first);

            if (!leaves)
                leaves = terminal_filter(&filter, typed + cut, length - cut, sent + first, &second);
            assert_int_equal(leaves, cases[i].leaves);
            assert_int_equal(first + second, strlen(cases[i].sent));
            assert_memory_equal(sent, cases[i].sent, first + second);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_until_ready), TEST(test_deadline),          TEST(test_refusals),
        TEST(test_killed),      TEST(test_newest_generation), cmocka_unit_test(test_terminal_key),
    };

    if (argc < 2 || !getenv("BROCH_TREE")) {
        (void)fprintf(stderr, "needs the program as argument and BROCH_TREE\n");
        return 1;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
