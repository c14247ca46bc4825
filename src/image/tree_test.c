#include "image/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/lock.h"
#include "sys/test_folder.h"
#include "sys/file.h"
#include "sys/sandbox.h"

static struct progress progress;
static const struct tree_request request = { .source = ".", .name = TREE_TOOLS, .renew = true };

static void make_program(const char *name, const char *script)
{
    _cleanup_free_ char *path = text_make("bin/%s", name);

    test_folder_write(path, script);
    assert_int_equal(chmod(path, 0755), 0);
}

/* Scripts in the place of the host's mmdebstrap and dpkg-deb: the tree gets one file, the list. */
static int enter(void **state)
{
    _cleanup_free_ char *mirror = NULL, *path = NULL;
    struct failure f = FAILURE_NONE;

    progress_start(&progress, -1, true);
    if (test_folder_enter(state) < 0)
        return -1;
    if (sandbox_possible(&f) < 0) {
        print_message("%s: nothing is tested\n", f.text);
        exit(77);
    }
    mirror = text_make("file://%s/mirror/{archive}", test_folder_path());
    path = text_make("%s/bin:%s", test_folder_path(), getenv("PATH"));
    make_program("dpkg-deb", "#!/bin/sh\necho Package: x\n");
    return setenv("BROCH_MIRROR", mirror, 1) < 0 || setenv("PATH", path, 1) < 0 ? -1 : 0;
}

static void write_lock(const char *content)
{
    static const char *const names[] = { "tool" };
    struct lock lock = { .date = 1234, .list = lock_list_digest(names, 1, "none") };
    struct lock_package package = { .name = "tool",
                                    .version = "1",
                                    .arch = "all",
                                    .path = "tool.deb",
                                    .size = strlen(content),
                                    .digest = digest_bytes(content, strlen(content)) };
    _cleanup_text_ struct text text = TEXT_INIT;

    assert_int_equal(lock_add(&lock, &package), 0);
    lock_format(&lock, &text);
    test_folder_write("tools/packages.x86_64.lock", text_string(&text));
    lock_done(&lock);
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    (void)unlink("runs");
    test_folder_write("tools/packages.txt", "tool\n");
    test_folder_write("mirror/debian/tool.deb", "bytes");
    write_lock("bytes");
    make_program("mmdebstrap", "#!/bin/sh\n"
                               "echo run >> \"${BROCH_CACHE%/cache}/runs\"\n"
                               "for a; do former=$tar; tar=$source; source=$a; done\n"
                               "w=$(mktemp -d); mkdir \"$w/usr\" \"$w/dev\"\n"
                               "echo \"$*\" > \"$w/usr/arguments\"; echo x > \"$w/dev/x\"\n"
                               "tar -C \"$w\" -cf \"$tar\" .; rm -r \"$w\"\n");
    return file_remove_tree("cache", &f);
}

static void test_made_once(void **state)
{
    struct tree tree = TREE_INIT, again = TREE_INIT;
    _cleanup_free_ char *path = NULL, *arguments = NULL, *runs = NULL, *device = NULL;
    struct failure f = FAILURE_NONE;
    struct digest lock;

    (void)state;
    assert_int_equal(tree_ensure(&request, &progress, &tree, &f), 0);
    assert_false(tree.unlocked);
    assert_int_equal(digest_file("tools/packages.x86_64.lock", &lock, &f), 0);
    assert_memory_equal(&tree.digest, &lock, sizeof(lock)); /* its identity */
    path = text_make("%s/usr/arguments", tree.path);
    device = text_make("%s/dev/x", tree.path);
    arguments = test_folder_read(path);
    assert_non_null(strstr(arguments, "--include=tool"));
    assert_false(file_exists(device));
    assert_int_equal(tree_ensure(&request, &progress, &again, &f), 0);
    assert_string_equal(tree.path, again.path);
    runs = test_folder_read("runs");
    assert_string_equal(runs, "run\n");
    assert_int_equal(test_folder_count("cache/trees"), 2); /* the tree and its guard */
    tree_done(&tree);
    tree_done(&again);
}

/* A tree that could not be made to the end is no tree; the next build makes it. */
static void test_failure(void **state)
{
    struct tree tree = TREE_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_program("mmdebstrap", "#!/bin/sh\necho no room >&2\nexit 1\n");
    assert_true(tree_ensure(&request, &progress, &tree, &f) < 0);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    assert_non_null(strstr(f.text, "/log)"));
    assert_null(tree.path);
    make_program("mmdebstrap", "#!/bin/sh\nexit 0\n"); /* and no tar */
    assert_true(tree_ensure(&request, &progress, &tree, &f) < 0);
    assert_int_equal(reset(state), 0);
    assert_int_equal(tree_ensure(&request, &progress, &tree, &f), 0);
    tree_done(&tree);
}

static void test_refusals(void **state)
{
    const struct tree_request offline = { .source = ".", .name = TREE_TOOLS, .offline = true };
    const struct tree_request production = { .source = ".", .name = TREE_TOOLS };
    const struct tree_request elsewhere = { .source = "nowhere", .name = TREE_TOOLS };
    struct tree tree = TREE_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(tree_ensure(&offline, &progress, &tree, &f), -ENOENT);
    assert_int_equal(f.code, CODE_OFFLINE);
    assert_int_equal(tree_ensure(&elsewhere, &progress, &tree, &f), -ENOENT);
    assert_int_equal(unlink("mirror/debian/tool.deb"), 0);
    assert_int_equal(tree_ensure(&production, &progress, &tree, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UNLOCKED);
    assert_null(tree.path);
}

/* Renewed because the mirror moved on: another lock, another tree, and it says so each time. */
static void test_renewed(void **state)
{
    const struct digest digest = digest_bytes("new bytes", 9);
    char digits[DIGEST_TEXT_SIZE];
    _cleanup_free_ char *script =
        text_make("#!/bin/sh\ncase \"$*\" in *update) exit 0 ;; esac\n"
                  "echo \"'file://%s/mirror/debian/new.deb' tool_2_all.deb 9 SHA256:%s\"\n",
                  test_folder_path(), digest_text(&digest, digits));
    struct tree first = TREE_INIT, second = TREE_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(unlink("mirror/debian/tool.deb"), 0);
    test_folder_write("mirror/debian/new.deb", "new bytes");
    make_program("apt-get", script);
    assert_int_equal(tree_ensure(&request, &progress, &first, &f), 0);
    assert_true(first.unlocked);
    assert_int_equal(tree_ensure(&request, &progress, &second, &f), 0);
    assert_true(second.unlocked);
    assert_string_equal(first.path, second.path);
    tree_done(&first);
    tree_done(&second);
}

static void test_builds_at_once(void **state)
{
    pid_t children[4];
    _cleanup_free_ char *runs = NULL;
    int status;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct tree tree = TREE_INIT;
            struct failure f = FAILURE_NONE;

            _exit(tree_ensure(&request, &progress, &tree, &f) == 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    runs = test_folder_read("runs");
    assert_string_equal(runs, "run\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_made_once, reset),
        cmocka_unit_test_setup(test_failure, reset),
        cmocka_unit_test_setup(test_refusals, reset),
        cmocka_unit_test_setup(test_renewed, reset),
        cmocka_unit_test_setup(test_builds_at_once, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
