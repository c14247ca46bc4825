#include "vm/block_server.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "sys/file.h"
#include "vm/block_journal.h"

/* --- The protocol's numbers (doc/proto.md), big endian on the wire --- */

#define MAGIC_SERVER       UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define MAGIC_OPTION       UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define MAGIC_OPTION_REPLY UINT64_C(0x0003e889045565a9)
#define MAGIC_REQUEST      UINT32_C(0x25609513)
#define MAGIC_REPLY        UINT32_C(0x67446698)

enum {
    HANDSHAKE_FIXED_NEWSTYLE = 1,
    HANDSHAKE_NO_ZEROES = 2,

    OPTION_ABORT = 2,
    OPTION_GO = 7,

    INFO_EXPORT = 0,

    EXPORT_HAS_FLAGS = 1,
    EXPORT_SEND_FLUSH = 4,
    EXPORT_SEND_WRITE_ZEROES = 64,
    EXPORT_FLAGS = EXPORT_HAS_FLAGS | EXPORT_SEND_FLUSH | EXPORT_SEND_WRITE_ZEROES,

    COMMAND_READ = 0,
    COMMAND_WRITE = 1,
    COMMAND_DISCONNECT = 2,
    COMMAND_FLUSH = 3,
    COMMAND_WRITE_ZEROES = 6,

    ERROR_IO = 5,
    ERROR_INVALID = 22,
};

#define REPLY_ACK               UINT32_C(1)
#define REPLY_INFO              UINT32_C(3)
#define REPLY_ERROR_UNSUPPORTED UINT32_C(0x80000001)
#define REPLY_ERROR_UNKNOWN     UINT32_C(0x80000006)

enum {
    CLIENTS_MAX = 8,
    OPTION_DATA_MAX = 4096,
    OPTION_HEAD = 16,
    REQUEST_HEAD = 28,
    WATCHED_MAX = 1 << 20,
};

struct client {
    int fd; /* -1: none */
    uint32_t export;
};

struct server {
    const struct block_server_config *config;
    int listen_fd;
    int journal_fd;
    size_t count;
    int export_fds[BLOCK_SERVER_EXPORTS_MAX];
    uint64_t sizes[BLOCK_SERVER_EXPORTS_MAX];
    struct stat seen; /* of the watched file, as it was looked at last */
    struct client clients[CLIENTS_MAX];
    uint8_t *buffer; /* BLOCK_JOURNAL_WRITE_MAX bytes */
};

/* --- Sockets --- */

