#include "image/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/cleanup_list.h"
#include "sys/file.h"

enum {
    ENTRIES_MAX = 100000,
    BLOCK_SIZE = 1 << 20,
    WATCHED_MAX = 1024,
};

struct layer_entry {
    char *path;   /* in the image, without leading slash */
    char *source; /* host path, or NULL with bytes */
    uint8_t *bytes;
    size_t size;
    mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK */
    bool executable;
    bool is_template;
    bool dropped;
};

struct watched {
    const char *path;
    bool *found;
};

struct compose {
    uint64_t date;
    struct watched watched[WATCHED_MAX];
    size_t watched_count;
    struct layer_entry *entries;
    size_t count;
    compose_rewrite rewrite;
    void *rewrite_context;
    compose_owner owner;
    const void *owner_context;
    uint8_t *block;
};

static void entry_done(struct layer_entry *entry)
{
    free(entry->path);
    free(entry->source);
    free(entry->bytes);
}

struct compose *compose_make(uint64_t date)
{
    struct compose *compose = calloc(1, sizeof(*compose));

    if (!compose)
        return NULL;
    compose->date = date;
    compose->block = malloc(BLOCK_SIZE);
    if (!compose->block) {
        free(compose);
        return NULL;
    }
    return compose;
}

void compose_free(struct compose *compose)
{
    if (!compose)
        return;
    for (size_t i = 0; i < compose->count; i++)
        entry_done(&compose->entries[i]);
    free(compose->entries);
    free(compose->block);
    free(compose);
}

void compose_set_rewrite(struct compose *compose, compose_rewrite rewrite, void *context)
{
    compose->rewrite = rewrite;
    compose->rewrite_context = context;
}

int compose_watch(struct compose *compose, const char *path, bool *ret_found, struct failure *f)
{
    if (compose->watched_count == WATCHED_MAX)
        return failure_set(f, CODE_INTERNAL, -ERANGE, "more than %d programs are looked for",
                           WATCHED_MAX);
    compose->watched[compose->watched_count++] = (struct watched){ path, ret_found };
    return 0;
}

/* Something is written at this path. */
static void tell_watchers(const struct compose *compose, const char *path, bool is_program)
{
    for (size_t i = 0; is_program && i < compose->watched_count; i++) {
        if (strcmp(compose->watched[i].path, path) == 0)
            *compose->watched[i].found = true;
    }
}

void compose_set_owner(struct compose *compose, compose_owner owner, const void *context)
{
    compose->owner = owner;
    compose->owner_context = context;
}

/* Takes over the entry's strings, also on failure. */
static int add_entry(struct compose *compose, struct layer_entry entry, struct failure *f)
{
    struct layer_entry *grown = NULL;

    if (entry.path && compose->count < ENTRIES_MAX)
        grown = reallocarray(compose->entries, compose->count + 1, sizeof(*grown));
    if (!grown) {
        entry_done(&entry);
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "too many files in the layers");
    }
    compose->entries = grown;
    compose->entries[compose->count++] = entry;
    return 0;
}

int compose_add_file(struct compose *compose, const char *target, const void *bytes, size_t size,
                     struct failure *f)
{
    struct layer_entry entry = {
        .path = strdup(target), .type = S_IFREG, .size = size, .bytes = malloc(size + 1)
    };

    if (entry.bytes && size > 0)
        memcpy(entry.bytes, bytes, size);
    if (!entry.bytes) {
        free(take_ptr(entry.path)); /* makes add_entry() refuse it */
    }
    return add_entry(compose, entry, f);
}

/* Where a walk stands: the compose and the image path of the folder that is being read. */
struct walk {
    struct compose *compose;
    const char *target;
};

static int add_child(const char *folder, const char *name, void *context, struct failure *f);

