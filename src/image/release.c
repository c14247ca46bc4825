#include "image/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "image/cache.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "trust/latest.h"
#include "trust/minisign.h"
#include "update/archive.h"

enum { COPY_CHUNK = 1 << 20 };

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* --- The index --- */

static int read_latest(const char *path, struct latest *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r;

    ret->count = 0;
    if (!file_exists(path))
        return 0;
    r = file_read(path, LATEST_SIZE_MAX, &bytes, &size, f);
    if (r < 0 && r != -ERANGE)
        return r;
    /* It can be made again from what is entered; nothing is decided by it. */
    if (r < 0 || latest_parse(path, bytes, size, ret, f) < 0)
        ret->count = 0;
    return 0;
}

static bool is_there(const char *folder, const struct latest_line *line)
{
    char name[LATEST_FOLDER_SIZE];
    _cleanup_free_ char *path = NULL;

    latest_folder(line, name);
    path = text_make("%s/%s/generation.json", folder, name);
    return path && file_exists(path);
}

int release_enter(const char *folder, const struct manifest *manifest, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/" LATEST_NAME, folder);
    _cleanup_text_ struct text text = TEXT_INIT;
    struct latest_line line = { .profile = "" };
    const struct latest_line *former;
    struct latest latest;
    int r = path ? read_latest(path, &latest, f) : out_of_memory(f);

    if (r < 0)
        return r;
    if (strlen(manifest->profile) > LATEST_WORD_MAX || strlen(manifest->arch) > LATEST_WORD_MAX ||
        version_parse_name(manifest->version, &line.version) < 0)
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "'%s' has no name that an index can have",
                           manifest->name);
    memcpy(line.profile, manifest->profile, strlen(manifest->profile));
    memcpy(line.arch, manifest->arch, strlen(manifest->arch));
    former = latest_find(&latest, line.profile, line.arch);
    if (former && version_compare(&former->version, &line.version) > 0 && is_there(folder, former))
        return 0;
    if (latest_put(&latest, &line) < 0)
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "'%s' cannot be entered into '%s'",
                           manifest->name, path);
    latest_format(&latest, &text);
    return text_status(&text) < 0 ? out_of_memory(f)
                                  : file_write(path, text_string(&text), text.length, 0644, f);
}

/* --- Checking --- */

struct generation {
    const char *folder;
    struct manifest manifest;
    uint8_t *bytes[2]; /* of the manifest and of its signature, as they lie there */
    size_t sizes[2];
};

static int read_beside(const char *folder, const char *name, size_t limit, uint8_t **ret,
                       size_t *ret_size, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    return path ? file_read(path, limit, ret, ret_size, f) : out_of_memory(f);
}

static int read_generation(struct generation *g, struct failure *f)
{
    _cleanup_free_ uint8_t *public = NULL;
    char comment[MINISIGN_COMMENT_MAX];
    size_t size;
    int r = read_beside(g->folder, "release.pub", MINISIGN_FILE_MAX, &public, &size, f);

    for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(g->bytes); i++) {
        const enum archive_member member = (enum archive_member)i;

        r = read_beside(g->folder, archive_member_name(member),
                        (size_t)archive_member_limit(member), &g->bytes[i], &g->sizes[i], f);
    }
    if (r == 0)
        r = minisign_verify(g->bytes[0], g->sizes[0], (const char *)g->bytes[1],
                            (const char *)public, comment, f);
    if (r == 0)
        r = manifest_parse(g->folder, g->bytes[0], g->sizes[0], &g->manifest, f);
    return r;
}

static const struct manifest_file *find_file(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (strcmp(manifest->files[i].name, name) == 0)
            return &manifest->files[i];
    }
    return NULL;
}

/* --- The one file --- */

static int put(int fd, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t r = write(fd, bytes + done, size - done);

        if (r < 0 && errno != EINTR)
            return -errno;
        done += r > 0 ? (size_t)r : 0;
    }
    return 0;
}

static int put_header(int fd, enum archive_member member, uint64_t size, uint64_t date)
{
    uint8_t header[ARCHIVE_BLOCK];

    archive_header(member, size, date, header);
    return put(fd, header, sizeof(header));
}

static int put_zeros(int fd, size_t size)
{
    static const uint8_t zeros[ARCHIVE_END_SIZE];

    return put(fd, zeros, size);
}

/* Copies and sums the same bytes, so that what is packed is what was checked. */
static int copy_summed(int from, int to, const struct manifest_file *file, struct failure *f)
{
    _cleanup_free_ uint8_t *chunk = malloc(COPY_CHUNK);
    struct digest_stream *stream = digest_stream_start();
    struct digest digest;
    uint64_t done = 0;
    ssize_t got = 1;
    int r = chunk ? 0 : -ENOMEM;

    while (r == 0 && got > 0) {
        got = read(from, chunk, COPY_CHUNK);
        if (got < 0)
            r = -errno;
        if (got <= 0)
            break;
        digest_stream_add(stream, chunk, (size_t)got);
        done += (uint64_t)got;
        r = put(to, chunk, (size_t)got);
    }
    digest = digest_stream_end(stream);
    if (r < 0)
        return file_failure(f, -r, "copy", file->name);
    if (done != file->size || memcmp(&digest, &file->digest, sizeof(digest)) != 0)
        return failure_set(f, CODE_MANIFEST, -EBADMSG,
                           "'%s' is not the file that the manifest names", file->name);
    return 0;
}

