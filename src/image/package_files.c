#include "image/package_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "sys/file.h"

enum { LIST_SIZE_MAX = 16 << 20, PACKAGES_MAX = 4096, GROWTH = 4096, PATH_LENGTH_MAX = 4096 };

#define INFO   "var/lib/dpkg/info/"
#define ENDING ".list"

void package_files_done(struct package_files *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->files[i].path);
    for (size_t i = 0; i < p->name_count; i++)
        free(p->names[i]);
    free(p->files);
    free(p->names);
    *p = (struct package_files)PACKAGE_FILES_INIT;
}

/* "/bin/sh" and "usr/bin/sh" as "usr/bin/sh". NULL without memory. */
static char *merged(const char *path, size_t length)
{
    static const char *const moved[] = { "bin/", "sbin/", "lib/", "lib64/" };

    if (length > 0 && path[0] == '/') {
        path++;
        length--;
    }
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        if (length > strlen(moved[i]) && strncmp(path, moved[i], strlen(moved[i])) == 0)
            return text_make("usr/%.*s", (int)length, path);
    }
    return strndup(path, length);
}

static int add_path(struct package_files *p, const char *path, size_t length)
{
    struct package_file *more;

    if (length > PATH_LENGTH_MAX)
        return -ERANGE;
    if (p->count == p->capacity) {
        more = reallocarray(p->files, p->capacity + GROWTH, sizeof(*p->files));
        if (!more)
            return -ENOMEM;
        p->files = more;
        p->capacity += GROWTH;
    }
    more = &p->files[p->count];
    more->path = merged(path, length);
    more->package = p->names[p->name_count - 1];
    if (!more->path)
        return -ENOMEM;
    p->count++;
    return 0;
}

int package_files_add(struct package_files *p, const char *name, const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    size_t length;
    const char *line;
    int r = 0;

    if (p->name_count == PACKAGES_MAX)
        return -ERANGE;
    if (!p->names)
        p->names = calloc(PACKAGES_MAX, sizeof(*p->names));
    if (!p->names)
        return -ENOMEM;
    /* "libc6:amd64.list" */
    length = strcspn(name, ":");
    if (name[length] == '\0' && length > strlen(ENDING))
        length -= strlen(ENDING);
    p->names[p->name_count] = strndup(name, length);
    if (!p->names[p->name_count])
        return -ENOMEM;
    p->name_count++;
    while (r == 0 && cursor_line(&c, &line, &length))
        r = add_path(p, line, length);
    return r;
}

static int by_path(const void *a, const void *b)
{
    const struct package_file *first = a, *second = b;
    int order = strcmp(first->path, second->path);

    return order != 0 ? order : strcmp(first->package, second->package);
}

void package_files_sort(struct package_files *p)
{
    if (p->count > 0)
        qsort(p->files, p->count, sizeof(*p->files), by_path);
}

const char *package_files_find(const struct package_files *p, const char *path)
{
    _cleanup_free_ char *wanted = merged(path, strlen(path));
    size_t low = 0, high = p->count;

    /* The first of equal ones. */
    while (wanted && low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(p->files[middle].path, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return wanted && low < p->count && strcmp(p->files[low].path, wanted) == 0
               ? p->files[low].package
               : NULL;
}

static bool is_list(const char *name)
{
    size_t length = strlen(name);

    return length > strlen(ENDING) && strcmp(name + length - strlen(ENDING), ENDING) == 0;
}

static int added(int r, struct failure *f)
{
    return r < 0 ? failure_set(f, CODE_STEP_FAILED, r, "dpkg's lists cannot be taken") : 0;
}

/* --- A tar --- */

static void free_reader(struct archive **a)
{
    if (*a)
        (void)archive_read_free(*a); /* read only */
}

static int add_entry(struct archive *in, struct archive_entry *entry, struct package_files *ret,
                     struct failure *f)
{
    const char *path = archive_entry_pathname(entry);
    la_int64_t size = archive_entry_size(entry);
    _cleanup_free_ uint8_t *bytes = NULL;

    if (path && strncmp(path, "./", 2) == 0)
        path += 2;
    if (!path || strncmp(path, INFO, strlen(INFO)) != 0 || !is_list(path))
        return 0;
    if (size < 0 || size > LIST_SIZE_MAX)
        return added(-ERANGE, f);
    bytes = malloc((size_t)size + 1);
    if (!bytes)
        return added(-ENOMEM, f);
    if (archive_read_data(in, bytes, (size_t)size) != (la_ssize_t)size)
        return added(-EBADMSG, f);
    return added(package_files_add(ret, path + strlen(INFO), bytes, (size_t)size), f);
}

int package_files_of_tar(const char *tar, struct package_files *ret, struct failure *f)
{
    _cleanup_(free_reader) struct archive *in = archive_read_new();
    struct archive_entry *entry;
    int r = 0, got = ARCHIVE_OK;

    if (!in || archive_read_support_format_tar(in) != ARCHIVE_OK ||
        archive_read_open_filename(in, tar, 1 << 16) != ARCHIVE_OK)
        return file_failure(f, EIO, "read", tar);
    while (r == 0 && (got = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
        r = add_entry(in, entry, ret, f);
    if (r == 0 && got != ARCHIVE_EOF)
        r = file_failure(f, EIO, "read", tar);
    package_files_sort(ret);
    return r;
}

/* --- A folder --- */

static int add_file(const char *folder, const char *name, void *context, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r;

    if (!is_list(name))
        return 0;
    r = path ? file_read(path, LIST_SIZE_MAX, &bytes, &size, f) : added(-ENOMEM, f);
    return r < 0 ? r : added(package_files_add(context, name, bytes, size), f);
}

int package_files_of_folder(const char *root, struct package_files *ret, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/" INFO, root);
    int r = folder ? file_list(folder, add_file, ret, f) : added(-ENOMEM, f);

    package_files_sort(ret);
    return r;
}