static bool receive(int fd, void *ret, size_t size)
{
    uint8_t *at = ret;

    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);

        if (got == 0 || (got < 0 && errno != EINTR))
            return false; /* the machine is gone, perhaps in the middle of a request */
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool give(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        ssize_t put = send(fd, at, size, MSG_NOSIGNAL);

        if (put < 0 && errno != EINTR)
            return false;
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

static void put_be(uint8_t **at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        (*at)[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    *at += size;
}

/* --- The journal --- */

/* One write(2) with O_APPEND: an entry is there as a whole or not at all. A journal that cannot be
 * kept is worth nothing, and neither is a machine that goes on without it. */
static void note(const struct server *s, const struct block_journal_entry *entry, const void *bytes)
{
    uint8_t head[BLOCK_JOURNAL_HEAD];
    const size_t size = bytes ? (size_t)entry->length : 0;
    struct iovec parts[] = { { head, sizeof(head) }, { (void *)(uintptr_t)bytes, size } };

    block_journal_encode(entry, head);
    if (writev(s->journal_fd, parts, ARRAY_SIZE(parts)) != (ssize_t)(sizeof(head) + size))
        _exit(1);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at_watched(struct server *s)
{
    struct failure ignored = FAILURE_NONE;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct stat status;
    size_t size;

    if (!s->config->watched || stat(s->config->watched, &status) < 0 ||
        is_same(&status, &s->seen) ||
        file_read(s->config->watched, WATCHED_MAX, &bytes, &size, &ignored) < 0)
        return;
    s->seen = status;
    note(s, &(struct block_journal_entry){ .kind = BLOCK_JOURNAL_FILE, .length = size }, bytes);
}

/* --- Requests --- */

struct request {
    uint16_t command;
    uint64_t cookie;
    uint64_t offset;
    uint32_t length;
};

static bool reply(const struct client *c, const struct request *q, uint32_t error)
{
    uint8_t head[16], *at = head;

    put_be(&at, MAGIC_REPLY, 4);
    put_be(&at, error, 4);
    put_be(&at, q->cookie, 8);
    return give(c->fd, head, sizeof(head));
}

static bool is_within(const struct server *s, const struct client *c, const struct request *q)
{
    return q->offset <= s->sizes[c->export] && q->length <= s->sizes[c->export] - q->offset;
}

static bool answer_read(struct server *s, const struct client *c, const struct request *q)
{
    if (!is_within(s, c, q) || q->length > BLOCK_JOURNAL_WRITE_MAX)
        return reply(c, q, ERROR_INVALID);
    if (pread(s->export_fds[c->export], s->buffer, q->length, (off_t)q->offset) !=
        (ssize_t)q->length)
        return reply(c, q, ERROR_IO);
    return reply(c, q, 0) && give(c->fd, s->buffer, q->length);
}

static bool answer_write(struct server *s, const struct client *c, const struct request *q)
{
    const struct block_journal_entry entry = {
        .kind = BLOCK_JOURNAL_WRITE, .export = c->export, .offset = q->offset, .length = q->length
    };

    if (q->length > BLOCK_JOURNAL_WRITE_MAX || !receive(c->fd, s->buffer, q->length))
        return false;
    if (!is_within(s, c, q))
        return reply(c, q, ERROR_INVALID);
    look_at_watched(s);
    note(s, &entry, s->buffer);
    return reply(c, q,
                 pwrite(s->export_fds[c->export], s->buffer, q->length, (off_t)q->offset) ==
                         (ssize_t)q->length
                     ? 0
                     : ERROR_IO);
}

static bool answer_zero(struct server *s, const struct client *c, const struct request *q)
{
    const struct block_journal_entry entry = {
        .kind = BLOCK_JOURNAL_ZERO, .export = c->export, .offset = q->offset, .length = q->length
    };

    if (!is_within(s, c, q) || q->length == 0)
        return reply(c, q, ERROR_INVALID);
    look_at_watched(s);
    note(s, &entry, NULL);
    return reply(c, q,
                 fallocate(s->export_fds[c->export], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           (off_t)q->offset, (off_t)q->length) == 0
                     ? 0
                     : ERROR_IO);
}

static bool answer_flush(struct server *s, const struct client *c, const struct request *q)
{
    const struct block_journal_entry entry = { .kind = BLOCK_JOURNAL_FLUSH, .export = c->export };

    look_at_watched(s);
    note(s, &entry, NULL);
    return reply(c, q, 0);
}

/* False: the connection is over. */
static bool handle_request(struct server *s, const struct client *c)
{
    uint8_t head[REQUEST_HEAD];
    struct cursor cursor = cursor_make(head, sizeof(head));
    struct request q;

    if (!receive(c->fd, head, sizeof(head)) || cursor_be32(&cursor) != MAGIC_REQUEST)
        return false;
    cursor_skip(&cursor, 2); /* flags: none of those that we offered nothing for */
    q.command = cursor_be16(&cursor);
    q.cookie = cursor_be64(&cursor);
    q.offset = cursor_be64(&cursor);
    q.length = cursor_be32(&cursor);
    switch (q.command) {
    case COMMAND_READ:
        return answer_read(s, c, &q);
    case COMMAND_WRITE:
        return answer_write(s, c, &q);
    case COMMAND_FLUSH:
        return answer_flush(s, c, &q);
    case COMMAND_WRITE_ZEROES:
        return answer_zero(s, c, &q);
    case COMMAND_DISCONNECT:
        return false;
    default:
        return reply(c, &q, ERROR_INVALID);
    }
}

/* --- Handshake --- */

static bool reply_option(int fd, uint32_t option, uint32_t type, const void *bytes, size_t size)
{
    uint8_t head[20], *at = head;

    put_be(&at, MAGIC_OPTION_REPLY, 8);
    put_be(&at, option, 4);
    put_be(&at, type, 4);
    put_be(&at, size, 4);
    return give(fd, head, sizeof(head)) && give(fd, bytes, size);
}

/* NBD_OPT_GO: the length of a name, the name, and what the client would like to know. */
static bool find_export(const struct server *s, const uint8_t *bytes, size_t size, uint32_t *ret)
{
    struct cursor c = cursor_make(bytes, size);
    uint32_t length = cursor_be32(&c);
    const char *name = (const char *)cursor_take(&c, length);
    uint64_t number = 0;

    if (!name || number_parse(name, length, s->count - 1, &number) < 0)
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool send_export(const struct server *s, int fd, uint32_t export)
{
    uint8_t info[12], *at = info;

    put_be(&at, INFO_EXPORT, 2);
    put_be(&at, s->sizes[export], 8);
    put_be(&at, EXPORT_FLAGS, 2);
    return reply_option(fd, OPTION_GO, REPLY_INFO, info, sizeof(info)) &&
           reply_option(fd, OPTION_GO, REPLY_ACK, NULL, 0);
}

/* One option: 1 when the transmission begins, 0 for another one, -1 when the connection is over. */
static int handle_option(struct server *s, int fd, uint32_t *ret_export)
{
    uint8_t head[OPTION_HEAD];
    struct cursor c = cursor_make(head, sizeof(head));
    uint32_t option, size;

    if (!receive(fd, head, sizeof(head)) || cursor_be64(&c) != MAGIC_OPTION)
        return -1;
    option = cursor_be32(&c);
    size = cursor_be32(&c);
    if (size > OPTION_DATA_MAX || !receive(fd, s->buffer, size) || option == OPTION_ABORT)
        return -1;
    if (option != OPTION_GO)
        return reply_option(fd, option, REPLY_ERROR_UNSUPPORTED, NULL, 0) ? 0 : -1;
    if (!find_export(s, s->buffer, size, ret_export))
        return reply_option(fd, option, REPLY_ERROR_UNKNOWN, NULL, 0) ? 0 : -1;
    return send_export(s, fd, *ret_export) ? 1 : -1;
}

static bool shake_hands(struct server *s, struct client *c)
{
    uint8_t greeting[18], *at = greeting, flags[4];
    int r = 0;

    put_be(&at, MAGIC_SERVER, 8);
    put_be(&at, MAGIC_OPTION, 8);
    put_be(&at, HANDSHAKE_FIXED_NEWSTYLE | HANDSHAKE_NO_ZEROES, 2);
    if (!give(c->fd, greeting, sizeof(greeting)) || !receive(c->fd, flags, sizeof(flags)))
        return false;
    while (r == 0)
        r = handle_option(s, c->fd, &c->export);
    return r > 0;
}

/* --- The process --- */

static void drop(struct client *c)
{
    (void)close(c->fd); /* the other side has ended it */
    c->fd = -1;
}

static void take_client(struct server *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct client *c = NULL;

    for (size_t i = 0; !c && i < CLIENTS_MAX; i++) {
        if (s->clients[i].fd < 0)
            c = &s->clients[i];
    }
    if (fd < 0 || !c) {
        if (fd >= 0)
            (void)close(fd); /* too many: no machine has so many */
        return;
    }
    c->fd = fd;
    if (!shake_hands(s, c))
        drop(c);
}

__attribute__((noreturn)) static void serve(struct server *s)
{
    for (;;) {
        struct pollfd waits[CLIENTS_MAX + 1] = { { .fd = s->listen_fd, .events = POLLIN } };

        for (size_t i = 0; i < CLIENTS_MAX; i++)
            waits[i + 1] = (struct pollfd){ .fd = s->clients[i].fd, .events = POLLIN };
        if (poll(waits, ARRAY_SIZE(waits), -1) < 0 && errno != EINTR)
            _exit(1);
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (waits[i + 1].revents && !handle_request(s, &s->clients[i]))
                drop(&s->clients[i]);
        }
        if (waits[0].revents)
            take_client(s);
    }
}

static int listen_at(const char *path, int *ret_fd, struct failure *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return file_failure(f, ENAMETOOLONG, "listen at", path);
    memcpy(address.sun_path, path, strlen(path));
    (void)unlink(path); /* one that a former server left, or none */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, CLIENTS_MAX) < 0)
        return file_failure(f, errno, "listen at", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

static int open_export(struct server *s, const char *path, struct failure *f)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (fd < 0 || size < 0)
        return file_failure(f, errno, "serve", path);
    CHECK(s->count < BLOCK_SERVER_EXPORTS_MAX);
    s->sizes[s->count] = (uint64_t)size;
    s->export_fds[s->count++] = fd;
    return size % BLOCK_JOURNAL_SECTOR == 0 ? 0 : file_failure(f, EINVAL, "serve", path);
}

static int prepare(struct server *s, struct failure *f)
{
    int r = 0;

    s->listen_fd = s->journal_fd = -1;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        s->clients[i].fd = -1;
    for (size_t i = 0; r == 0 && i < BLOCK_SERVER_EXPORTS_MAX && s->config->exports[i]; i++)
        r = open_export(s, s->config->exports[i], f);
    if (r < 0)
        return r;
    s->buffer = malloc(BLOCK_JOURNAL_WRITE_MAX);
    if (!s->buffer)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    s->journal_fd =
        open(s->config->journal, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (s->journal_fd < 0)
        return file_failure(f, errno, "write", s->config->journal);
    return listen_at(s->config->socket, &s->listen_fd, f);
}

static void release(struct server *s)
{
    const int fds[] = { s->listen_fd, s->journal_fd };

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        cleanup_close_(&fds[i]);
    for (size_t i = 0; i < s->count; i++)
        (void)close(s->export_fds[i]); /* the other process has its own */
    free(s->buffer);
}

int block_server_start(const struct block_server_config *config, pid_t *ret_pid, struct failure *f)
{
    struct server server = { .config = config };
    const pid_t parent = getpid();
    int r = prepare(&server, f);
    pid_t pid = -1;

    if (r == 0) {
        pid = fork();
        if (pid < 0)
            r = failure_set(f, CODE_INTERNAL, -errno, "cannot make a process");
    }
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(1);
        serve(&server);
    }
    release(&server);
    if (r == 0)
        *ret_pid = pid;
    return r;
}

void block_server_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL); /* it answers nothing before it is written */
    (void)waitpid(pid, NULL, 0);
}
