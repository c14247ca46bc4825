#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

enum { CHUNK = 1 << 18 };

static void free_reader(struct archive **a)
{
    (void)archive_read_free(*a); /* accepts NULL */
}

/* libarchive's format "raw" is the unpacked stream itself. */
static struct archive *open_stream(struct span packed)
{
    struct archive *in = archive_read_new();
    struct archive_entry *entry;

    if (in && archive_read_support_filter_zstd(in) == ARCHIVE_OK &&
        archive_read_support_format_raw(in) == ARCHIVE_OK &&
        archive_read_open_memory(in, packed.bytes, packed.size) == ARCHIVE_OK &&
        archive_read_next_header(in, &entry) == ARCHIVE_OK)
        return in;
    free_reader(&in);
    return NULL;
}

int unpack_zstd(struct span packed, struct text *ret)
{
    _cleanup_(free_reader) struct archive *in = open_stream(packed);
    _cleanup_free_ uint8_t *chunk = malloc(CHUNK);
    la_ssize_t got = 0;

    if (!chunk)
        return -ENOMEM;
    if (!in)
        return -EBADMSG;
    while ((got = archive_read_data(in, chunk, CHUNK)) > 0) {
        if (ret->length + (size_t)got > UNPACK_SIZE_MAX)
            return -ERANGE;
        text_add_bytes(ret, chunk, (size_t)got);
    }
    if (got < 0)
        return -EBADMSG;
    return text_status(ret);
}
