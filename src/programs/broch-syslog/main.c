/* Gathers what programs say to syslog(3) and what the kernel says, and prints one line for each:
 * the supervisor's logger keeps them. A sender that floods loses lines, which is said. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/options.h"
#include "node/notify.h"
#include "node/syslog.h"
#include "sys/event.h"

static const char program[] = "broch-syslog";

enum {
    SENDERS_MAX = 32, /* user ids with an allowance of their own; the last one is for all others */
    BATCH_MAX = 256,  /* messages of one source before the other one has its turn */
    TELL_MS = 1000,
    SEQUENCE_SIZE = 24,
};

struct allowance {
    uint32_t uid;
    struct syslog_rate rate;
};

struct syslog {
    struct allowance senders[SENDERS_MAX];
    size_t sender_count;
    struct syslog_rate kernel;
    uint64_t sequence;           /* the record after the last one that was printed */
    int sequence_fd;             /* where it is kept for the next life, or -1 */
    struct event_source *teller; /* runs when something was dropped */
    bool telling;
    bool stopped;
};

/* The line goes out in one piece; a logger that is slow holds us, which slows nobody else: senders
 * of datagrams do not wait for long (the C library's syslog(3) tries once). */
static void print(struct line *l)
{
    const char *left = l->buffer;
    size_t size = l->length + 1;

    l->buffer[l->length] = '\n';
    while (size > 0) {
        ssize_t put = write(STDOUT_FILENO, left, size);

        if (put < 0 && errno != EINTR)
            return; /* nobody keeps the log any more */
        if (put > 0) {
            left += put;
            size -= (size_t)put;
        }
    }
}

static struct line start_line(void)
{
    static char buffer[SYSLOG_LINE_MAX + 1]; /* room for the newline */

    return line_make(buffer, SYSLOG_LINE_MAX);
}

/* --- Floods --- */

static int tell_soon(struct syslog *s)
{
    if (s->telling)
        return 0;
    s->telling = true;
    return event_timer_set(s->teller, event_now_ns() + TELL_MS * NS_PER_MS);
}

static void tell_dropped(struct syslog_rate *rate, const char *who, uint32_t uid)
{
    struct line l = start_line();

    if (rate->dropped == 0)
        return;
    line_addf(&l, "syslog.warning syslog: %llu messages of %s", (unsigned long long)rate->dropped,
              who);
    if (uid != UINT32_MAX)
        line_addf(&l, " %u", uid);
    line_add(&l, " dropped: too many in a short time");
    rate->dropped = 0;
    print(&l);
}

static void tell_all(struct syslog *s)
{
    for (size_t i = 0; i < s->sender_count; i++)
        tell_dropped(&s->senders[i].rate, "user", s->senders[i].uid);
    tell_dropped(&s->kernel, "the kernel", UINT32_MAX);
    s->telling = false;
}

static int on_tell(struct event_source *source, void *context)
{
    (void)source;
    tell_all(context);
    return 0;
}

static struct syslog_rate *allowance_of(struct syslog *s, uint32_t uid)
{
    size_t i = 0;

    while (i < s->sender_count && i < SENDERS_MAX - 1 && s->senders[i].uid != uid)
        i++;
    if (i == s->sender_count)
        s->senders[s->sender_count++].uid = i < SENDERS_MAX - 1 ? uid : UINT32_MAX;
    return &s->senders[i].rate;
}

/* --- Programs --- */

/* Receives one datagram with its sender. Returns its size, or a negative errno. */
static ssize_t receive(int fd, char bytes[static SYSLOG_MESSAGE_MAX],
                       struct syslog_sender *ret_sender, bool *ret_cut)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec vector = { .iov_base = bytes, .iov_len = SYSLOG_MESSAGE_MAX };
    struct msghdr header = { .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
    ssize_t size = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (size < 0)
        return -errno;
    *ret_sender = (struct syslog_sender){ .uid = UINT32_MAX };
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        struct ucred credentials;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
            continue;
        memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
        *ret_sender = (struct syslog_sender){ credentials.uid, (uint32_t)credentials.pid };
    }
    *ret_cut = header.msg_flags & MSG_TRUNC;
    return size;
}

static int on_message(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct syslog *s = context;
    static char bytes[SYSLOG_MESSAGE_MAX];

    (void)source;
    (void)events;
    for (size_t i = 0; i < BATCH_MAX; i++) {
        struct syslog_message message;
        struct syslog_sender sender;
        struct line l = start_line();
        bool cut = false;
        ssize_t size = receive(fd, bytes, &sender, &cut);

        if (size < 0)
            return size == -EAGAIN || size == -EINTR ? 0 : (int)size;
        if (!syslog_rate_allows(allowance_of(s, sender.uid), event_now_ns())) {
            int r = tell_soon(s);

            if (r < 0)
                return r;
            continue;
        }
        syslog_parse(bytes, (size_t)size, &message);
        syslog_word(&message, &sender, &l);
        if (cut)
            line_add(&l, " (cut)");
        print(&l);
    }
    return 0;
}

