#include "sys/test_folder.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum { READ_MAX = 16 << 20 };

static char folder[PATH_MAX];

static void set_below(const char *variable, const char *name)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    assert_non_null(path);
    assert_int_equal(setenv(variable, path, 1), 0);
}

int test_folder_enter(void **state)
{
    static const char *const unset[] = { "BROCH_MIRROR", "BROCH_SNAPSHOT", "BROCH_SOURCE",
                                         "http_proxy",   "all_proxy",      "ALL_PROXY" };

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/broch-image-test.XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(unset); i++)
        (void)unsetenv(unset[i]); /* fails for malformed names only */
    set_below("BROCH_CACHE", "cache");
    set_below("HOME", "home");
    set_below("XDG_CACHE_HOME", "xdg-cache");
    set_below("XDG_DATA_HOME", "xdg-data");
    return 0;
}

int test_folder_leave(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return chdir("/") == 0 ? file_remove_tree(folder, &f) : -1;
}

const char *test_folder_path(void)
{
    return folder;
}

void test_folder_write(const char *path, const char *text)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_make_parent(path, &f), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, &f), 0);
}

char *test_folder_read(const char *path)
{
    struct failure f = FAILURE_NONE;
    uint8_t *bytes = NULL;
    size_t size;

    assert_int_equal(file_read(path, READ_MAX, &bytes, &size, &f), 0);
    return (char *)bytes;
}

void test_folder_hear(const char *path, void (*run)(void *context), void *context)
{
    pid_t child;
    int status;

    (void)fflush(NULL); /* so that no buffered output is written twice */
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen(path, "we", stderr))
            _exit(1);
        run(context);
        _exit(fflush(stderr) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int count_one(const char *where, const char *name, void *context, struct failure *f)
{
    (void)where;
    (void)name;
    (void)f;
    ++*(size_t *)context;
    return 0;
}

size_t test_folder_count(const char *path)
{
    struct failure f = FAILURE_NONE;
    size_t count = 0;

    return file_list(path, count_one, &count, &f) < 0 ? 0 : count;
}
