/* s6-rc is not in Debian, so its compiler cannot be asked here: check() is what
 * https://skarnet.org/software/s6-rc/s6-rc-compile.html demands of a source, clause by clause. The
 * same sets went through s6-rc-compile 0.5.4.1 by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "sys/file.h"
#include "work/s6rc.h"

enum { COUNT_MAX = 8 };

static struct service_manifest manifests[COUNT_MAX];
static struct service_graph graph;

static void parse(const char *const *texts, size_t count)
{
    struct failure f = FAILURE_NONE;

    for (size_t i = 0; i < count; i++) {
        char name[SERVICE_NAME_MAX + 1], text[512];
        size_t length = strcspn(texts[i], "\n");

        (void)snprintf(name, sizeof(name), "%.*s", (int)length, texts[i]);
        (void)snprintf(text, sizeof(text), "name = '%s'\ndescription = 'x'\nrun = ['/x']\n%s", name,
                       texts[i] + length);
        if (service_manifest_parse("m.toml", name, text, strlen(text), &manifests[i], &f) < 0)
            fail_msg("%s", f.text);
    }
    if (service_graph_make(manifests, count, &graph, &f) < 0)
        fail_msg("%s", f.text);
}

static int leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_MAX; i++)
        service_manifest_done(&manifests[i]);
    return 0;
}

static const char *content(const struct work_files *files, const char *name, const char *file)
{
    char path[2 * WORK_FILE_PATH_MAX];
    const struct work_file *found;

    (void)snprintf(path, sizeof(path), "%s/%s", name, file);
    found = work_files_find(files, path);
    return found ? found->content : NULL;
}

/* A file of one word and a newline: `expected`, or any when that is NULL. */
static const char *word(const struct work_files *files, const char *name, const char *file,
                        const char *expected)
{
    static char copy[WORK_FILE_PATH_MAX];
    const char *text = content(files, name, file);

    if (!text || text[strcspn(text, "\n")] != '\n' || text[strcspn(text, "\n") + 1] != '\0')
        fail_msg("%s/%s is not one line", name, file);
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)strlen(text) - 1, text);
    if (expected)
        assert_string_equal(copy, expected);
    return copy;
}

static void check_milliseconds(const struct work_files *files, const char *name, const char *file)
{
    uint64_t value;

    if (content(files, name, file))
        assert_int_equal(number_parse_text(word(files, name, file, NULL), UINT32_MAX, &value), 0);
}

static bool is_type(const struct work_files *files, const char *name, const char *type)
{
    char line[16];

    (void)snprintf(line, sizeof(line), "%s\n", type);
    return content(files, name, "type") && strcmp(content(files, name, "type"), line) == 0;
}

/* Every file of one definition: known for its type, and what it says. */
static void check_file(const struct work_files *files, const char *name, const char *file)
{
    static const char *const longrun[] = { "type",         "run",           "finish",
                                           "down-signal",  "timeout-kill",  "notification-fd",
                                           "timeout-up",   "timeout-down",  "producer-for",
                                           "consumer-for", "pipeline-name", NULL };
    static const char *const oneshot[] = { "type", "up", "timeout-up", NULL };
    static const char *const bundle[] = { "type", NULL };
    const char *const *known = is_type(files, name, "longrun")   ? longrun
                               : is_type(files, name, "oneshot") ? oneshot
                                                                 : bundle;
    bool is_bundle = known == bundle;
    const char *set = is_bundle ? "contents.d/" : "dependencies.d/";

    if (strncmp(file, set, strlen(set)) == 0) {
        const char *other = file + strlen(set);

        if (!content(files, other, "type") || strcmp(other, name) == 0)
            fail_msg("%s/%s names no other service", name, file);
        return;
    }
    for (size_t i = 0; known[i]; i++) {
        if (strcmp(known[i], file) == 0)
            return;
    }
    fail_msg("%s/%s is not of the format", name, file);
}

static void check_longrun(const struct work_files *files, const char *name)
{
    const char *run = content(files, name, "run");

    assert_true(run && strncmp(run, "#!/", 3) == 0);
    word(files, name, "notification-fd", "3");
    check_milliseconds(files, name, "timeout-kill");
    if (content(files, name, "producer-for")) {
        char logger[WORK_FILE_PATH_MAX];

        (void)snprintf(logger, sizeof(logger), "%s", word(files, name, "producer-for", NULL));
        assert_true(is_type(files, logger, "longrun"));
        word(files, logger, "consumer-for", name);
    }
    if (content(files, name, "consumer-for")) {
        char producer[WORK_FILE_PATH_MAX];

        (void)snprintf(producer, sizeof(producer), "%s", word(files, name, "consumer-for", NULL));
        assert_true(is_type(files, producer, "longrun"));
        word(files, producer, "producer-for", name);
        /* The pipeline is a bundle of its own: no definition may have its name. */
        assert_null(content(files, word(files, name, "pipeline-name", NULL), "type"));
    }
}

static void check(const struct work_files *files)
{
    assert_int_equal(files->error, 0);
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->items[i].path, *slash = strchr(path, '/');
        char name[WORK_FILE_PATH_MAX];

        assert_non_null(slash);
        (void)snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
        assert_true(name[0] != '.' && strncmp(name, "s6-rc-", 6) && strncmp(name, "s6rc-", 5));
        if (!is_type(files, name, "longrun") && !is_type(files, name, "oneshot") &&
            !is_type(files, name, "bundle"))
            fail_msg("%s has no type", name);
        check_file(files, name, slash + 1);
        assert_ptr_equal(work_files_find(files, path), &files->items[i]); /* each path once */
        if (strcmp(slash, "/type") != 0)
            continue;
        check_milliseconds(files, name, "timeout-up");
        check_milliseconds(files, name, "timeout-down");
        if (is_type(files, name, "longrun"))
            check_longrun(files, name);
        if (is_type(files, name, "oneshot"))
            assert_true(strlen(word(files, name, "up", NULL)) > 0);
    }
}