static int add_path(struct compose *compose, const char *source, char *path, struct failure *f)
{
    struct layer_entry entry = { .path = path, .source = strdup(source) };
    struct stat status;
    size_t length;

    if (!path || !entry.source || lstat(source, &status) < 0) {
        int error = path && entry.source ? errno : ENOMEM;

        entry_done(&entry);
        return file_failure(f, error, "read", source);
    }
    entry.type = status.st_mode & S_IFMT;
    entry.executable = (status.st_mode & 0100) != 0;
    length = strlen(path);
    if (entry.type == S_IFREG && length > 3 && path[length - 4] != '/' &&
        strcmp(path + length - 3, ".in") == 0) {
        entry.is_template = true;
        path[length - 3] = '\0';
    }
    if (entry.type != S_IFREG && entry.type != S_IFDIR && entry.type != S_IFLNK) {
        entry_done(&entry);
        return failure_set(f, CODE_SCHEMA, -EINVAL, "'%s' is neither file, folder nor link",
                           source);
    }
    return add_entry(compose, entry, f);
}

int compose_add_folder(struct compose *compose, const char *source, const char *target,
                       struct failure *f)
{
    struct walk walk = { .compose = compose, .target = target };

    return file_list(source, add_child, &walk, f);
}

static int add_child(const char *folder, const char *name, void *context, struct failure *f)
{
    const struct walk *walk = context;
    _cleanup_free_ char *source = text_make("%s/%s", folder, name), *target = NULL;
    char *path = text_make("%s%s%s", walk->target, walk->target[0] ? "/" : "", name);
    int r;

    if (!source || !path || !(target = strdup(path))) {
        free(path);
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    r = add_path(walk->compose, source, path, f);
    if (r == 0 && walk->compose->entries[walk->compose->count - 1].type == S_IFDIR)
        r = compose_add_folder(walk->compose, source, target, f);
    return r;
}

/* By path; of equal paths the one added later first. */
struct indexed {
    struct layer_entry entry;
    size_t index;
};

static int by_path(const void *a, const void *b)
{
    const struct indexed *first = a, *second = b;
    int order = strcmp(first->entry.path, second->entry.path);

    if (order != 0)
        return order;
    return (first->index < second->index) - (first->index > second->index);
}

/* Sorts and keeps one entry per path: the last one added. */
static int settle(struct compose *compose, struct failure *f)
{
    _cleanup_free_ struct indexed *sorted = calloc(compose->count + 1, sizeof(*sorted));
    size_t kept = 0;

    if (!sorted)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    for (size_t i = 0; i < compose->count; i++)
        sorted[i] = (struct indexed){ compose->entries[i], i };
    qsort(sorted, compose->count, sizeof(*sorted), by_path);
    for (size_t i = 0; i < compose->count; i++) {
        bool again = kept > 0 && strcmp(compose->entries[kept - 1].path, sorted[i].entry.path) == 0;

        if (sorted[i].entry.dropped || again)
            entry_done(&sorted[i].entry);
        else
            compose->entries[kept++] = sorted[i].entry;
    }
    compose->count = kept;
    return 0;
}

static int compare_name(const void *key, const void *entry)
{
    return strcmp(key, ((const struct layer_entry *)entry)->path);
}

static struct layer_entry *find(const struct compose *compose, const char *path)
{
    if (compose->count == 0)
        return NULL;
    return bsearch(path, compose->entries, compose->count, sizeof(*compose->entries), compare_name);
}

static void free_reader(struct archive **a)
{
    if (*a)
        (void)archive_read_free(*a); /* read only */
}

static void free_writer(struct archive **a)
{
    if (*a)
        (void)archive_write_free(*a); /* the good path closes it and looks */
}

static void free_entry(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

static int archive_failure(struct failure *f, struct archive *a, const char *path)
{
    const char *text = archive_error_string(a);

    return failure_set(f, CODE_IO, -(archive_errno(a) > 0 ? archive_errno(a) : EIO), "'%s': %s",
                       path, text ? text : "unknown error of libarchive");
}

static int write_data(struct archive *out, const void *bytes, size_t size, const char *path,
                      struct failure *f)
{
    if (size > 0 && archive_write_data(out, bytes, size) != (la_ssize_t)size)
        return archive_failure(f, out, path);
    return 0;
}

static void set_times(struct archive_entry *entry, uint64_t date)
{
    archive_entry_set_mtime(entry, (time_t)date, 0);
    archive_entry_unset_atime(entry);
    archive_entry_unset_ctime(entry);
    archive_entry_unset_birthtime(entry);
    archive_entry_set_uname(entry, NULL);
    archive_entry_set_gname(entry, NULL);
}

static int write_bytes(struct archive *out, struct archive_entry *entry, const void *bytes,
                       size_t size, const char *path, struct failure *f)
{
    archive_entry_set_size(entry, (la_int64_t)size);
    if (archive_write_header(out, entry) != ARCHIVE_OK)
        return archive_failure(f, out, path);
    return write_data(out, bytes, size, path, f);
}

/* --- Entries of the packages' root --- */

static int copy_data(struct compose *compose, struct archive *in, struct archive *out,
                     const char *path, struct failure *f)
{
    for (;;) {
        la_ssize_t got = archive_read_data(in, compose->block, BLOCK_SIZE);
        int r;

        if (got < 0)
            return archive_failure(f, in, path);
        if (got == 0)
            return 0;
        r = write_data(out, compose->block, (size_t)got, path, f);
        if (r < 0)
            return r;
    }
}

static int rewrite(struct compose *compose, struct archive *out, struct archive_entry *entry,
                   const struct compose_file *file, struct failure *f)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    int r = compose->rewrite(file, compose->rewrite_context, &text, f);

    if (r == 0 && text_status(&text) < 0)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return r < 0 ? r : write_bytes(out, entry, text_string(&text), text.length, file->path, f);
}

static bool is_rewritten(const struct compose *compose, const char *path)
{
    static const char *const paths[] = { "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow" };

    for (size_t i = 0; compose->rewrite && i < ARRAY_SIZE(paths); i++) {
        if (strcmp(path, paths[i]) == 0)
            return true;
    }
    return false;
}

static int rewrite_root_file(struct compose *compose, struct archive *in, struct archive *out,
                             struct archive_entry *entry, const char *path, struct failure *f)
{
    la_ssize_t got;

    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_size(entry) > BLOCK_SIZE)
        return failure_set(f, CODE_STEP_FAILED, -ERANGE,
                           "'%s' is no file or has more than %d bytes", path, BLOCK_SIZE);
    got = archive_read_data(in, compose->block, BLOCK_SIZE);
    if (got < 0 || got != archive_entry_size(entry))
        return archive_failure(f, in, path);
    return rewrite(compose, out, entry,
                   &(const struct compose_file){ path, compose->block, (size_t)got }, f);
}

