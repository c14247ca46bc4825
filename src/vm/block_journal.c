#include "vm/block_journal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sys/file.h"

enum { CHUNK = 1 << 20 };

static bool has_data(enum block_journal_kind kind)
{
    return kind == BLOCK_JOURNAL_WRITE || kind == BLOCK_JOURNAL_FILE;
}

void block_journal_encode(const struct block_journal_entry *entry,
                          uint8_t ret[static BLOCK_JOURNAL_HEAD])
{
    const uint32_t words[] = { htole32((uint32_t)entry->kind), htole32(entry->export) };
    const uint64_t longs[] = { htole64(entry->offset), htole64(entry->length) };

    _Static_assert(sizeof(words) + sizeof(longs) == BLOCK_JOURNAL_HEAD, "the head is these four");
    memcpy(ret, words, sizeof(words));
    memcpy(ret + sizeof(words), longs, sizeof(longs));
}

int block_journal_parse(const uint8_t bytes[static BLOCK_JOURNAL_HEAD], uint64_t at, uint64_t size,
                        struct block_journal_entry *ret, uint64_t *ret_next)
{
    struct cursor c = cursor_make(bytes, BLOCK_JOURNAL_HEAD);
    uint32_t kind = cursor_le32(&c);
    struct block_journal_entry entry = { .export = cursor_le32(&c) };

    entry.offset = cursor_le64(&c);
    entry.length = cursor_le64(&c);
    if (at > size || size - at < BLOCK_JOURNAL_HEAD)
        return 0;
    if (kind < BLOCK_JOURNAL_WRITE || kind > BLOCK_JOURNAL_FILE || entry.offset > INT64_MAX ||
        entry.length > INT64_MAX - entry.offset)
        return -EBADMSG;
    entry.kind = (enum block_journal_kind)kind;
    entry.data = at + BLOCK_JOURNAL_HEAD;
    if (has_data(entry.kind) && entry.length > BLOCK_JOURNAL_WRITE_MAX)
        return -EBADMSG;
    if (has_data(entry.kind) && entry.length > size - entry.data)
        return 0;
    *ret_next = entry.data + (has_data(entry.kind) ? entry.length : 0);
    *ret = entry;
    return 1;
}

/* --- Files --- */

static int keep(struct block_journal *journal, const struct block_journal_entry *entry)
{
    if (journal->count == BLOCK_JOURNAL_ENTRIES_MAX)
        return -ERANGE;
    if ((journal->count & (journal->count - 1)) == 0) { /* a power of two: twice the room */
        size_t capacity = journal->count > 0 ? 2 * journal->count : 1;
        struct block_journal_entry *more = reallocarray(journal->entries, capacity, sizeof(*more));

        if (!more)
            return -ENOMEM;
        journal->entries = more;
    }
    journal->entries[journal->count++] = *entry;
    return 0;
}

static int read_entries(struct block_journal *journal)
{
    uint64_t at = 0;
    struct stat st;
    int r = 1;

    if (fstat(journal->fd, &st) < 0)
        return -errno;
    while (r == 1) {
        uint8_t head[BLOCK_JOURNAL_HEAD];
        struct block_journal_entry entry;
        ssize_t got = pread(journal->fd, head, sizeof(head), (off_t)at);

        if (got != (ssize_t)sizeof(head))
            return got < 0 ? -errno : 0;
        r = block_journal_parse(head, at, (uint64_t)st.st_size, &entry, &at);
        if (r == 1) {
            int kept = keep(journal, &entry);

            r = kept < 0 ? kept : 1;
        }
    }
    return r;
}

int block_journal_open(const char *path, struct block_journal *ret, struct failure *f)
{
    struct block_journal journal = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
    int r;

    if (journal.fd < 0)
        return file_failure(f, errno, "read", path);
    r = read_entries(&journal);
    if (r < 0) {
        block_journal_done(&journal);
        return failure_set(f, CODE_IO, r, "'%s' is no journal: %s", path, strerror(-r));
    }
    *ret = journal;
    return 0;
}

void block_journal_done(struct block_journal *journal)
{
    free(journal->entries);
    if (journal->fd >= 0)
        (void)close(journal->fd); /* only read from */
    *journal = (struct block_journal)BLOCK_JOURNAL_NONE;
}

size_t block_journal_count_at(const struct block_journal *journal, uint64_t size)
{
    size_t low = 0, high = journal->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (journal->entries[middle].data <= size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int read_data(const struct block_journal *journal, uint64_t at, uint8_t *ret, size_t size)
{
    ssize_t got = pread(journal->fd, ret, size, (off_t)at);

    return got < 0 ? -errno : (size_t)got == size ? 0 : -EIO;
}

static int put(int fd, const uint8_t *bytes, size_t size, uint64_t at)
{
    ssize_t done = pwrite(fd, bytes, size, (off_t)at);

    return done < 0 ? -errno : (size_t)done == size ? 0 : -EIO;
}

int block_journal_apply_part(const struct block_journal *journal, size_t index, uint64_t from,
                             uint64_t to, int fd, struct failure *f)
{
    static uint8_t chunk[CHUNK];
    const struct block_journal_entry *entry;
    int r = 0;

    CHECK(index < journal->count);
    entry = &journal->entries[index];
    CHECK(from <= to && to <= entry->length);
    CHECK(entry->kind == BLOCK_JOURNAL_WRITE || entry->kind == BLOCK_JOURNAL_ZERO);
    if (entry->kind == BLOCK_JOURNAL_ZERO)
        memset(chunk, 0, sizeof(chunk));
    while (r == 0 && from < to) {
        size_t size = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

        if (entry->kind == BLOCK_JOURNAL_WRITE)
            r = read_data(journal, entry->data + from, chunk, size);
        if (r == 0)
            r = put(fd, chunk, size, entry->offset + from);
        from += size;
    }
    return r < 0 ? failure_set(f, CODE_IO, r, "cannot repeat entry %zu: %s", index, strerror(-r))
                 : 0;
}

int block_journal_apply(const struct block_journal *journal, uint32_t export, size_t from,
                        size_t to, int fd, struct failure *f)
{
    int r = 0;

    CHECK(from <= to && to <= journal->count);
    for (size_t i = from; r == 0 && i < to; i++) {
        const struct block_journal_entry *entry = &journal->entries[i];

        if (entry->export == export &&
            (entry->kind == BLOCK_JOURNAL_WRITE || entry->kind == BLOCK_JOURNAL_ZERO))
            r = block_journal_apply_part(journal, i, 0, entry->length, fd, f);
    }
    return r;
}

int block_journal_file(const struct block_journal *journal, size_t count, uint8_t **ret_bytes,
                       size_t *ret_size, struct failure *f)
{
    const struct block_journal_entry *found = NULL;
    uint8_t *bytes;
    int r;

    CHECK(count <= journal->count);
    while (!found && count > 0) {
        if (journal->entries[--count].kind == BLOCK_JOURNAL_FILE)
            found = &journal->entries[count];
    }
    if (!found)
        return failure_set(f, CODE_IO, -ENOENT, "the file was not seen yet");
    bytes = malloc((size_t)found->length + 1);
    if (!bytes)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = read_data(journal, found->data, bytes, (size_t)found->length);
    if (r < 0) {
        free(bytes);
        return failure_set(f, CODE_IO, r, "cannot read the journal: %s", strerror(-r));
    }
    *ret_bytes = bytes;
    *ret_size = (size_t)found->length;
    return 0;
}
