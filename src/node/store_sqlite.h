/* The store of store.h in one SQLite file: write-ahead log, synchronous=EXTRA (FULL, and for a new
 * file its folder as well), quick_check when it is opened. Anybody can look at it with sqlite3:
 * table parcel (number, kind, bytes). Does I/O and allocates; not for the cores. */
#pragma once

#include "org/store.h"

enum {
    STORE_SQLITE_VERSION = 1,                 /* pragma user_version */
    STORE_SQLITE_APPLICATION_ID = 0x42726f63, /* "Broc": pragma application_id */
    STORE_SQLITE_PARCEL_MAX = 1 << 20,
};

struct store_sqlite;

/* Opens or creates. Returns 0; -EUCLEAN when the file is no database, fails its check or belongs to
 * something else; -EPROTONOSUPPORT for a later version; -EBUSY when another process has it; -EIO,
 * -ENOSPC, -ENOMEM. Blocks for the check. */
MUST_USE int store_sqlite_open(const char *path, struct store_sqlite **ret);
struct store_sqlite *store_sqlite_close(struct store_sqlite *s);

/* Valid until store_sqlite_close(). */
struct store store_sqlite_store(struct store_sqlite *s);

/* Moves a damaged file and its log aside, to PATH.damaged and PATH-wal.damaged, replacing what was
 * set aside before. Returns 0 or a negative errno. */
MUST_USE int store_sqlite_quarantine(const char *path);
