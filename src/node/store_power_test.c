/* The store's contract under power cuts. SQLite runs on a disk of our own (an SQLite VFS in
 * memory), which forgets: what was written since the last sync of a file may be there, may be
 * missing, or may be rubbish where it was being written, 512 bytes by 512 bytes and independently;
 * a new file is there for certain from its first sync on. The power goes at any chosen call.
 *
 * After each cut the store must open, and hold the parcels of whole transactions, from the first
 * on, at least all those that commit() reported. The negative twin: on a disk that lies about
 * syncs, the same runs lose what was reported, and the test sees it.
 *
 * Whether the kernel and the disk keep what fsync() promises is not tested here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "org/org_test.h"
#include "node/store_sqlite.h"

enum {
    FILES_MAX = 8,
    WRITES_MAX = 6000,
    SECTOR = 512,
    FILE_SIZE_MAX = 8 << 20,
    PARCEL_SIZE_MAX = 60000,
    TRANSACTIONS_MAX = 400,
};

/* A change since the last sync of its file. */
struct change {
    size_t offset;
    size_t size; /* of `bytes`; without bytes: the file was cut to `offset` */
    uint8_t *bytes;
};

struct disk_file {
    char name[64];
    bool exists;         /* as the running system sees it */
    bool durable_exists; /* on the disk, for certain */
    bool fresh;          /* made since, and not synced: on the disk there may be an older one */
    uint8_t *now;        /* 0 beyond the size, as the other one */
    uint8_t *durable;
    size_t size, durable_size;
    struct change changes[WRITES_MAX];
    size_t change_count;
};

static struct disk_file files[FILES_MAX];
static uint64_t calls, cut_at; /* 0: never */
static uint64_t chance;        /* decides what survives */
static bool dead, lying;

struct handle {
    sqlite3_file base;
    struct disk_file *file;
};

/* Counts a call that changes the disk; false from the cut on. */
static bool alive(void)
{
    if (!dead && cut_at != 0 && ++calls >= cut_at)
        dead = true;
    return !dead;
}

static struct disk_file *find_file(const char *name, bool create)
{
    struct disk_file *unused = NULL;

    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i].name[0] && strcmp(files[i].name, name) == 0)
            return &files[i];
        if (!files[i].name[0] && !unused)
            unused = &files[i];
    }
    if (!create)
        return NULL;
    assert_non_null(unused);
    (void)snprintf(unused->name, sizeof(unused->name), "%s", name);
    unused->now = calloc(1, FILE_SIZE_MAX);
    unused->durable = calloc(1, FILE_SIZE_MAX);
    assert_non_null(unused->now);
    assert_non_null(unused->durable);
    return unused;
}

static void forget_changes(struct disk_file *f)
{
    for (size_t i = 0; i < f->change_count; i++)
        free(f->changes[i].bytes);
    f->change_count = 0;
}

static void apply(uint8_t *content, size_t *size, const struct change *c)
{
    if (!c->bytes) {
        memset(content + c->offset, 0, *size > c->offset ? *size - c->offset : 0);
        *size = c->offset;
        return;
    }
    memcpy(content + c->offset, c->bytes, c->size);
    if (c->offset + c->size > *size)
        *size = c->offset + c->size;
}

static void note_change(struct disk_file *f, size_t offset, const void *bytes, size_t size)
{
    struct change *c = &f->changes[f->change_count++];

    assert_true(f->change_count < WRITES_MAX && offset + size <= FILE_SIZE_MAX);
    *c = (struct change){ .offset = offset, .size = size, .bytes = bytes ? malloc(size) : NULL };
    if (bytes) {
        assert_non_null(c->bytes);
        memcpy(c->bytes, bytes, size);
    }
    apply(f->now, &f->size, c);
}

/* One write as the power cut leaves it: each sector that it touches is new, old or rubbish. */
static void apply_in_part(struct disk_file *f, const struct change *c)
{
    size_t at = c->offset, end = c->offset + c->size;

    if (!c->bytes) {
        if (test_random(&chance) % 2)
            apply(f->durable, &f->durable_size, c);
        return;
    }
    while (at < end) {
        size_t next = (at / SECTOR + 1) * SECTOR < end ? (at / SECTOR + 1) * SECTOR : end;
        uint64_t fate = test_random(&chance) % 8;

        if (fate < 3)
            memcpy(f->durable + at, c->bytes + (at - c->offset), next - at);
        else if (fate == 3)
            memset(f->durable + at, (int)(test_random(&chance) & 0xff), next - at);
        if (fate <= 3 && next > f->durable_size)
            f->durable_size = next;
        at = next;
    }
}

/* A new file takes the place of an older one of its name. */
static void replace_old(struct disk_file *f)
{
    memset(f->durable, 0, f->durable_size);
    f->durable_size = 0;
    f->durable_exists = true;
    f->fresh = false;
}

