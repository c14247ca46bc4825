/* Which package a file is from: dpkg's lists (var/lib/dpkg/info/<package>[:<arch>].list, one path
 * per line). Debian merged /bin, /sbin and /lib into /usr, lists may still have the old names: both
 * lead to the same answer. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct package_files {
    struct package_file {
        char *path;          /* without a leading slash; owned */
        const char *package; /* one of `names` */
    } * files;
    size_t count, capacity;
    char **names; /* owned */
    size_t name_count;
};

#define PACKAGE_FILES_INIT                                                                         \
    {                                                                                              \
        .files = NULL                                                                              \
    }

void package_files_done(struct package_files *p);
#define _cleanup_package_files_ __attribute__((cleanup(package_files_done)))

/* Adds one list; `name` is that of the file. -ENOMEM, -ERANGE above a limit, by errno only. */
MUST_USE int package_files_add(struct package_files *p, const char *name, const uint8_t *bytes,
                               size_t size);

/* To be called when all are added. Of two packages with one file the first by name has it. */
void package_files_sort(struct package_files *p);

/* All lists of a root that is a tar, or a folder; sorted. */
MUST_USE int package_files_of_tar(const char *tar, struct package_files *ret, struct failure *f);
MUST_USE int package_files_of_folder(const char *root, struct package_files *ret,
                                     struct failure *f);

/* The name of the package, or NULL. Borrowed. */
const char *package_files_find(const struct package_files *p, const char *path);
