/* A small folder as a list of files, and its way to disk: what a service directory or a set of
 * definitions is made of, as a value that can be looked at before it is written. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"

enum { WORK_FILE_PATH_MAX = 128 };

struct work_file {
    char path[WORK_FILE_PATH_MAX]; /* below the folder; its own folders are made with mode 0755 */
    mode_t mode;
    char *content; /* text, owned */
};

struct work_files {
    struct work_file *items;
    size_t count;
    int error; /* the first -ENOMEM or -ENAMETOOLONG; later calls do nothing */
};

#define WORK_FILES_INIT                                                                            \
    {                                                                                              \
        .items = NULL                                                                              \
    }

/* Frees the contents; the object may be used again. */
void work_files_done(struct work_files *files);
#define _cleanup_work_files_ __attribute__((cleanup(work_files_done)))

/* Adds a file with the content of a format. The path is two parts with a slash between them when
 * `folder` is not empty. Errors are kept for work_files_write(). */
void work_files_add(struct work_files *files, const char *folder, const char *name, mode_t mode,
                    const char *format, ...) PRINTF_LIKE(5, 6);

/* The file of this path, or NULL. */
const struct work_file *work_files_find(const struct work_files *files, const char *path);

/* Writes all files below `folder`, each replaced by rename, so that a reader sees an old file or a
 * new one. The folder and those below it are made where they are missing; files that are not in
 * the list stay. CODE_IO, CODE_NO_SPACE, CODE_INTERNAL for an error kept. Blocks. */
MUST_USE int work_files_write(const struct work_files *files, const char *folder,
                              struct failure *f);

/* Makes `folder` with these files at once: they are written to a hidden folder beside it, which is
 * then renamed. What stands in the way of the hidden one is removed. Errors as above, and -EEXIST
 * when `folder` is there and not empty. */
MUST_USE int work_files_create(const struct work_files *files, const char *folder,
                               struct failure *f);
