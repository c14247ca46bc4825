/* packages.txt: one Debian package name per line; '#' starts a comment; empty lines are fine. The
 * order is kept: apt decides alternatives ("a | b") by what was named first. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum { PACKAGE_LIST_MAX = 200, PACKAGE_LIST_FILE_MAX = 1 << 20 };

struct package_list {
    char *names[PACKAGE_LIST_MAX]; /* owned */
    size_t count;
};

#define PACKAGE_LIST_INIT                                                                          \
    {                                                                                              \
        .count = 0                                                                                 \
    }

void package_list_done(struct package_list *list);
#define _cleanup_package_list_ __attribute__((cleanup(package_list_done)))

/* Pure: `name` is for messages. CODE_SYNTAX; *ret untouched then. */
MUST_USE int package_list_parse(const char *name, const uint8_t *bytes, size_t size,
                                struct package_list *ret, struct failure *f);

MUST_USE int package_list_read(const char *path, struct package_list *ret, struct failure *f);
