#include "update/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum {
    TRIES_MAX = 5, /* in a row that bring nothing worth a connection */
    WAIT_DOUBLINGS_MAX = 4,
    TRY_BYTES_MIN = 65536,
};

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void stage_done(struct stage *stage)
{
    free(stage->folder);
    stage->folder = NULL;
}

/* Room for the new one comes first: what is left of another release is of no use any more. */
static int remove_other(const char *root, const char *name, void *context, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", root, name);
    struct stat status;

    if (!path)
        return out_of_memory(f);
    if (strcmp(name, context) == 0 || lstat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return 0;
    return file_remove_tree(path, f);
}

int stage_open(const char *root, const char *generation, struct stage *ret, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/%s", root, generation);
    _cleanup_free_ char *name = strdup(generation);
    int r = folder && name ? file_make_folders(folder, f) : out_of_memory(f);

    CHECK(!strchr(generation, '/') && generation[0] != '.' && generation[0] != '\0');
    if (r == 0)
        r = file_list(root, remove_other, name, f);
    if (r == 0)
        ret->folder = take_ptr(folder);
    return r;
}

char *stage_path(const struct stage *stage, enum archive_member member)
{
    return text_make("%s/%s", stage->folder, archive_member_name(member));
}

static char *partial_path(const struct stage *stage, enum archive_member member)
{
    return text_make("%s/%s.partial", stage->folder, archive_member_name(member));
}

static uint64_t size_of(const char *path)
{
    struct stat status;

    return path && stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

uint64_t stage_have(const struct stage *stage, enum archive_member member)
{
    _cleanup_free_ char *path = stage_path(stage, member), *partial = partial_path(stage, member);
    uint64_t whole = size_of(path);

    return whole > 0 ? whole : size_of(partial);
}

struct fetching {
    const struct stage *stage;
    const struct source *source;
    enum archive_member member;
    const struct manifest_file *file;
    struct progress *progress;
    char *partial;
    int fd;
    uint64_t have;
};

static int keep(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    struct fetching *fetching = context;

    while (size > 0) {
        ssize_t r = write(fetching->fd, bytes, size);

        if (r < 0 && errno != EINTR)
            return file_failure(f, errno, "write", fetching->partial);
        if (r > 0) {
            bytes += r;
            size -= (size_t)r;
            fetching->have += (uint64_t)r;
        }
    }
    progress_bytes(fetching->progress, fetching->have, fetching->file->size);
    return 0;
}

static int open_partial(struct fetching *fetching, struct failure *f)
{
    struct stat status;

    fetching->fd =
        open(fetching->partial, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fetching->fd < 0 || fstat(fetching->fd, &status) < 0)
        return file_failure(f, errno, "write", fetching->partial);
    fetching->have = (uint64_t)status.st_size;
    return 0;
}

static int start_anew(struct fetching *fetching, struct failure *f)
{
    fetching->have = 0;
    return ftruncate(fetching->fd, 0) < 0 ? file_failure(f, errno, "write", fetching->partial) : 0;
}

/* Takes what is missing, with as many tries as bring something: a server that lets a few bytes go
 * with each connection would keep an update waiting for ever. */
static int complete(struct fetching *fetching, struct failure *f)
{
    unsigned tries = 0;
    int r = 0;

    if (fetching->have > fetching->file->size)
        r = start_anew(fetching, f);
    while (r == 0 && fetching->have < fetching->file->size) {
        const uint64_t missing = fetching->file->size - fetching->have;
        const struct source_part part = { fetching->member, fetching->have, missing };
        struct range_result result;

        r = source_read(fetching->source, &part, keep, fetching, &result, f);
        tries = result.done >= TRY_BYTES_MIN ? 0 : tries + 1;
        if (r == -EAGAIN && tries < TRIES_MAX) {
            unsigned doublings = tries < WAIT_DOUBLINGS_MAX ? tries : WAIT_DOUBLINGS_MAX;

            (void)poll(NULL, 0, (int)(fetching->stage->wait_ms << doublings)); /* a pause */
            r = 0;
        } else if (r == -ERANGE || (r == 0 && result.done < missing)) {
            r = failure_set(f, CODE_UPDATE_HASH, -ENODATA,
                            "'%s' ends after %llu bytes, its manifest says %llu",
                            fetching->file->name, (unsigned long long)fetching->have,
                            (unsigned long long)fetching->file->size);
        }
    }
    return r;
}

/* Gives the file its name if it is the one that is wanted. -EBADMSG when it is not. */
static int accept_file(struct fetching *fetching, struct failure *f)
{
    _cleanup_free_ char *path = stage_path(fetching->stage, fetching->member);
    char wanted[DIGEST_TEXT_SIZE], found[DIGEST_TEXT_SIZE];
    struct digest digest;
    int r;

    if (!path)
        return out_of_memory(f);
    if (fsync(fetching->fd) < 0)
        return file_failure(f, errno, "write", fetching->partial);
    r = digest_file(fetching->partial, &digest, f);
    if (r < 0)
        return r;
    if (memcmp(&digest, &fetching->file->digest, sizeof(digest)) != 0)
        return failure_set(f, CODE_UPDATE_HASH, -EBADMSG, "%s: expected sha256 %s, found %s",
                           fetching->file->name, digest_text(&fetching->file->digest, wanted),
                           digest_text(&digest, found));
    return rename(fetching->partial, path) < 0 ? file_failure(f, errno, "rename", path) : 0;
}

static int fetch_with(struct fetching *fetching, struct failure *f)
{
    int r = open_partial(fetching, f);

    if (r == 0)
        r = complete(fetching, f);
    if (r == 0)
        r = accept_file(fetching, f);
    if (r != -EBADMSG || f->code != CODE_UPDATE_HASH)
        return r;
    /* Somebody changed the release between two tries, or a power cut took bytes with it. */
    progress_note(fetching->progress, "%s has a wrong sum, fetching it anew", fetching->file->name);
    r = start_anew(fetching, f);
    if (r == 0)
        r = complete(fetching, f);
    if (r == 0)
        r = accept_file(fetching, f);
    if (r == -EBADMSG && f->code == CODE_UPDATE_HASH)
        (void)unlink(fetching->partial); /* of no use, and the failure is the one to report */
    return r;
}

static bool is_whole(const struct stage *stage, enum archive_member member,
                     const struct manifest_file *file)
{
    _cleanup_free_ char *path = stage_path(stage, member);
    struct failure ignored;
    struct digest digest;

    return path && size_of(path) == file->size && digest_file(path, &digest, &ignored) == 0 &&
           memcmp(&digest, &file->digest, sizeof(digest)) == 0;
}

int stage_fetch(const struct stage *stage, const struct source *source, enum archive_member member,
                const struct manifest_file *file, struct progress *progress, struct failure *f)
{
    struct fetching fetching = { .stage = stage,
                                 .source = source,
                                 .member = member,
                                 .file = file,
                                 .progress = progress,
                                 .partial = partial_path(stage, member),
                                 .fd = -1 };
    _cleanup_free_ char *path = stage_path(stage, member);
    int r = fetching.partial && path ? 0 : out_of_memory(f);

    if (r == 0 && !is_whole(stage, member, file)) {
        if (unlink(path) < 0 && errno != ENOENT)
            r = file_failure(f, errno, "replace", path);
        if (r == 0)
            r = fetch_with(&fetching, f);
    }
    if (fetching.fd >= 0)
        (void)close(fetching.fd); /* accepted files were synced */
    free(fetching.partial);
    return r;
}

int stage_remove(const struct stage *stage, struct failure *f)
{
    return file_remove_tree(stage->folder, f);
}