/* The path without "./" and trailing slash; the root itself is "". */
static void normal_path(const char *path, char ret[static PATH_MAX])
{
    size_t length;

    while (path[0] == '.' && path[1] == '/')
        path += 2;
    while (path[0] == '/')
        path++;
    if (strcmp(path, ".") == 0)
        path = "";
    length = strnlen(path, PATH_MAX - 1);
    memcpy(ret, path, length);
    while (length > 0 && ret[length - 1] == '/')
        length--;
    ret[length] = '\0';
}

/* A folder on the way to `path` that a layer replaced by a link or file hides what is below. */
static bool is_hidden(const struct compose *compose, const char *path)
{
    char parent[PATH_MAX];
    char *slash;

    normal_path(path, parent);
    while ((slash = strrchr(parent, '/'))) {
        const struct layer_entry *entry;

        *slash = '\0';
        entry = find(compose, parent);
        if (entry && entry->type != S_IFDIR)
            return true;
    }
    return false;
}

/* Whether the packages' entry at this path goes into the image; 1, 0, or a failure. */
static int is_wanted(const struct compose *compose, const char *path, bool is_folder, bool is_link,
                     struct failure *f)
{
    struct layer_entry *layer = find(compose, path);

    if (cleanup_match(path) || is_hidden(compose, path))
        return 0;
    if (!layer)
        return 1;
    if (layer->type == S_IFDIR && is_link)
        return failure_set(f, CODE_SCHEMA, -EEXIST,
                           "'%s' is a link in the packages' root; put the files where it leads",
                           path);
    if (layer->type != S_IFDIR || !is_folder)
        return 0;
    layer->dropped = true; /* the folder is written here, with the packages' owner and mode */
    return 1;
}

