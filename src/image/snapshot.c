#include "image/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum { SOURCE_SIZE_MAX = 64 << 20 };

static bool same_content(const char *a, const char *b)
{
    _cleanup_free_ uint8_t *first = NULL, *second = NULL;
    struct failure ignored = FAILURE_NONE;
    size_t first_size, second_size;

    return file_read(a, SOURCE_SIZE_MAX, &first, &first_size, &ignored) == 0 &&
           file_read(b, SOURCE_SIZE_MAX, &second, &second_size, &ignored) == 0 &&
           first_size == second_size && memcmp(first, second, first_size) == 0;
}

static int update_file(const char *source, const struct stat *status, const char *copy,
                       struct failure *f)
{
    mode_t mode = status->st_mode & 0100 ? 0755 : 0644;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct stat former;
    size_t size;
    int r;

    if (stat(copy, &former) == 0 && (former.st_mode & 0777) == mode && same_content(source, copy))
        return 0;
    r = file_read(source, SOURCE_SIZE_MAX, &bytes, &size, f);
    return r < 0 ? r : file_write(copy, bytes, size, mode, f);
}

static int update_link(const char *source, const char *copy, struct failure *f)
{
    char target[PATH_MAX], former[PATH_MAX];
    ssize_t length = readlink(source, target, sizeof(target) - 1);
    ssize_t former_length = readlink(copy, former, sizeof(former));

    if (length < 0)
        return file_failure(f, errno, "read", source);
    target[length] = '\0';
    if (former_length == length && memcmp(target, former, (size_t)length) == 0)
        return 0;
    if (unlink(copy) < 0 && errno != ENOENT)
        return file_failure(f, errno, "replace", copy);
    return symlink(target, copy) < 0 ? file_failure(f, errno, "make", copy) : 0;
}

static int update_child(const char *folder, const char *name, void *context, struct failure *f)
{
    const char *target = context;
    _cleanup_free_ char *source = text_make("%s/%s", folder, name);
    _cleanup_free_ char *copy = text_make("%s/%s", target, name);

    return source && copy ? snapshot_update(source, copy, f)
                          : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int remove_gone(const char *folder, const char *name, void *context, struct failure *f)
{
    const char *source_folder = context;
    _cleanup_free_ char *source = text_make("%s/%s", source_folder, name);
    _cleanup_free_ char *copy = text_make("%s/%s", folder, name);
    struct stat status;

    if (!source || !copy)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return lstat(source, &status) == 0 ? 0 : file_remove_tree(copy, f);
}

static int update_folder(const char *source, const char *copy, struct failure *f)
{
    _cleanup_free_ char *target = strdup(copy), *origin = strdup(source);
    int r = target && origin ? file_make_folders(copy, f)
                             : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = file_list(source, update_child, target, f);
    return r < 0 ? r : file_list(copy, remove_gone, origin, f);
}

int snapshot_update(const char *source, const char *copy, struct failure *f)
{
    struct stat status, former;
    int r;

    if (lstat(source, &status) < 0)
        return file_failure(f, errno, "read", source);
    if (lstat(copy, &former) == 0 && (former.st_mode & S_IFMT) != (status.st_mode & S_IFMT)) {
        r = file_remove_tree(copy, f);
        if (r < 0)
            return r;
    }
    if (S_ISDIR(status.st_mode))
        return update_folder(source, copy, f);
    if (S_ISLNK(status.st_mode))
        return update_link(source, copy, f);
    if (S_ISREG(status.st_mode))
        return update_file(source, &status, copy, f);
    return failure_set(f, CODE_SCHEMA, -EINVAL, "'%s' is neither file, folder nor link", source);
}
