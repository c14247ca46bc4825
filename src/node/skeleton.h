/* Folders, empty files and links that must exist on the writable filesystems before services start:
 * /usr/lib/broch/skeleton. While /var and /home are tmpfs this list is all they hold; on persist it
 * repairs owner and mode of what is there and never removes anything.
 *
 *   line  = kind SP mode SP user SP group SP path      kind "d" (folder) or "f" (empty file)
 *         | "l" SP target SP path                      symbolic link, left alone when path exists
 *   mode  = four octal digits
 *   path  = absolute, no "." or ".." component, no space
 *
 * Empty lines and lines that begin with '#' are left out. Order matters: parents first. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"
#include "node/names.h"

#define SKELETON_PATH "/usr/lib/broch/skeleton"

enum {
    SKELETON_FILE_SIZE_MAX = 64 * 1024,
    SKELETON_PATH_SIZE = 256,
};

enum skeleton_kind { SKELETON_FOLDER, SKELETON_FILE, SKELETON_LINK };

struct skeleton_entry {
    enum skeleton_kind kind;
    mode_t mode;
    char user[NAME_SIZE];
    char group[NAME_SIZE];
    char target[SKELETON_PATH_SIZE]; /* links only */
    char path[SKELETON_PATH_SIZE];
};

/* Parses one line that is neither empty nor a comment. Returns 0, or -EBADMSG (*ret undefined, the
 * failure says what is wrong). Never allocates. */
MUST_USE int skeleton_parse_line(const char *text, size_t length, struct skeleton_entry *ret,
                                 struct failure *f);

/* Makes one entry below `root_fd` (the path's leading slash is left out). The last component is
 * never followed when it is a link. Returns 0 or a negative errno with the failure. */
MUST_USE int skeleton_make_entry(int root_fd, const struct skeleton_entry *entry, uid_t uid,
                                 gid_t gid, struct failure *f);

/* Called for each line that could not be used; the rest of the list is still made. */
typedef void (*skeleton_complaint)(const struct failure *f);

/* Reads the list and makes all of it below "/". Users and groups come from /etc/passwd and
 * /etc/group, read as plain files: name services are not up yet. Fails only when the list cannot
 * be read. */
MUST_USE int skeleton_make(const char *path, skeleton_complaint complain, struct failure *f);
