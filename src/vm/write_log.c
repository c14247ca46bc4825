#include "vm/write_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "sys/file.h"

#define MAGIC UINT64_C(0x6a736677736872)

enum { VERSION = 1, CHUNK_SECTORS = 2048 };

bool write_log_is_super(const uint8_t bytes[static WRITE_LOG_SECTOR])
{
    struct cursor c = cursor_make(bytes, WRITE_LOG_SECTOR);
    uint64_t magic = cursor_le64(&c), version = cursor_le64(&c);

    cursor_skip(&c, sizeof(uint64_t)); /* the number of entries lags behind a killed machine */
    return magic == MAGIC && version == VERSION && cursor_le32(&c) == WRITE_LOG_SECTOR;
}

int write_log_parse(const uint8_t bytes[static WRITE_LOG_SECTOR], uint64_t at, uint64_t size,
                    struct write_log_entry *ret, uint64_t *ret_next)
{
    const uint64_t most = INT64_MAX / WRITE_LOG_SECTOR;
    struct cursor c = cursor_make(bytes, WRITE_LOG_SECTOR);
    struct write_log_entry entry = { .sector = cursor_le64(&c) };
    uint64_t stored;

    entry.count = cursor_le64(&c);
    entry.flags = cursor_le64(&c);
    if (at > size || size - at < WRITE_LOG_SECTOR || (entry.count == 0 && entry.flags == 0))
        return 0;
    if (entry.count > most || entry.sector > most - entry.count)
        return -EBADMSG;
    entry.data = at + WRITE_LOG_SECTOR;
    stored = entry.flags & WRITE_LOG_DISCARD ? 0 : entry.count * WRITE_LOG_SECTOR;
    if (stored > size - entry.data)
        return 0;
    *ret = entry;
    *ret_next = entry.data + stored;
    return 1;
}

/* --- Files --- */

static int read_sector(int fd, uint64_t at, uint8_t ret[static WRITE_LOG_SECTOR])
{
    ssize_t got = pread(fd, ret, WRITE_LOG_SECTOR, (off_t)at);

    return got == WRITE_LOG_SECTOR ? 1 : got < 0 ? -errno : 0;
}

static int keep(struct write_log *log, const struct write_log_entry *entry)
{
    if (log->count == WRITE_LOG_ENTRIES_MAX)
        return -ERANGE;
    if ((log->count & (log->count - 1)) == 0) { /* a power of two: twice the room */
        size_t capacity = log->count > 0 ? 2 * log->count : 1;
        struct write_log_entry *more = reallocarray(log->entries, capacity, sizeof(*more));

        if (!more)
            return -ENOMEM;
        log->entries = more;
    }
    log->entries[log->count++] = *entry;
    return 0;
}

static int read_entries(struct write_log *log)
{
    uint8_t bytes[WRITE_LOG_SECTOR];
    uint64_t at = WRITE_LOG_SECTOR;
    struct stat st;
    int r;

    if (fstat(log->fd, &st) < 0)
        return -errno;
    r = read_sector(log->fd, 0, bytes);
    if (r == 1 && !write_log_is_super(bytes))
        r = -EBADMSG;
    while (r == 1 && (r = read_sector(log->fd, at, bytes)) == 1) {
        struct write_log_entry entry;

        r = write_log_parse(bytes, at, (uint64_t)st.st_size, &entry, &at);
        if (r == 1 && keep(log, &entry) < 0)
            r = log->count == WRITE_LOG_ENTRIES_MAX ? -ERANGE : -ENOMEM;
    }
    return r;
}

int write_log_open(const char *path, struct write_log *ret, struct failure *f)
{
    struct write_log log = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
    int r;

    if (log.fd < 0)
        return file_failure(f, errno, "read", path);
    r = read_entries(&log);
    if (r < 0) {
        write_log_done(&log);
        return failure_set(f, CODE_IO, r, "'%s' is no log of writes: %s", path, strerror(-r));
    }
    *ret = log;
    return 0;
}

void write_log_done(struct write_log *log)
{
    free(log->entries);
    if (log->fd >= 0)
        (void)close(log->fd); /* only read from */
    *log = (struct write_log)WRITE_LOG_NONE;
}

static int copy_part(const struct write_log *log, uint64_t from, int disk_fd, uint64_t to,
                     size_t size)
{
    static uint8_t chunk[CHUNK_SECTORS * WRITE_LOG_SECTOR];
    ssize_t got = pread(log->fd, chunk, size, (off_t)from), put;

    CHECK(size <= sizeof(chunk));
    if (got < 0 || (size_t)got != size)
        return got < 0 ? -errno : -EIO;
    put = pwrite(disk_fd, chunk, size, (off_t)to);
    if (put < 0)
        return -errno;
    return (size_t)put == size ? 0 : -EIO;
}

int write_log_apply_torn(const struct write_log *log, size_t index, uint64_t sectors, int disk_fd,
                         struct failure *f)
{
    const struct write_log_entry *entry;
    int r = 0;

    CHECK(index < log->count);
    entry = &log->entries[index];
    if (entry->flags & WRITE_LOG_DISCARD)
        return 0;
    CHECK(sectors <= entry->count);
    for (uint64_t done = 0; r == 0 && done < sectors;) {
        uint64_t count = sectors - done < CHUNK_SECTORS ? sectors - done : CHUNK_SECTORS;

        r = copy_part(log, entry->data + done * WRITE_LOG_SECTOR, disk_fd,
                      (entry->sector + done) * WRITE_LOG_SECTOR, count * WRITE_LOG_SECTOR);
        done += count;
    }
    return r < 0 ? failure_set(f, CODE_IO, r, "cannot repeat write %zu: %s", index, strerror(-r))
                 : 0;
}

int write_log_apply(const struct write_log *log, size_t from, size_t to, int disk_fd,
                    struct failure *f)
{
    int r = 0;

    CHECK(from <= to && to <= log->count);
    for (size_t i = from; r == 0 && i < to; i++)
        r = write_log_apply_torn(log, i, log->entries[i].count, disk_fd, f);
    return r;
}
