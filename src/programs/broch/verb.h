/* The verbs of `broch`, one table: help, the nearest-name hint and the starting of other programs
 * come from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/failure.h"

enum verb_group { VERB_MACHINE, VERB_DEVELOPER, VERB_GENERAL, VERB_GROUP_MAX_ };

struct verb {
    const char *name;
    /* The program that has it, as the build folder names it; NULL for a verb of this program. */
    const char *program;
    enum verb_group group;
    const char *synopsis; /* after the verb */
    const char *purpose;
};

extern const struct verb verb_table[];
extern const size_t verb_table_count;

/* NULL when there is no such verb. */
const struct verb *verb_find(const char *name);

/* The nearest verb's name, or NULL. */
const char *verb_nearest(const char *name);

/* What `broch help` prints: one screen. */
void verb_help(FILE *stream);

/* Where the side that has the verb is: for "no such program here". Never NULL. */
const char *verb_side(const struct verb *verb);

enum { VERB_PATH_SIZE = 4096 };

/* Writes the path of the program to ret_path: in `folder` (where this program lies), else in
 * ../lib/broch beside it. Returns 0; -ENOENT when it can be run in neither; -ENAMETOOLONG. */
MUST_USE int verb_program_path(const char *folder, const char *program,
                               char ret_path[static VERB_PATH_SIZE]);

/* Becomes the verb's program: argv is that of `broch VERB ...` and reaches it without its first
 * word. Returns only on failure. */
MUST_USE int verb_exec(const struct verb *verb, char **argv, struct failure *f);
