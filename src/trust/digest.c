#include "trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "sys/file.h"

enum { READ_CHUNK = 1 << 20 };

static void free_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static EVP_MD_CTX *start(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    CHECK(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    return context;
}

static struct digest finish(EVP_MD_CTX *context)
{
    struct digest digest;
    unsigned size = 0;

    CHECK(EVP_DigestFinal_ex(context, digest.bytes, &size) == 1 && size == DIGEST_SIZE);
    return digest;
}

struct digest_stream {
    EVP_MD_CTX *context;
};

struct digest_stream *digest_stream_start(void)
{
    struct digest_stream *stream = malloc(sizeof(*stream));

    CHECK(stream);
    stream->context = start();
    return stream;
}

void digest_stream_add(struct digest_stream *stream, const void *bytes, size_t size)
{
    CHECK(EVP_DigestUpdate(stream->context, bytes, size) == 1);
}

struct digest digest_stream_end(struct digest_stream *stream)
{
    struct digest digest = finish(stream->context);

    free_context(&stream->context);
    free(stream);
    return digest;
}

struct digest digest_two(const void *first, size_t first_size, const void *second,
                         size_t second_size)
{
    _cleanup_(free_context) EVP_MD_CTX *context = start();

    CHECK(EVP_DigestUpdate(context, first, first_size) == 1);
    CHECK(EVP_DigestUpdate(context, second, second_size) == 1);
    return finish(context);
}

struct digest digest_bytes(const void *bytes, size_t size)
{
    return digest_two(bytes, size, "", 0);
}

/* Hashes what lies between `from` and `to` of a hole, without asking the kernel for its zeros. */
static void add_zeros(EVP_MD_CTX *context, off_t from, off_t to)
{
    static const uint8_t zeros[READ_CHUNK];

    while (from < to) {
        size_t size = to - from > READ_CHUNK ? READ_CHUNK : (size_t)(to - from);

        CHECK(EVP_DigestUpdate(context, zeros, size) == 1);
        from += (off_t)size;
    }
}

static int add_data(EVP_MD_CTX *context, int fd, uint8_t *chunk, off_t from, off_t to)
{
    while (from < to) {
        size_t size = to - from > READ_CHUNK ? READ_CHUNK : (size_t)(to - from);
        ssize_t got = pread(fd, chunk, size, from);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO; /* it became shorter meanwhile */
        CHECK(EVP_DigestUpdate(context, chunk, (size_t)got) == 1);
        from += got;
    }
    return 0;
}

/* A disk image is mostly holes: reading them costs more than hashing them. */
static int add_file(EVP_MD_CTX *context, int fd, uint8_t *chunk, off_t end)
{
    off_t at = 0;

    while (at < end) {
        off_t data = lseek(fd, at, SEEK_DATA), hole;
        int r;

        if (data < 0 && errno != ENXIO)
            return -errno;
        if (data < 0 || data > end)
            data = end; /* only a hole is left */
        add_zeros(context, at, data);
        if (data == end)
            return 0;
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        r = add_data(context, fd, chunk, data, hole < end ? hole : end);
        if (r < 0)
            return r;
        at = hole;
    }
    return 0;
}

int digest_file(const char *path, struct digest *ret, struct failure *f)
{
    _cleanup_(free_context) EVP_MD_CTX *context = start();
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ uint8_t *chunk = malloc(READ_CHUNK);
    struct stat status;
    int r;

    if (fd < 0 || fstat(fd, &status) < 0 || !chunk)
        return file_failure(f, chunk ? errno : ENOMEM, "read", path);
    r = add_file(context, fd, chunk, status.st_size);
    if (r < 0)
        return file_failure(f, -r, "read", path);
    *ret = finish(context);
    return 0;
}

const char *digest_text(const struct digest *digest, char ret_text[static DIGEST_TEXT_SIZE])
{
    hex_encode(digest->bytes, DIGEST_SIZE, ret_text);
    return ret_text;
}

int digest_parse(const char *text, size_t length, struct digest *ret)
{
    char again[DIGEST_TEXT_SIZE];
    struct digest digest;

    /* One digest has one spelling: what is compared or signed as text must not have two. */
    if (hex_decode(text, length, digest.bytes, DIGEST_SIZE) < 0 ||
        memcmp(digest_text(&digest, again), text, length) != 0)
        return -EBADMSG;
    *ret = digest;
    return 0;
}

/* One line per entry goes into the list that is hashed at the end. */
struct tree_walk {
    struct text list;
    size_t prefix; /* length of the top folder's path, left out of names */
};

static int add_entry(const char *folder, const char *name, void *context, struct failure *f);

/* With its length, so that a name with a line break in it cannot pass for two entries. */
static void add_name(struct tree_walk *walk, const char *kind, const char *path)
{
    text_addf(&walk->list, "%s %zu:%s", kind, strlen(path) - walk->prefix, path + walk->prefix);
}

static int add_path(const char *path, struct tree_walk *walk, struct failure *f)
{
    char link[PATH_MAX], digits[DIGEST_TEXT_SIZE];
    struct digest digest;
    struct stat status;
    ssize_t length;
    int r;

    if (lstat(path, &status) < 0)
        return file_failure(f, errno, "read", path);
    if (S_ISDIR(status.st_mode)) {
        add_name(walk, "d", path);
        text_add(&walk->list, "\n");
        return file_list(path, add_entry, walk, f);
    }
    if (S_ISLNK(status.st_mode)) {
        length = readlink(path, link, sizeof(link) - 1);
        if (length < 0)
            return file_failure(f, errno, "read", path);
        link[length] = '\0';
        add_name(walk, "l", path);
        text_addf(&walk->list, " %zd:%s\n", length, link);
        return 0;
    }
    if (!S_ISREG(status.st_mode))
        return failure_set(f, CODE_SCHEMA, -EINVAL, "'%s' is neither file, folder nor link", path);
    r = digest_file(path, &digest, f);
    if (r < 0)
        return r;
    add_name(walk, status.st_mode & 0100 ? "x" : "f", path);
    text_addf(&walk->list, " %s\n", digest_text(&digest, digits));
    return 0;
}

static int add_entry(const char *folder, const char *name, void *context, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    return path ? add_path(path, context, f) : file_failure(f, ENOMEM, "read", folder);
}

int digest_tree(const char *path, struct digest *ret, struct failure *f)
{
    struct tree_walk walk = { .list = TEXT_INIT, .prefix = strlen(path) };
    struct stat status;
    int r;

    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        return digest_file(path, ret, f);
    r = add_path(path, &walk, f);
    if (r == 0 && text_status(&walk.list) < 0)
        r = file_failure(f, ENOMEM, "read", path);
    if (r == 0)
        *ret = digest_bytes(walk.list.data, walk.list.length);
    text_done(&walk.list);
    return r;
}
