#include "work/files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

void work_files_done(struct work_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].content);
    free(files->items);
    *files = (struct work_files)WORK_FILES_INIT;
}

/* Room for one more, or NULL with the error kept. */
static struct work_file *grow(struct work_files *files)
{
    struct work_file *items =
        reallocarray(files->items, files->count + 1, sizeof(struct work_file));

    if (!items) {
        files->error = -ENOMEM;
        return NULL;
    }
    files->items = items;
    return &items[files->count];
}

void work_files_add(struct work_files *files, const char *folder, const char *name, mode_t mode,
                    const char *format, ...)
{
    _cleanup_text_ struct text content = TEXT_INIT;
    struct work_file *file = files->error ? NULL : grow(files);
    va_list arguments;
    int length;

    if (!file)
        return;
    va_start(arguments, format);
    text_addv(&content, format, arguments);
    va_end(arguments);
    length = snprintf(file->path, sizeof(file->path), "%s%s%s", folder, folder[0] ? "/" : "", name);
    if (length < 0 || (size_t)length >= sizeof(file->path)) {
        files->error = -ENAMETOOLONG;
        return;
    }
    file->mode = mode;
    if (text_status(&content) == 0)
        file->content = content.data ? text_take(&content) : strdup("");
    else
        file->content = NULL;
    if (file->content)
        files->count++;
    else
        files->error = -ENOMEM;
}

const struct work_file *work_files_find(const struct work_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->items[i].path, path) == 0)
            return &files->items[i];
    }
    return NULL;
}

static int write_one(const struct work_file *file, const char *folder, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, file->path);
    int r =
        path ? file_make_parent(path, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    return r < 0 ? r : file_write(path, file->content, strlen(file->content), file->mode, f);
}

int work_files_write(const struct work_files *files, const char *folder, struct failure *f)
{
    if (files->error)
        return failure_set(f, CODE_INTERNAL, files->error, "cannot put '%s' together", folder);
    for (size_t i = 0; i < files->count; i++) {
        int r = write_one(&files->items[i], folder, f);

        if (r < 0)
            return r;
    }
    return 0;
}

/* "FOLDER/.NAME.new": s6-svscan passes over what begins with a dot. */
static char *hidden_beside(const char *folder)
{
    const char *slash = strrchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;

    return text_make("%.*s.%s.new", (int)(name - folder), folder, name);
}

int work_files_create(const struct work_files *files, const char *folder, struct failure *f)
{
    _cleanup_free_ char *hidden = hidden_beside(folder);
    int r = hidden ? file_remove_tree(hidden, f)
                   : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = file_make_folders(hidden, f);
    if (r == 0)
        r = work_files_write(files, hidden, f);
    if (r == 0 && rename(hidden, folder) < 0)
        r = file_failure(f, errno == ENOTEMPTY ? EEXIST : errno, "make", folder);
    if (r < 0 && hidden) {
        struct failure ignored = FAILURE_NONE;

        (void)!file_remove_tree(hidden, &ignored); /* the first failure is the one to report */
    }
    return r;
}
