#include "node/store_sqlite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

struct store_sqlite {
    sqlite3 *db;
    sqlite3_stmt *insert;
    bool open; /* a transaction is under way */
};

/* What an SQLite result means for us. */
static int errno_of(int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return -EUCLEAN;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static int run(struct store_sqlite *s, const char *sql)
{
    return errno_of(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

/* The one integer that a statement yields. */
static int ask(struct store_sqlite *s, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

    if (r != SQLITE_OK)
        return errno_of(r);
    r = sqlite3_step(statement);
    if (r == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    return r == SQLITE_ROW ? 0 : r == SQLITE_DONE ? -EUCLEAN : errno_of(r);
}

/* quick_check yields one row, "ok", for a sound file. */
static int check(struct store_sqlite *s)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool sound = false;

    if (r != SQLITE_OK)
        return errno_of(r);
    r = sqlite3_step(statement);
    if (r == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        sound = text && strcmp((const char *)text, "ok") == 0;
    }
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    if (r != SQLITE_ROW)
        return errno_of(r) < 0 ? errno_of(r) : -EUCLEAN;
    return sound ? 0 : -EUCLEAN;
}

/* A new file gets its table; an old one must be ours. */
static int prepare(struct store_sqlite *s)
{
    int64_t version = 0, application = 0, tables = 0;
    char sql[256];
    int r = ask(s, "PRAGMA user_version", &version);

    if (r == 0)
        r = ask(s, "PRAGMA application_id", &application);
    if (r == 0)
        r = ask(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r < 0)
        return r;
    if (tables > 0 && application != STORE_SQLITE_APPLICATION_ID)
        return -EUCLEAN;
    if (tables > 0)
        return version == STORE_SQLITE_VERSION ? 0 : -EPROTONOSUPPORT;
    (void)snprintf(sql, sizeof(sql),
                   "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;"
                   "CREATE TABLE parcel (number INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
                   " bytes BLOB NOT NULL); COMMIT;",
                   (int)STORE_SQLITE_APPLICATION_ID, (int)STORE_SQLITE_VERSION); /* fits */
    return run(s, sql);
}

int store_sqlite_open(const char *path, struct store_sqlite **ret)
{
    struct store_sqlite *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    r = errno_of(sqlite3_open_v2(path, &s->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                     SQLITE_OPEN_NOFOLLOW,
                                 NULL));
    /* Nothing in the file may run code of its own choice; and its pages are not trusted. EXTRA is
     * FULL for the log. For a new file it also syncs the folder after the rollback journal of its
     * first page is deleted: a journal that came back with a power cut would roll back to an empty
     * file what was committed to the log meanwhile. */
    if (r == 0)
        r = errno_of(sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL));
    if (r == 0)
        r = run(s, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
                   "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=EXTRA;"
                   "PRAGMA journal_mode=WAL;");
    if (r == 0)
        r = check(s);
    if (r == 0)
        r = prepare(s);
    if (r == 0)
        r = errno_of(sqlite3_prepare_v3(s->db, "INSERT INTO parcel(kind, bytes) VALUES(?1, ?2)", -1,
                                        SQLITE_PREPARE_PERSISTENT, &s->insert, NULL));
    if (r < 0) {
        (void)store_sqlite_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct store_sqlite *store_sqlite_close(struct store_sqlite *s)
{
    if (!s)
        return NULL;
    (void)sqlite3_finalize(s->insert); /* reports an earlier failure again */
    (void)sqlite3_close(s->db);        /* rolls back what was not committed */
    free(s);
    return NULL;
}

static int sqlite_append(void *context, const uint8_t *bytes, size_t size)
{
    struct store_sqlite *s = context;
    int r = 0;

    CHECK(size > 0 && size <= STORE_SQLITE_PARCEL_MAX);
    if (!s->open)
        r = run(s, "BEGIN IMMEDIATE");
    if (r < 0)
        return r;
    s->open = true;
    r = sqlite3_bind_int(s->insert, 1, bytes[0]);
    if (r == SQLITE_OK)
        r = sqlite3_bind_blob(s->insert, 2, bytes, (int)size, SQLITE_STATIC);
    if (r == SQLITE_OK)
        r = sqlite3_step(s->insert);
    (void)sqlite3_reset(s->insert);          /* repeats the result of the step */
    (void)sqlite3_clear_bindings(s->insert); /* the bytes are the caller's again; cannot fail */
    return r == SQLITE_DONE ? 0 : errno_of(r);
}

static int sqlite_commit(void *context)
{
    struct store_sqlite *s = context;
    int r;

    if (!s->open)
        return 0;
    r = run(s, "COMMIT");
    if (r < 0 && sqlite3_get_autocommit(s->db) == 0)
        (void)run(s, "ROLLBACK"); /* the commit's error is the one to report */
    s->open = false;
    return r;
}

static int sqlite_load(void *context, int (*take)(void *owner, const uint8_t *bytes, size_t size),
                       void *owner)
{
    struct store_sqlite *s = context;
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(s->db, "SELECT bytes FROM parcel ORDER BY number", -1, &statement,
                               NULL),
        taken = 0;

    if (r != SQLITE_OK)
        return errno_of(r);
    while (taken >= 0 && (r = sqlite3_step(statement)) == SQLITE_ROW) {
        const uint8_t *bytes = sqlite3_column_blob(statement, 0);
        int size = sqlite3_column_bytes(statement, 0);

        if (!bytes || size <= 0 || size > STORE_SQLITE_PARCEL_MAX)
            taken = -EUCLEAN;
        else
            taken = take(owner, bytes, (size_t)size);
    }
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    if (taken < 0)
        return taken;
    return r == SQLITE_DONE ? 0 : errno_of(r);
}

struct store store_sqlite_store(struct store_sqlite *s)
{
    static const struct store_operations operations = { sqlite_append, sqlite_commit, sqlite_load };

    return (struct store){ &operations, s };
}

static int set_aside(const char *path, const char *suffix)
{
    char from[4096], to[4096];
    int a = snprintf(from, sizeof(from), "%s%s", path, suffix);
    int b = snprintf(to, sizeof(to), "%s%s.damaged", path, suffix);

    if (a < 0 || b < 0 || (size_t)a >= sizeof(from) || (size_t)b >= sizeof(to))
        return -ENAMETOOLONG;
    if (rename(from, to) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

int store_sqlite_quarantine(const char *path)
{
    int r = set_aside(path, ""), log = set_aside(path, "-wal"), index = set_aside(path, "-shm");

    return r < 0 ? r : log < 0 ? log : index;
}