static void cut_power(void)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct disk_file *f = &files[i];

        if (!f->name[0])
            continue;
        if (f->exists && f->fresh && test_random(&chance) % 2)
            forget_changes(f); /* the older one, or none, as it was */
        else if (f->exists && f->fresh)
            replace_old(f);
        for (size_t k = 0; k < f->change_count; k++)
            apply_in_part(f, &f->changes[k]);
        forget_changes(f);
        f->exists = f->durable_exists;
        f->fresh = false;
        memset(f->now, 0, f->size);
        memcpy(f->now, f->durable, f->durable_size);
        f->size = f->durable_size;
    }
    dead = false;
    cut_at = calls = 0;
}

static void empty_disk(void)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        forget_changes(&files[i]);
        free(files[i].now);
        free(files[i].durable);
        memset(&files[i], 0, sizeof(files[i]));
    }
    dead = lying = false;
    cut_at = calls = 0;
}

/* The methods of a file. */
static int disk_close(sqlite3_file *file)
{
    return SQLITE_OK;
}

static int disk_read(sqlite3_file *file, void *bytes, int amount, sqlite3_int64 offset)
{
    struct disk_file *f = ((struct handle *)file)->file;
    size_t at = (size_t)offset, size = (size_t)amount, there;

    if (dead)
        return SQLITE_IOERR_READ;
    there = at < f->size ? f->size - at : 0;
    there = there < size ? there : size;
    memcpy(bytes, f->now + at, there);
    memset((uint8_t *)bytes + there, 0, size - there);
    return there == size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int disk_write(sqlite3_file *file, const void *bytes, int amount, sqlite3_int64 offset)
{
    struct disk_file *f = ((struct handle *)file)->file;
    bool was_alive = !dead;

    if (!alive() && !was_alive)
        return SQLITE_IOERR_WRITE;
    note_change(f, (size_t)offset, bytes, (size_t)amount); /* under way when the power goes */
    return dead ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (!alive())
        return SQLITE_IOERR_TRUNCATE;
    note_change(((struct handle *)file)->file, (size_t)size, NULL, 0);
    return SQLITE_OK;
}

static int disk_sync(sqlite3_file *file, int flags)
{
    struct disk_file *f = ((struct handle *)file)->file;

    if (!alive())
        return SQLITE_IOERR_FSYNC;
    if (lying)
        return SQLITE_OK;
    if (f->fresh)
        replace_old(f);
    for (size_t i = 0; i < f->change_count; i++)
        apply(f->durable, &f->durable_size, &f->changes[i]);
    forget_changes(f);
    return SQLITE_OK;
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)((struct handle *)file)->file->size;
    return dead ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int disk_lock(sqlite3_file *file, int lock)
{
    return SQLITE_OK; /* one process */
}

static int disk_reserved(sqlite3_file *file, int *ret)
{
    *ret = 0;
    return SQLITE_OK;
}

static int disk_control(sqlite3_file *file, int operation, void *argument)
{
    return SQLITE_NOTFOUND;
}

static int disk_sector_size(sqlite3_file *file)
{
    return SECTOR;
}

/* As SQLite's own VFS for Unix says of any disk: a cut harms nothing outside of what was written.
 */
static int disk_characteristics(sqlite3_file *file)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_lock,
    .xCheckReservedLock = disk_reserved,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector_size,
    .xDeviceCharacteristics = disk_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct handle *h = (struct handle *)file;

    h->base.pMethods = NULL;
    assert_non_null(name); /* no temporary files: nothing here needs one */
    h->file = find_file(name, flags & SQLITE_OPEN_CREATE);
    if (!h->file || (!h->file->exists && !(flags & SQLITE_OPEN_CREATE)) ||
        (!h->file->exists && !alive()) || dead)
        return SQLITE_CANTOPEN;
    h->file->fresh |= !h->file->exists;
    h->file->exists = true;
    h->base.pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct disk_file *f = find_file(name, false);

    if (!f || !f->exists)
        return SQLITE_IOERR_DELETE_NOENT;
    if (!alive())
        return SQLITE_IOERR_DELETE;
    forget_changes(f);
    f->exists = false;
    memset(f->now, 0, f->size);
    f->size = 0;
    /* Without a sync of the folder the old file may come back, as it was. */
    if ((sync_folder && !lying) || test_random(&chance) % 2) {
        f->durable_exists = false;
        memset(f->durable, 0, f->durable_size);
        f->durable_size = 0;
    }
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    struct disk_file *f = find_file(name, false);

    *ret = f && f->exists;
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)snprintf(ret, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
    for (int i = 0; i < size; i++)
        ret[i] = (char)test_random(&chance);
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret)
{
    *ret = 2460000.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
    return 0;
}

static sqlite3_vfs forgetful = {
    .iVersion = 1,
    .szOsFile = sizeof(struct handle),
    .mxPathname = 63,
    .zName = "forgetful",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_path,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
};

/* What was written, transaction by transaction. */
struct history {
    uint64_t seed;
    uint32_t sizes_max; /* of a parcel */
    uint32_t parcels[TRANSACTIONS_MAX];
    uint32_t reported; /* commits that returned 0 */
    uint32_t begun;
};

