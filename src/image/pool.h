/* The packages of a lock on this machine: fetched, checked, and offered as a small package archive
 * that the builder reads instead of the network. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "image/lock.h"
#include "sys/progress.h"

/* Makes sure that the cache holds every package of the lock, byte for byte: cached files are hashed
 * again, missing ones are fetched. Nothing is unpacked. With `offline` a missing one is
 * CODE_OFFLINE. Other errors are fetch_all()'s; a cached file with wrong bytes is removed and
 * fetched again. A package whose size is not the lock's is CODE_LOCK_HASH, cached or not. Two
 * builds with one cache never fetch at once. */
MUST_USE int pool_fill(const struct lock *lock, bool offline, struct progress *progress,
                       struct failure *f);

/* Path of a package's file in the cache; freed by the caller. */
MUST_USE int pool_path(const struct lock_package *package, char **ret, struct failure *f);

/* Lays out `folder` as a flat archive of the lock's system packages: links named by package, and an
 * index "Packages". The folder is made anew. */
MUST_USE int pool_archive(const struct lock *lock, const char *folder, struct failure *f);