static int pack_file(int fd, const struct generation *g, enum archive_member member,
                     struct failure *f)
{
    const char *name = archive_member_name(member);
    const struct manifest_file *file = find_file(&g->manifest, name);
    _cleanup_free_ char *path = text_make("%s/%s", g->folder, name);
    _cleanup_close_ int from = -1;
    int r;

    if (!path)
        return out_of_memory(f);
    if (!file || file->size > archive_member_limit(member))
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "'%s' has no '%s', or too large a one",
                           g->manifest.name, name);
    from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return file_failure(f, errno, "read", path);
    r = put_header(fd, member, file->size, g->manifest.date);
    if (r < 0)
        return file_failure(f, -r, "pack", path);
    r = copy_summed(from, fd, file, f);
    if (r < 0)
        return r;
    r = put_zeros(fd, archive_padding(file->size));
    return r < 0 ? file_failure(f, -r, "pack", path) : 0;
}

static uint64_t size_of(const struct generation *g, enum archive_member member)
{
    const struct manifest_file *file = find_file(&g->manifest, archive_member_name(member));

    CHECK(file);
    return file->size;
}

/* What a machine expects, which reckons with the sizes of the manifest. */
static uint64_t expected_size(const struct generation *g)
{
    const uint64_t sizes[] = { g->sizes[0], g->sizes[1], size_of(g, ARCHIVE_UKI),
                               size_of(g, ARCHIVE_SYSTEM) };

    _Static_assert(ARRAY_SIZE(sizes) == ARCHIVE_MEMBER_MAX_, "the size of each member");
    return archive_size(sizes);
}

static int pack(int fd, const struct generation *g, const char *path, struct failure *f)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(g->bytes); i++) {
        r = put_header(fd, (enum archive_member)i, g->sizes[i], g->manifest.date);
        if (r == 0)
            r = put(fd, g->bytes[i], g->sizes[i]);
        if (r == 0)
            r = put_zeros(fd, archive_padding(g->sizes[i]));
    }
    if (r < 0)
        return file_failure(f, -r, "write", path);
    r = pack_file(fd, g, ARCHIVE_UKI, f);
    if (r == 0)
        r = pack_file(fd, g, ARCHIVE_SYSTEM, f);
    if (r == 0 && put_zeros(fd, ARCHIVE_END_SIZE) < 0)
        r = file_failure(f, errno, "write", path);
    CHECK(r < 0 || lseek(fd, 0, SEEK_CUR) == (off_t)expected_size(g));
    return r;
}

static int write_archive(const struct generation *g, const char *path, struct failure *f)
{
    _cleanup_free_ char *temporary = text_make("%s.new", path);
    int fd, r;

    if (!temporary)
        return out_of_memory(f);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return file_failure(f, errno, "write", temporary);
    r = pack(fd, g, temporary, f);
    if (close(fd) < 0 && r == 0)
        r = file_failure(f, errno, "write", temporary);
    if (r == 0 && rename(temporary, path) < 0)
        r = file_failure(f, errno, "write", path);
    if (r < 0)
        (void)unlink(temporary); /* the failure before it is the one to report */
    return r;
}

/* --- The folder --- */

static bool same_folder(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static int place(const char *from, const char *to, struct failure *f)
{
    if (unlink(to) < 0 && errno != ENOENT)
        return file_failure(f, errno, "replace", to);
    if (link(from, to) == 0)
        return 0;
    return errno == EXDEV || errno == EPERM || errno == EMLINK ? file_copy(from, to, 0644, f)
                                                               : file_failure(f, errno, "link", to);
}

/* The manifest last: a folder without one is no generation. */
static int place_folder(const struct generation *g, const char *target, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/broch-%s", target, g->manifest.name);
    int r = folder ? file_make_folders(folder, f) : out_of_memory(f);

    if (r < 0 || same_folder(folder, g->folder))
        return r;
    for (unsigned i = ARCHIVE_MEMBER_MAX_; r == 0 && i-- > 0;) {
        const char *name = archive_member_name((enum archive_member)i);
        _cleanup_free_ char *from = text_make("%s/%s", g->folder, name);
        _cleanup_free_ char *to = text_make("%s/%s", folder, name);

        r = from && to ? place(from, to, f) : out_of_memory(f);
    }
    return r;
}

static int make(const struct generation *g, const char *target, char **ret_file, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/broch-%s.broch", target, g->manifest.name);
    _cleanup_free_ char *guard = NULL;
    _cleanup_close_ int guard_fd = -1;
    int r = path ? file_make_folders(target, f) : out_of_memory(f);

    if (r == 0)
        r = cache_path(&guard, f, "publish.guard");
    if (r == 0)
        r = lockfile_take(guard, true, &guard_fd, f);
    if (r == 0)
        r = write_archive(g, path, f);
    if (r == 0)
        r = place_folder(g, target, f);
    if (r == 0)
        r = release_enter(target, &g->manifest, f);
    if (r == 0)
        *ret_file = take_ptr(path);
    return r;
}

int release_make(const char *generation, const char *target, char **ret_file, struct failure *f)
{
    struct generation *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return out_of_memory(f);
    g->folder = generation;
    r = read_generation(g, f);
    if (r == 0)
        r = make(g, target, ret_file, f);
    free(g->bytes[0]);
    free(g->bytes[1]);
    free(g);
    return r;
}
