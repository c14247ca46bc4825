/* The user database of an image: passwd(5), group(5), shadow(5) and gshadow(5), as texts. Services
 * without a user of their packages get one here, a step later than the packages' own, so that a new
 * service makes no new root. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/compose.h"

enum { USER_NAME_SIZE = 32 };

/* A user and the group of the same name and number, without password, home or shell. */
struct user {
    char name[USER_NAME_SIZE];
    uint32_t id;
};

/* Whether there is a line for this name; of all four files. */
bool users_have(const void *bytes, size_t size, const char *name);

/* Appends the file ("etc/passwd", ...) with a line for each user to *ret. A file of another name
 * stays as it is. -EEXIST (CODE_SERVICE_USER) when the name or, where the file has numbers, the
 * number is taken; *ret is then unfinished. */
MUST_USE int users_append(const struct compose_file *file, const struct user *users, size_t count,
                          struct text *ret, struct failure *f);