/* A second name of a file is only as good as the first. */
static int check_hard_link(const struct compose *compose, const char *path, const char *first,
                           struct failure *f)
{
    char target[PATH_MAX];

    normal_path(first, target);
    if (cleanup_match(target) || is_hidden(compose, target) || find(compose, target))
        return failure_set(f, CODE_STEP_FAILED, -ENOENT,
                           "'%s' is another name of '%s', which is left out or replaced", path,
                           target);
    return 0;
}

static void set_owner(const struct compose *compose, struct archive_entry *entry)
{
    if (!compose->owner)
        return;
    archive_entry_set_uid(
        entry, compose->owner((uint32_t)archive_entry_uid(entry), false, compose->owner_context));
    archive_entry_set_gid(
        entry, compose->owner((uint32_t)archive_entry_gid(entry), true, compose->owner_context));
}

static int copy_root_entry(struct compose *compose, struct archive *in, struct archive *out,
                           struct archive_entry *entry, struct failure *f)
{
    const char *name = archive_entry_pathname(entry), *first = archive_entry_hardlink(entry);
    char path[PATH_MAX];
    int r;

    if (!name || strlen(name) >= PATH_MAX)
        return failure_set(f, CODE_STEP_FAILED, -EILSEQ, "a name in the packages' root is no text");
    normal_path(name, path);
    r = is_wanted(compose, path, archive_entry_filetype(entry) == AE_IFDIR,
                  archive_entry_filetype(entry) == AE_IFLNK, f);
    if (r > 0 && first)
        r = check_hard_link(compose, path, first, f) < 0 ? f->cause : 1;
    if (r <= 0)
        return r;
    set_times(entry, compose->date);
    set_owner(compose, entry);
    if (is_rewritten(compose, path))
        return rewrite_root_file(compose, in, out, entry, path, f);
    tell_watchers(
        compose, path,
        archive_entry_filetype(entry) == AE_IFLNK ||
            (archive_entry_filetype(entry) == AE_IFREG && (archive_entry_perm(entry) & 0111)));
    if (archive_write_header(out, entry) != ARCHIVE_OK)
        return archive_failure(f, out, path);
    return archive_entry_size(entry) > 0 ? copy_data(compose, in, out, path, f) : 0;
}

static int open_root(const char *root_tar, struct archive **ret, struct failure *f)
{
    struct archive *in = archive_read_new();
    int r;

    if (in && archive_read_support_format_tar(in) == ARCHIVE_OK &&
        archive_read_open_filename(in, root_tar, BLOCK_SIZE) == ARCHIVE_OK) {
        *ret = in;
        return 0;
    }
    r = in ? archive_failure(f, in, root_tar) : failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");
    free_reader(&in);
    return r;
}

static int read_text(struct archive *in, struct archive_entry *entry, const char *path,
                     struct text *ret, struct failure *f)
{
    la_int64_t size = archive_entry_size(entry);
    _cleanup_free_ char *bytes = NULL;

    if (archive_entry_filetype(entry) != AE_IFREG || size < 0 || size > BLOCK_SIZE)
        return failure_set(f, CODE_STEP_FAILED, -ERANGE,
                           "'%s' is no file or has more than %d bytes", path, BLOCK_SIZE);
    bytes = malloc((size_t)size + 1);
    if (!bytes)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");
    if (archive_read_data(in, bytes, (size_t)size) != size)
        return archive_failure(f, in, path);
    text_add_bytes(ret, bytes, (size_t)size);
    return text_status(ret) < 0 ? failure_set(f, CODE_INTERNAL, -ENOMEM, "memory") : 0;
}

