#include "image/cpio.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum { SOURCE_SIZE_MAX = 256 << 20, FIRST_INODE = 1 };

void cpio_done(struct cpio *cpio)
{
    for (size_t i = 0; i < cpio->count; i++) {
        free(cpio->entries[i].path);
        free(cpio->entries[i].source);
        free(cpio->entries[i].bytes);
    }
    cpio->count = 0;
}

static bool has_path(const struct cpio *cpio, const char *path)
{
    for (size_t i = 0; i < cpio->count; i++) {
        if (strcmp(cpio->entries[i].path, path) == 0)
            return true;
    }
    return false;
}

static struct cpio_entry *add(struct cpio *cpio, const char *path, struct failure *f)
{
    struct cpio_entry *entry = &cpio->entries[cpio->count];

    if (has_path(cpio, path)) {
        (void)failure_set(f, CODE_STEP_FAILED, -EEXIST, "'%s' is in the initrd twice", path);
        return NULL;
    }
    if (cpio->count >= CPIO_ENTRIES_MAX) {
        (void)failure_set(f, CODE_STEP_FAILED, -ERANGE, "too many files for the initrd");
        return NULL;
    }
    *entry = (struct cpio_entry){ .path = strdup(path) };
    if (!entry->path) {
        (void)failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        return NULL;
    }
    cpio->count++;
    return entry;
}

static int add_folders(struct cpio *cpio, const char *path, struct failure *f)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        _cleanup_free_ char *folder = strndup(path, (size_t)(slash - path));
        struct cpio_entry *entry;

        if (!folder)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (has_path(cpio, folder))
            continue;
        entry = add(cpio, folder, f);
        if (!entry)
            return f->cause;
        entry->folder = true;
    }
    return 0;
}

/* A new entry behind its folders; NULL after a failure. */
static struct cpio_entry *add_below(struct cpio *cpio, const char *path, struct failure *f)
{
    return add_folders(cpio, path, f) < 0 ? NULL : add(cpio, path, f);
}

int cpio_add_file(struct cpio *cpio, const char *path, const char *source, bool executable,
                  struct failure *f)
{
    struct cpio_entry *entry = add_below(cpio, path, f);

    if (!entry)
        return f->cause;
    entry->executable = executable;
    entry->source = strdup(source);
    return entry->source ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

int cpio_add_bytes(struct cpio *cpio, const char *path, const void *bytes, size_t size,
                   struct failure *f)
{
    struct cpio_entry *entry = add_below(cpio, path, f);

    if (!entry)
        return f->cause;
    entry->size = size;
    entry->bytes = malloc(size + 1);
    if (!entry->bytes)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    memcpy(entry->bytes, bytes, size);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct cpio_entry *)a)->path, ((const struct cpio_entry *)b)->path);
}

static void free_writer(struct archive **a)
{
    if (*a)
        (void)archive_write_free(*a); /* the good path closes it and looks */
}

static int write_entry(struct archive *out, struct cpio_entry *entry, size_t index, uint64_t date,
                       struct failure *f)
{
    struct archive_entry *header = archive_entry_new();
    _cleanup_free_ uint8_t *read = NULL;
    const uint8_t *bytes = entry->bytes;
    int r = 0;

    if (!header)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (entry->source) {
        r = file_read(entry->source, SOURCE_SIZE_MAX, &read, &entry->size, f);
        bytes = read;
    }
    archive_entry_set_pathname(header, entry->path);
    archive_entry_set_filetype(header, entry->folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(header, entry->folder || entry->executable ? 0755 : 0644);
    archive_entry_set_size(header, (la_int64_t)entry->size);
    archive_entry_set_mtime(header, (time_t)date, 0);
    archive_entry_set_ino(header, (la_int64_t)(index + FIRST_INODE));
    archive_entry_set_nlink(header, entry->folder ? 2 : 1);
    if (r == 0 && (archive_write_header(out, header) != ARCHIVE_OK ||
                   (entry->size > 0 &&
                    archive_write_data(out, bytes, entry->size) != (la_ssize_t)entry->size)))
        r = failure_set(f, CODE_IO, -EIO, "cannot write '%s' into the initrd: %s", entry->path,
                        archive_error_string(out));
    archive_entry_free(header);
    return r;
}

int cpio_write(struct cpio *cpio, const char *path, uint64_t date, struct failure *f)
{
    _cleanup_(free_writer) struct archive *out = archive_write_new();
    int r = 0;

    if (!out || archive_write_set_format_cpio_newc(out) != ARCHIVE_OK ||
        archive_write_open_filename(out, path) != ARCHIVE_OK)
        return failure_set(f, CODE_IO, -EIO, "cannot write '%s'", path);
    qsort(cpio->entries, cpio->count, sizeof(cpio->entries[0]), by_path);
    for (size_t i = 0; r == 0 && i < cpio->count; i++)
        r = write_entry(out, &cpio->entries[i], i, date, f);
    if (r == 0 && archive_write_close(out) != ARCHIVE_OK)
        r = failure_set(f, CODE_IO, -EIO, "cannot write '%s': %s", path, archive_error_string(out));
    return r;
}