static size_t make_parcel(const struct history *h, uint32_t transaction, uint32_t number,
                          uint8_t *ret)
{
    uint64_t seed = h->seed ^ ((uint64_t)transaction << 32) ^ (number + 1ull) << 8;
    size_t size = 1 + test_random(&seed) % h->sizes_max;

    for (size_t i = 0; i < size; i++)
        ret[i] = (uint8_t)test_random(&seed);
    return size;
}

struct reader {
    const struct history *h;
    uint32_t transaction;
    uint32_t number;
    bool harmed;
};

static int take_back(void *owner, const uint8_t *bytes, size_t size)
{
    static uint8_t expected[PARCEL_SIZE_MAX];
    struct reader *r = owner;

    if (r->transaction >= r->h->begun)
        r->harmed = true;
    if (r->harmed)
        return 0;
    r->harmed = size != make_parcel(r->h, r->transaction, r->number, expected) ||
                memcmp(bytes, expected, size) != 0;
    if (++r->number == r->h->parcels[r->transaction]) {
        r->number = 0;
        r->transaction++;
    }
    return 0;
}

/* Opens what is on the disk and compares. Returns false for a breach of the contract; when the
 * power goes again meanwhile there is nothing to compare. */
static bool check_disk(struct history *h)
{
    struct reader reader = { .h = h };
    struct store_sqlite *db;
    struct store s;
    int r = store_sqlite_open("state.db", &db);

    if (r < 0)
        return dead;
    s = store_sqlite_store(db);
    r = store_load(&s, take_back, &reader);
    (void)store_sqlite_close(db);
    if (dead)
        return true;
    if (r < 0 || reader.harmed || reader.number != 0 || reader.transaction < h->reported)
        return false;
    h->begun = h->reported = reader.transaction; /* the disk has decided */
    return true;
}

/* Writes until the power goes or `count` transactions are in; closes the store in order. */
static void write_some(struct history *h, uint32_t count)
{
    static uint8_t bytes[PARCEL_SIZE_MAX];
    struct store_sqlite *db;
    struct store s;
    bool good = true;

    if (store_sqlite_open("state.db", &db) < 0)
        return;
    s = store_sqlite_store(db);
    for (uint32_t i = 0; i < count && good && h->begun < TRANSACTIONS_MAX; i++) {
        uint64_t seed = h->seed + h->begun * 7919ull;
        uint32_t parcels = 1 + (uint32_t)(test_random(&seed) % 5);

        h->parcels[h->begun++] = parcels;
        for (uint32_t k = 0; k < parcels && good; k++)
            good = store_append(&s, bytes, make_parcel(h, h->begun - 1, k, bytes)) == 0;
        good = good && store_commit(&s) == 0;
        if (good)
            h->reported = h->begun;
    }
    (void)store_sqlite_close(db);
}

/* One life of a disk with some power cuts; false for a breach. */
static bool run_seed(uint64_t seed, bool lies)
{
    struct history h = { .seed = seed * 1000003, .sizes_max = seed % 4 ? 3000 : PARCEL_SIZE_MAX };

    empty_disk();
    chance = seed * 77 + 1;
    lying = lies;
    for (unsigned life = 0; life < 6; life++) {
        cut_at = 1 + test_random(&chance) % (life % 2 ? 400 : 40);
        calls = 0;
        write_some(&h, 25);
        cut_power();
        if (life % 3 == 2) { /* and once more while it is repaired */
            cut_at = 1 + test_random(&chance) % 12;
            if (!check_disk(&h))
                return false;
            cut_power();
        }
        if (!check_disk(&h))
            return false;
    }
    return true;
}

static void random_power_cuts_lose_nothing_reported(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        if (!run_seed(seed, false))
            fail_msg("seed %llu breaks the contract", (unsigned long long)seed);
    }
}

/* A short life, cut at each of its calls in turn, with several fates of what was under way. */
static void every_place_of_a_power_cut(void **state)
{
    uint64_t place = 1;

    for (bool over = false; !over; place++) {
        for (uint64_t fate = 1; fate <= 8; fate++) {
            struct history h = { .seed = 5, .sizes_max = 2000 };

            empty_disk();
            chance = fate;
            write_some(&h, 3);
            assert_int_equal(h.reported, 3);
            chance = fate * 1000 + place;
            cut_at = place;
            calls = 0;
            write_some(&h, 4);
            over = !dead;
            cut_power();
            if (!check_disk(&h))
                fail_msg("a cut at call %llu breaks the contract", (unsigned long long)place);
        }
    }
    assert_true(place > 20);
}

/* The twin: a disk that reports syncs and does not do them. */
static void a_lying_disk_is_seen(void **state)
{
    unsigned breaches = 0;

    for (uint64_t seed = 1; seed <= 40; seed++)
        breaches += !run_seed(seed, true);
    assert_true(breaches >= 20);
}

static int begin(void **state)
{
    return sqlite3_vfs_register(&forgetful, 1) == SQLITE_OK ? 0 : -1;
}

static int end(void **state)
{
    empty_disk();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_power_cuts_lose_nothing_reported),
        cmocka_unit_test(every_place_of_a_power_cut),
        cmocka_unit_test(a_lying_disk_is_seen),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
