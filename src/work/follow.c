#include "work/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum { PATH_SIZE = 256, BUFFER_SIZE = 8192 };

struct followed {
    char path[PATH_SIZE];
    int fd; /* -1 while there is no file */
    int watch;
    struct text partial; /* a line without its end */
};

struct follow {
    int inotify_fd;
    struct followed files[FOLLOW_FILES_MAX];
    size_t count;
};

int follow_new(struct follow **ret, struct failure *f)
{
    struct follow *follow = calloc(1, sizeof(*follow));

    if (!follow)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    follow->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (follow->inotify_fd < 0) {
        int error = errno;

        free(follow);
        return failure_set(f, CODE_INTERNAL, -error, "cannot use inotify");
    }
    *ret = follow;
    return 0;
}

struct follow *follow_free(struct follow *follow)
{
    if (!follow)
        return NULL;
    for (size_t i = 0; i < follow->count; i++) {
        cleanup_close_(&follow->files[i].fd);
        text_done(&follow->files[i].partial);
    }
    cleanup_close_(&follow->inotify_fd);
    free(follow);
    return NULL;
}

static int open_file(const char *path)
{
    return open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
}

int follow_add(struct follow *follow, const char *path, size_t *ret_file, struct failure *f)
{
    struct followed *file = &follow->files[follow->count];
    const char *slash = strrchr(path, '/');
    char folder[PATH_SIZE];

    CHECK(slash);
    if (follow->count == FOLLOW_FILES_MAX || strlen(path) >= PATH_SIZE)
        return failure_set(f, CODE_INTERNAL, -ERANGE, "cannot follow '%s' too", path);
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    *file = (struct followed){ .fd = -1 };
    file->watch = inotify_add_watch(follow->inotify_fd, folder,
                                    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM);
    if (file->watch < 0)
        return failure_set(f, CODE_IO, -errno, "cannot watch '%s'", folder);
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    file->fd = open_file(path);
    if (file->fd >= 0 && lseek(file->fd, 0, SEEK_END) < 0)
        return file_failure(f, errno, "read", path);
    *ret_file = follow->count++;
    return 0;
}

struct handing {
    size_t file;
    follow_line each;
    void *context;
};

static void hand_over(const struct handing *h, struct text *partial, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t length = newline ? (size_t)(newline - bytes) : size;

        text_add_bytes(partial, bytes, length);
        if (newline || partial->length >= FOLLOW_LINE_SIZE_MAX) {
            h->each(h->file, text_string(partial), partial->length, h->context);
            text_clear(partial);
        }
        length += newline != NULL;
        bytes += length;
        size -= length;
    }
}

static void read_rest(struct followed *file, const struct handing *h)
{
    char buffer[BUFFER_SIZE];
    ssize_t got;

    while (file->fd >= 0 && (got = read(file->fd, buffer, sizeof(buffer))) > 0)
        hand_over(h, &file->partial, buffer, (size_t)got);
}

/* Another file under the same name: the old one was read to its end, the new one is read whole. */
static void look_for_successor(struct followed *file, const struct handing *h)
{
    _cleanup_close_ int fd = open_file(file->path);
    struct stat old, new;

    if (fd < 0 || fstat(fd, &new) < 0)
        return;
    if (file->fd >= 0 && fstat(file->fd, &old) == 0 && old.st_ino == new.st_ino &&
        old.st_dev == new.st_dev)
        return;
    cleanup_close_(&file->fd);
    file->fd = take_fd(&fd);
    read_rest(file, h);
}

static void drain(int fd)
{
    char buffer[BUFFER_SIZE];

    while (read(fd, buffer, sizeof(buffer)) > 0)
        ; /* all files are looked at anyway */
}

int follow_step(struct follow *follow, int timeout_ms, follow_line each, void *context,
                struct failure *f)
{
    struct pollfd poll_fd = { .fd = follow->inotify_fd, .events = POLLIN };
    int r = poll(&poll_fd, 1, timeout_ms);

    if (r < 0)
        return errno == EINTR ? 1 : failure_set(f, CODE_IO, -errno, "cannot wait for a change");
    if (r == 0)
        return 0;
    drain(follow->inotify_fd);
    for (size_t i = 0; i < follow->count; i++) {
        const struct handing h = { .file = i, .each = each, .context = context };

        read_rest(&follow->files[i], &h);
        look_for_successor(&follow->files[i], &h);
    }
    return 1;
}
