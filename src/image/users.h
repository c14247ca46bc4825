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

/* Packages' users and groups get their numbers in the order in which packages are set up, so these
 * are other ones when a package comes or goes, and what lies under /var would change its owner.
 * Here each of these (100 to 999; what is below, and group 100, is fixed by Debian) gets a number
 * that follows from its name. */
enum { USERS_RENUMBERED_MAX = 128, USERS_ID_MIN = 200000, USERS_ID_MAX = 524287 };

struct users_map {
    struct {
        uint32_t from, to;
    } ids[USERS_RENUMBERED_MAX];
    size_t count;
};

struct users_numbers {
    struct users_map users, groups;
};

/* Plans the new numbers of two files. -EEXIST (CODE_SERVICE_USER) when two names meet in one
 * number, -ERANGE for too many. */
MUST_USE int users_plan(const struct compose_file *passwd, const struct compose_file *group,
                        struct users_numbers *ret, struct failure *f);

/* The new number of a user or group, or the same when it keeps it. */
uint32_t users_number(uint32_t id, bool is_group, const struct users_numbers *numbers);

/* Appends passwd or group with the new numbers to *ret; a file of another name as it is. */
void users_renumber(const struct compose_file *file, const struct users_numbers *numbers,
                    struct text *ret);

/* Whether there is a line for this name; of all four files. */
bool users_have(const void *bytes, size_t size, const char *name);

/* Appends the file ("etc/passwd", ...) with a line for each user to *ret. A file of another name
 * stays as it is. -EEXIST (CODE_SERVICE_USER) when the name or, where the file has numbers, the
 * number is taken; *ret is then unfinished. */
MUST_USE int users_append(const struct compose_file *file, const struct user *users, size_t count,
                          struct text *ret, struct failure *f);