/* A datagram socket that everybody may write to. */
static int open_socket(const char *path, int *ret_fd, struct failure *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (strlen(path) >= sizeof(address.sun_path))
        return failure_set(f, CODE_USAGE, -EINVAL, "the path '%s' is too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (unlink(path) < 0 && errno != ENOENT)
        return failure_set(f, CODE_SYSLOG, -errno, "cannot remove the former '%s'", path);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0)
        return failure_set(f, CODE_SYSLOG, -errno, "cannot listen at '%s'", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* --- The kernel --- */

/* What was printed before this program was started anew is not printed again. */
static void recall_sequence(struct syslog *s, const char *folder)
{
    char path[256], text[SEQUENCE_SIZE] = "";
    struct line l = line_make(path, sizeof(path));
    ssize_t size;

    if (!folder)
        return;
    line_addf(&l, "%s/sequence", folder);
    s->sequence_fd = l.cut ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    size = s->sequence_fd < 0 ? -1 : pread(s->sequence_fd, text, sizeof(text) - 1, 0);
    /* An empty file, the first time, leaves the number as it is. */
    if (size > 0 && number_parse(text, (size_t)size - 1, UINT64_MAX, &s->sequence) < 0)
        s->sequence = 0;
}

static void keep_sequence(const struct syslog *s)
{
    char text[SEQUENCE_SIZE];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "%llu\n", (unsigned long long)s->sequence);
    /* A number that is lost means lines that stand in the log twice. */
    if (s->sequence_fd >= 0 && pwrite(s->sequence_fd, text, l.length, 0) < 0)
        return;
}

static int take_record(struct syslog *s, const char *bytes, size_t size)
{
    struct line l = start_line();
    struct syslog_record record;

    if (syslog_parse_record(bytes, size, &record) < 0 || record.sequence < s->sequence)
        return 0;
    s->sequence = record.sequence + 1;
    if (!syslog_rate_allows(&s->kernel, event_now_ns()))
        return tell_soon(s);
    syslog_word_record(&record, &l);
    print(&l);
    return 0;
}

static int on_record(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct syslog *s = context;
    static char bytes[SYSLOG_RECORD_MAX];
    int r = 0;

    (void)source;
    (void)events;
    for (size_t i = 0; r == 0 && i < BATCH_MAX; i++) {
        ssize_t size = read(fd, bytes, sizeof(bytes));

        if (size >= 0) {
            r = take_record(s, bytes, (size_t)size);
        } else if (errno == EPIPE) {
            s->kernel.dropped++; /* overwritten before we came: one at least */
            r = tell_soon(s);
        } else {
            r = errno == EAGAIN || errno == EINTR ? 1 : -errno;
        }
    }
    keep_sequence(s);
    return r < 0 ? r : 0;
}

/* --- Life --- */

static int on_signal(struct event_source *source, int signal, void *context)
{
    struct syslog *s = context;

    (void)source;
    (void)signal;
    s->stopped = true;
    return 0;
}

static int watch(struct syslog *s, struct event_loop *loop, int socket_fd, int kernel_fd)
{
    struct event_source *source;
    int r = event_add_timer(loop, EVENT_NEVER, on_tell, s, &s->teller);

    if (r == 0)
        r = event_add_signal(loop, SIGTERM, on_signal, s, &source);
    if (r == 0)
        r = event_add_fd(loop, socket_fd, EPOLLIN, on_message, s, &source);
    if (r == 0 && kernel_fd >= 0)
        r = event_add_fd(loop, kernel_fd, EPOLLIN, on_record, s, &source);
    return r;
}

static int gather(struct syslog *s, const char *path, uint64_t notify_fd, struct failure *f)
{
    _cleanup_close_ int socket_fd = -1;
    _cleanup_close_ int kernel_fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct event_loop *loop = NULL;
    int r = open_socket(path, &socket_fd, f);

    if (r < 0)
        return r;
    if (kernel_fd < 0)
        (void)fprintf(stderr, "%s: cannot read /dev/kmsg: %s; going on without the kernel's log\n",
                      program, strerror(errno));
    r = event_loop_new(&loop);
    if (r == 0)
        r = watch(s, loop, socket_fd, kernel_fd);
    if (r == 0)
        notify_ready(notify_fd);
    while (r >= 0 && !s->stopped)
        r = event_loop_step(loop, EVENT_NEVER);
    event_loop_free(loop);
    tell_all(s);
    return r < 0 ? failure_set(f, CODE_SYSLOG, r, "cannot read the logs") : 0;
}

int main(int argc, char **argv)
{
    uint64_t notify_fd = NOTIFY_FD_NONE;
    const char *path = "/run/broch/syslog/log";
    const struct option_spec specs[] = {
        { "socket", OPTION_TEXT, &path, "PATH", "where syslog(3) writes to" },
        NOTIFY_OPTION(&notify_fd),
    };
    const struct options options = {
        .program = program,
        .synopsis = "[options]",
        .purpose = "Prints what programs say to syslog(3) and what the kernel says, line by line.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    static struct syslog syslog = { .sequence_fd = -1 };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0) {
        recall_sequence(&syslog, getenv("SCRATCH"));
        r = gather(&syslog, path, notify_fd, &f);
    }
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
