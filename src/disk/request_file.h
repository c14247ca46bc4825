/* The files of requests and their results, for both sides: the running system in REQUEST_FOLDER,
 * stage 1 in the same folder of the mounted file system. `folder_fd` is the open folder. Nothing
 * here allocates.
 *
 *     <kind>            a request that waits
 *     <kind>.result     how the last one of this kind ended
 *
 * Every file is replaced as a whole: a temporary one beside it, synced, renamed, and the folder
 * synced. After a power cut there is the former content or the new one. */
#pragma once

#include "disk/request.h"

#define REQUEST_FOLDER         "/var/lib/broch/requests"
#define REQUEST_FOLDER_PERSIST "@broch/requests" /* in the file system of persist */

/* Opens the folder, relative to `base_fd` (or AT_FDCWD). A folder that is not there is -ENOENT, or
 * made (0700) when `make`. Returns the descriptor or a negative errno. */
MUST_USE int request_folder_open(int base_fd, const char *path, bool make);

/* Reads the request of this kind. -ENOENT: there is none. CODE_REQUEST_FORM: there is something
 * else, a request of another kind among it. CODE_IO. */
MUST_USE int request_read(int folder_fd, enum request_kind kind, struct request *ret,
                          struct failure *f);

/* Makes it the one that waits. CODE_IO, CODE_NO_SPACE. */
MUST_USE int request_write(int folder_fd, const struct request *r, struct failure *f);

/* Takes it away; one that is not there is fine. CODE_IO. */
MUST_USE int request_remove(int folder_fd, enum request_kind kind, struct failure *f);

/* -ENOENT: none was carried out yet, or what is there is none. */
MUST_USE int request_result_read(int folder_fd, enum request_kind kind, struct request_result *ret);
MUST_USE int request_result_write(int folder_fd, const struct request_result *result,
                                  struct failure *f);