int compose_read_root(const char *root_tar, const char *path, struct text *ret, struct failure *f)
{
    _cleanup_(free_reader) struct archive *in = NULL;
    struct archive_entry *entry;
    int status, r = open_root(root_tar, &in, f);

    if (r < 0)
        return r;
    while ((status = archive_read_next_header(in, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        char normal[PATH_MAX];

        if (!name || strlen(name) >= PATH_MAX)
            continue;
        normal_path(name, normal);
        if (strcmp(normal, path) == 0)
            return read_text(in, entry, path, ret, f);
    }
    if (status != ARCHIVE_EOF)
        return archive_failure(f, in, root_tar);
    return failure_set(f, CODE_STEP_FAILED, -ENOENT, "'%s' has no '%s'", root_tar, path);
}

static int copy_root(struct compose *compose, const char *root_tar, struct archive *out,
                     struct failure *f)
{
    _cleanup_(free_reader) struct archive *in = NULL;
    struct archive_entry *entry;
    int status, r = open_root(root_tar, &in, f);

    if (r < 0)
        return r;
    while ((status = archive_read_next_header(in, &entry)) == ARCHIVE_OK) {
        r = copy_root_entry(compose, in, out, entry, f);
        if (r < 0)
            return r;
    }
    return status == ARCHIVE_EOF ? 0 : archive_failure(f, in, root_tar);
}

/* --- Entries of the layers --- */

static int write_layer_file(struct compose *compose, struct archive *out,
                            const struct layer_entry *layer, struct archive_entry *entry,
                            struct failure *f)
{
    _cleanup_free_ uint8_t *read = NULL;
    struct compose_file file = { layer->path, layer->bytes, layer->size };
    int r = 0;

    if (layer->source) {
        r = file_read(layer->source, SIZE_MAX / 2, &read, &file.size, f);
        file.bytes = read;
    }
    if (r < 0)
        return r;
    if (!layer->is_template && !is_rewritten(compose, layer->path))
        return write_bytes(out, entry, file.bytes, file.size, layer->path, f);
    CHECK(compose->rewrite);
    return rewrite(compose, out, entry, &file, f);
}

static int write_layer_entry(struct compose *compose, struct archive *out,
                             const struct layer_entry *layer, struct failure *f)
{
    _cleanup_(free_entry) struct archive_entry *entry = archive_entry_new();
    _cleanup_free_ char *path = text_make("./%s%s", layer->path, layer->type == S_IFDIR ? "/" : "");
    char link[PATH_MAX];
    ssize_t length;

    if (!entry || !path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, layer->type);
    set_times(entry, compose->date);
    tell_watchers(compose, layer->path,
                  layer->type == S_IFLNK || (layer->type == S_IFREG && layer->executable));
    if (layer->type == S_IFREG) {
        archive_entry_set_perm(entry, layer->executable ? 0755 : 0644);
        return write_layer_file(compose, out, layer, entry, f);
    }
    archive_entry_set_perm(entry, layer->type == S_IFDIR ? 0755 : 0777);
    if (layer->type == S_IFLNK) {
        length = readlink(layer->source, link, sizeof(link) - 1);
        if (length < 0)
            return file_failure(f, errno, "read", layer->source);
        link[length] = '\0';
        archive_entry_set_symlink(entry, link);
    }
    return write_bytes(out, entry, "", 0, layer->path, f);
}

static int write_layers(struct compose *compose, struct archive *out, struct failure *f)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < compose->count; i++) {
        const struct layer_entry *layer = &compose->entries[i];

        if (!layer->dropped && !is_hidden(compose, layer->path))
            r = write_layer_entry(compose, out, layer, f);
    }
    return r;
}

int compose_write(struct compose *compose, const char *root_tar, const char *tar, struct failure *f)
{
    _cleanup_(free_writer) struct archive *out = archive_write_new();
    int r = settle(compose, f);

    if (r < 0)
        return r;
    if (!out || archive_write_set_format_pax_restricted(out) != ARCHIVE_OK ||
        archive_write_open_filename(out, tar) != ARCHIVE_OK)
        return out ? archive_failure(f, out, tar)
                   : failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");
    r = copy_root(compose, root_tar, out, f);
    if (r == 0)
        r = write_layers(compose, out, f);
    if (r == 0 && archive_write_close(out) != ARCHIVE_OK)
        r = archive_failure(f, out, tar);
    return r;
}
