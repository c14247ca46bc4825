/* packages.lock: which packages, to the byte, an image is made of.
 *
 * Grammar (text, LF after every line, fields parted by one space, no empty lines):
 *
 *     broch-lock 1
 *     date SECONDS                 Unix time of the resolution; SOURCE_DATE_EPOCH of every build
 *     list SHA256                  of the package list that was resolved (lock_list_digest())
 *     package ROLE ARCHIVE NAME VERSION ARCH SIZE SHA256 PATH
 *
 * ROLE is "system" (installed into the image or tree) or "kernel" (unpacked only; at most one,
 * named linux-image-RELEASE). ARCHIVE is "main" or "security". PATH is relative to the archive's
 * base. Package lines are sorted by name in byte order and no name appears twice in one role. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "trust/digest.h"

enum {
    LOCK_PACKAGES_MAX = 4096,
    LOCK_FILE_MAX = 4 << 20,
    LOCK_FIELD_MAX = 256, /* of one field, terminating zero included */
    LOCK_PACKAGE_SIZE_MAX = 1 << 30,
};

enum lock_role { LOCK_ROLE_SYSTEM, LOCK_ROLE_KERNEL };
enum lock_archive { LOCK_ARCHIVE_MAIN, LOCK_ARCHIVE_SECURITY };

struct lock_package {
    enum lock_role role;
    enum lock_archive archive;
    char name[LOCK_FIELD_MAX];
    char version[LOCK_FIELD_MAX];
    char arch[LOCK_FIELD_MAX];
    uint64_t size;
    struct digest digest;
    char path[LOCK_FIELD_MAX];
};

struct lock {
    uint64_t date;
    struct digest list;
    struct lock_package *packages; /* owned; lock_done() */
    size_t package_count;
};

#define LOCK_INIT                                                                                  \
    {                                                                                              \
        .packages = NULL                                                                           \
    }

void lock_done(struct lock *lock);
#define _cleanup_lock_ __attribute__((cleanup(lock_done)))

/* Parses a whole lock. `name` is for messages ("NAME:LINE: ..."). CODE_SYNTAX; *ret untouched then.
 */
MUST_USE int lock_parse(const char *name, const uint8_t *bytes, size_t size, struct lock *ret,
                        struct failure *f);

/* Reads and parses a file; a missing one is CODE_LOCK_MISSING. *ret_digest is of its bytes. */
MUST_USE int lock_read(const char *path, struct lock *ret, struct digest *ret_digest,
                       struct failure *f);

/* Adds a package (copied). -ENOMEM or -ERANGE, by errno only. */
MUST_USE int lock_add(struct lock *lock, const struct lock_package *package);

/* Sorts the packages and writes the text that lock_parse() reads. */
void lock_format(struct lock *lock, struct text *ret_text);

/* Digest of a package list and kernel choice in normal form: what `list` pins. */
struct digest lock_list_digest(const char *const *packages, size_t count, const char *kernel);

/* The kernel package, or NULL. Borrowed. */
const struct lock_package *lock_kernel(const struct lock *lock);

/* "6.12.1+deb13-amd64" of "linux-image-6.12.1+deb13-amd64". Borrowed. */
const char *lock_kernel_release(const struct lock_package *kernel);
