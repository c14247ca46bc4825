#include "image/contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "base/text.h"
#include "image/cpio_reader.h"
#include "image/erofs.h"
#include "image/unpack.h"

enum { GROWTH = 1024 };

void contents_done(struct contents *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->files[i].path);
        free(c->files[i].link);
    }
    free(c->files);
    *c = (struct contents)CONTENTS_INIT;
}

void contents_sha1(struct span first, struct span second, uint8_t ret[static CONTENTS_SHA1_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned size = 0;

    CHECK(context && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
          EVP_DigestUpdate(context, first.bytes, first.size) == 1 &&
          EVP_DigestUpdate(context, second.bytes, second.size) == 1 &&
          EVP_DigestFinal_ex(context, ret, &size) == 1 && size == CONTENTS_SHA1_SIZE);
    EVP_MD_CTX_free(context);
}

/* Room for one more; NULL without memory. */
static struct contents_file *add(struct contents *c, const char *path, uint32_t mode)
{
    struct contents_file *file;

    if (c->count == c->capacity) {
        struct contents_file *more =
            reallocarray(c->files, c->capacity + GROWTH, sizeof(*c->files));

        if (!more)
            return NULL;
        c->files = more;
        c->capacity += GROWTH;
    }
    file = &c->files[c->count];
    *file = (struct contents_file){ .path = strdup(path), .mode = mode };
    if (!file->path)
        return NULL;
    c->count++;
    return file;
}

static int add_entry(const struct erofs_entry *entry, void *context)
{
    struct contents *c = context;
    struct contents_file *file;

    if (!S_ISREG(entry->mode) && !S_ISLNK(entry->mode))
        return 0;
    file = add(c, entry->path, entry->mode);
    if (!file)
        return -ENOMEM;
    file->user = entry->user;
    file->group = entry->group;
    if (S_ISREG(entry->mode)) {
        file->size = erofs_size(entry);
        if (c->hash) {
            file->digest = erofs_digest(entry);
            contents_sha1(entry->parts[0], entry->parts[1], file->sha1);
        }
        return 0;
    }
    file->link =
        text_make("%.*s%.*s", (int)entry->parts[0].size, (const char *)entry->parts[0].bytes,
                  (int)entry->parts[1].size, (const char *)entry->parts[1].bytes);
    return file->link ? 0 : -ENOMEM;
}

static int add_member(const struct cpio_member *member, void *context)
{
    struct contents *c = context;
    struct contents_file *file;

    if (!S_ISREG(member->mode) && !S_ISLNK(member->mode))
        return 0;
    file = add(c, member->path, member->mode);
    if (!file)
        return -ENOMEM;
    if (S_ISREG(member->mode)) {
        file->size = member->content.size;
        if (c->hash) {
            file->digest = digest_bytes(member->content.bytes, member->content.size);
            contents_sha1(member->content, (struct span){ member->content.bytes, 0 }, file->sha1);
        }
        return 0;
    }
    file->link = strndup((const char *)member->content.bytes, member->content.size);
    return file->link ? 0 : -ENOMEM;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct contents_file *)a)->path, ((const struct contents_file *)b)->path);
}

/* Whatever was read so far is released. */
static int end(struct contents *c, int r, const char *what, struct failure *f)
{
    if (r == 0 && c->count > 0)
        qsort(c->files, c->count, sizeof(*c->files), by_path);
    if (r == 0)
        return 0;
    contents_done(c);
    if (r == -ENOMEM)
        return failure_set(f, CODE_INTERNAL, r, "out of memory");
    return failure_set(f, CODE_ARTIFACT_BAD, r, "%s is damaged, or of a form that is not known",
                       what);
}

int contents_of_system(struct span image, bool hash, struct contents *ret, struct failure *f)
{
    *ret = (struct contents){ .hash = hash };
    return end(ret, erofs_walk(image, add_entry, ret), "the system image", f);
}

int contents_of_initrd(struct span initrd, bool hash, struct contents *ret, struct failure *f)
{
    _cleanup_text_ struct text archives = TEXT_INIT;
    int r = unpack_zstd(initrd, &archives);

    *ret = (struct contents){ .hash = hash };
    if (r == 0)
        r = cpio_walk((struct span){ (const uint8_t *)text_string(&archives), archives.length },
                      add_member, ret);
    return end(ret, r, "the initrd", f);
}

const struct contents_file *contents_find(const struct contents *c, const char *path)
{
    const struct contents_file wanted = { .path = (char *)(uintptr_t)path };

    return c->count > 0 ? bsearch(&wanted, c->files, c->count, sizeof(*c->files), by_path) : NULL;
}

uint64_t contents_size(const struct contents *c)
{
    uint64_t size = 0;

    for (size_t i = 0; i < c->count; i++)
        size += c->files[i].size;
    return size;
}

/* Two parts of a path, three below those folders that hold everything. The file's own name never
 * counts. */
static size_t folder_length(const char *path)
{
    static const char *const deep[] = { "usr/lib/", "usr/share/" };
    size_t parts = 2, length = 0;

    for (size_t i = 0; i < ARRAY_SIZE(deep); i++) {
        if (strncmp(path, deep[i], strlen(deep[i])) == 0)
            parts = 3;
    }
    for (size_t i = 0; i < parts; i++) {
        const char *slash = strchr(path + length + (i > 0), '/');

        if (!slash)
            break;
        length = (size_t)(slash - path);
    }
    return length;
}

static int by_size(const void *a, const void *b)
{
    const struct contents_room *first = a, *second = b;

    if (first->size != second->size)
        return first->size < second->size ? 1 : -1;
    return strcmp(first->folder, second->folder);
}

static int by_folder(const void *a, const void *b)
{
    return strcmp(((const struct contents_room *)a)->folder,
                  ((const struct contents_room *)b)->folder);
}

void contents_rooms_done(struct contents_room *rooms, size_t count)
{
    for (size_t i = 0; rooms && i < count; i++)
        free(rooms[i].folder);
    free(rooms);
}

int contents_rooms(const struct contents *c, struct contents_room **ret_rooms, size_t *ret_count,
                   struct failure *f)
{
    struct contents_room *rooms = calloc(c->count + 1, sizeof(*rooms));
    size_t count = 0, kept = 0;

    for (; rooms && count < c->count; count++) {
        const struct contents_file *file = &c->files[count];

        rooms[count].folder = strndup(file->path, folder_length(file->path));
        if (!rooms[count].folder)
            break;
        rooms[count].size = file->size;
        rooms[count].count = 1;
    }
    if (!rooms || count < c->count) {
        contents_rooms_done(rooms, count);
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    qsort(rooms, count, sizeof(*rooms), by_folder);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(rooms[kept - 1].folder, rooms[i].folder) == 0) {
            rooms[kept - 1].size += rooms[i].size;
            rooms[kept - 1].count++;
            free(rooms[i].folder);
        } else {
            rooms[kept++] = rooms[i];
        }
    }
    qsort(rooms, kept, sizeof(*rooms), by_size);
    *ret_rooms = rooms;
    *ret_count = kept;
    return 0;
}
