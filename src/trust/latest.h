/* `latest`: the index of a folder of releases, so that a plain web server or a stick can offer
 * them. It names the newest generation of each profile and architecture:
 *
 *   file    = "broch latest 1" LF *line               LATEST_SIZE_MAX bytes, LATEST_LINES_MAX lines
 *   line    = profile SP arch SP version LF           "node x86_64 v0.2.0"
 *   profile = (a-z / 0-9) *(a-z / 0-9 / "-")          at most LATEST_WORD_MAX bytes, as is
 *   arch    = 1*(a-z / 0-9 / "_")
 *   version = "v" version.h's form
 *
 * No profile and architecture stand there twice. The generation lies beside it, in the folder
 * "broch-<version>-<profile>-<arch>". Nothing signs this file: it only says where to look, and the
 * signed manifest that is found there decides. Pure. */
#pragma once

#include <stddef.h>

#include "base/failure.h"
#include "base/text.h"
#include "trust/version.h"

enum {
    LATEST_SIZE_MAX = 16 * 1024,
    LATEST_LINES_MAX = 128,
    LATEST_WORD_MAX = 32,
    LATEST_FOLDER_SIZE = 128,
};

#define LATEST_NAME "latest"

struct latest_line {
    char profile[LATEST_WORD_MAX + 1];
    char arch[LATEST_WORD_MAX + 1];
    struct version version;
};

struct latest {
    struct latest_line lines[LATEST_LINES_MAX];
    size_t count;
};

/* Parses the whole file. CODE_SYNTAX with `name` and the line; *ret untouched then. */
MUST_USE int latest_parse(const char *name, const void *bytes, size_t size, struct latest *ret,
                          struct failure *f);

/* Appends the file, in the order of its lines. */
void latest_format(const struct latest *latest, struct text *ret_text);

/* The line of a profile and architecture, or NULL. */
const struct latest_line *latest_find(const struct latest *latest, const char *profile,
                                      const char *arch);

/* Adds a line or replaces that of the same profile and architecture; lines stay sorted. -EBADMSG
 * when a word does not follow the grammar, -ERANGE when there are too many lines. */
MUST_USE int latest_put(struct latest *latest, const struct latest_line *line);

/* The folder of a line's generation: "broch-v0.2.0-node-x86_64". */
void latest_folder(const struct latest_line *line, char ret[static LATEST_FOLDER_SIZE]);