static const char *const machine[] = {
    "watchdog",
    "devices\nkind = 'once'\n[ready]\nwithin = '20s'",
    "firewall\nbefore = ['network']\n[restart]\npolicy = 'on-failure'",
    "network\nneeds = ['devices']\n[stop]\nsignal = 'INT'\nwithin = '3s'",
    "ssh\nneeds = ['network']\ncondition = 'admin.ssh_keys'",
    "ready\nneeds = ['*']",
};

static void test_machine(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct s6rc_set set = { manifests, &graph, 0 };
    struct failure f = FAILURE_NONE;

    (void)state;
    parse(machine, ARRAY_SIZE(machine));
    assert_int_equal(s6rc_render(&set, &files, &f), 0);
    check(&files);
    word(&files, "network", "type", "longrun");
    word(&files, "network", "timeout-up", "30000");
    word(&files, "network", "timeout-kill", "3000");
    word(&files, "network", "timeout-down", "5000");
    word(&files, "network", "down-signal", "SIGINT");
    word(&files, "network", "producer-for", "network-log");
    assert_non_null(content(&files, "network", "dependencies.d/devices"));
    assert_non_null(content(&files, "network", "dependencies.d/firewall"));
    assert_null(content(&files, "network", "dependencies.d/watchdog"));
    assert_non_null(content(&files, "firewall", "finish"));
    word(&files, "network-log", "pipeline-name", "network-pipeline");
    assert_non_null(strstr(content(&files, "network-log", "run"), " /var/log/broch/network\n"));
    word(&files, "devices", "type", "oneshot");
    word(&files, "devices", "up", "/usr/lib/broch/confine devices");
    word(&files, "devices", "timeout-up", "20000");
    assert_null(content(&files, "devices", "run"));
    for (size_t i = 0; i < graph.count; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "contents.d/%s", manifests[i].name);
        assert_non_null(content(&files, "default", path));
        (void)snprintf(path, sizeof(path), "dependencies.d/%s", manifests[i].name);
        assert_int_equal(content(&files, "ready", path) != NULL, i + 1 < graph.count);
    }
    assert_null(content(&files, "default", "contents.d/network-log")); /* comes with its producer */
}

/* Nothing waits for what is off. */
static void test_off(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct s6rc_set set = { manifests, &graph, 1 << 4 };
    struct failure f = FAILURE_NONE;

    (void)state;
    parse(machine, ARRAY_SIZE(machine));
    assert_int_equal(s6rc_render(&set, &files, &f), 0);
    check(&files);
    word(&files, "ssh", "type", "longrun");
    assert_null(content(&files, "default", "contents.d/ssh"));
    assert_null(content(&files, "ready", "dependencies.d/ssh"));
    assert_non_null(content(&files, "ready", "dependencies.d/network"));
}

static void test_none(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct s6rc_set set = { manifests, &graph, 0 };
    struct failure f = FAILURE_NONE;

    (void)state;
    parse(NULL, 0);
    assert_int_equal(s6rc_render(&set, &files, &f), 0);
    check(&files);
    assert_int_equal(files.count, 1);
}

static void test_names_that_clash(void **state)
{
    static const struct {
        const char *texts[2];
        int result;
        const char *message;
    } cases[] = {
        { { "time-log", "time" },
          -EEXIST,
          "'time-log' is a service and the name of a part of 'time' in s6-rc" },
        { { "time", "time-pipeline" },
          -EEXIST,
          "'time-pipeline' is a service and the name of a part of 'time' in s6-rc" },
        { { "time", "s6rc-x" }, -EINVAL, "s6-rc keeps names such as 's6rc-x' for itself" },
        { { "time", "s6-rc-x" }, -EINVAL, "s6-rc keeps names such as 's6-rc-x' for itself" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
        struct s6rc_set set = { manifests, &graph, 0 };
        struct failure f = FAILURE_NONE;

        parse(cases[i].texts, 2);
        assert_int_equal(s6rc_render(&set, &files, &f), cases[i].result);
        assert_string_equal(f.text, cases[i].message);
        assert_int_equal(files.count, 0);
        assert_int_equal(leave(state), 0);
    }
}

static void test_write(void **state)
{
    struct s6rc_set set = { manifests, &graph, 0 };
    char root[] = "/tmp/broch-s6rc-XXXXXX", folder[64], path[96];
    struct failure f = FAILURE_NONE;

    (void)state;
    parse(machine, ARRAY_SIZE(machine));
    assert_non_null(mkdtemp(root));
    (void)snprintf(folder, sizeof(folder), "%s/source", root);
    (void)snprintf(path, sizeof(path), "%s/ready/dependencies.d/ssh", folder);
    assert_int_equal(s6rc_write(&set, folder, &f), 0);
    assert_true(file_exists(path));
    assert_int_equal(s6rc_write(&set, folder, &f), -EEXIST);
    assert_int_equal(file_remove_tree(root, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_machine, leave), cmocka_unit_test_teardown(test_off, leave),
        cmocka_unit_test_teardown(test_none, leave),    cmocka_unit_test(test_names_that_clash),
        cmocka_unit_test_teardown(test_write, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
