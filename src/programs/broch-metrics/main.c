/* Answers GET /metrics on 127.0.0.1. The page is made when somebody asks; in between the program
 * sleeps without a timer. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/number.h"
#include "node/config.h"
#include "node/notify.h"
#include "node/openmetrics.h"
#include "programs/broch-metrics/gather.h"
#include "sys/event.h"

enum {
    CONNECTIONS_MAX = 8,
    IDLE_S = 10,            /* of a connection; then it is closed */
    MEMORY_MAX = 32 * 1024, /* of a connection, for what it sends */
};

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *type, const char *text, size_t size)
{
    /* The library copies and only reads. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (!response)
        return MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_word(struct MHD_Connection *connection, unsigned status,
                                 const char *word)
{
    return send_text(connection, status, "text/plain; charset=utf-8", word, strlen(word));
}

static enum MHD_Result send_page(struct MHD_Connection *connection)
{
    _cleanup_text_ struct text page = TEXT_INIT;

    gather_page(&page);
    if (text_status(&page) < 0)
        return send_word(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n");
    return send_text(connection, MHD_HTTP_OK, OPENMETRICS_CONTENT_TYPE, page.data, page.length);
}

/* Its parameters are the library's. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **request)
{
    static int begun;

    (void)context;
    (void)version;
    (void)upload;
    /* The first call is for the head alone; a body is read and left alone. */
    if (!*request) {
        *request = &begun;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return send_word(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    if (strcmp(url, "/metrics") != 0)
        return send_word(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
    return send_page(connection);
}

static int run_daemon(struct event_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    (void)fd;
    (void)events;
    return MHD_run(context) == MHD_YES ? 0 : -EIO;
}

/* When the library wants to be called though nothing came: it has a connection to close. */
static uint64_t next_deadline(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;

    return MHD_get_timeout(daemon, &ms) == MHD_YES ? event_now_ns() + ms * NS_PER_MS : EVENT_NEVER;
}

static int serve(struct MHD_Daemon *daemon, struct event_loop *loop, uint64_t notify_fd,
                 struct failure *f)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct event_source *source;
    int r = info ? event_add_fd(loop, info->epoll_fd, EPOLLIN, run_daemon, daemon, &source) : -EIO;

    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "cannot watch the server");
    notify_ready(notify_fd);
    while ((r = event_loop_step(loop, next_deadline(daemon))) >= 0) {
        if (r == 0 && MHD_run(daemon) != MHD_YES)
            r = -EIO;
        if (r < 0)
            break;
    }
    return failure_set(f, CODE_INTERNAL, r, "the server failed");
}

static int listen_and_serve(uint16_t port, uint64_t notify_fd, struct failure *f)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct MHD_Daemon *daemon;
    struct event_loop *loop;
    int r = event_loop_new(&loop);

    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "cannot make an event loop");
    daemon = MHD_start_daemon(
        MHD_USE_EPOLL, port, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX, MHD_OPTION_END);
    if (!daemon)
        r = failure_set(f, CODE_IO, -errno, "cannot listen on 127.0.0.1, port %u", port);
    else
        r = serve(daemon, loop, notify_fd, f);
    (void)event_loop_free(loop);
    if (daemon)
        MHD_stop_daemon(daemon);
    return r;
}

/* The machine was warned of a bad layer at its start. */
static void ignore(const struct failure *f, void *context)
{
    (void)f;
    (void)context;
}

static int offer(uint64_t notify_fd, struct failure *f)
{
    struct config config;
    int r = config_load(ignore, NULL, &config, f);
    uint16_t port;

    if (r < 0)
        return r;
    port = (uint16_t)config.metrics.port;
    config_done(&config);
    return listen_and_serve(port, notify_fd, f);
}

static uint64_t arg_notify_fd = NOTIFY_FD_NONE;

static int run(const struct operands *operands, struct failure *f)
{
    (void)operands; /* there are none */
    /* A reader that goes away ends its connection only. */
    (void)sigaction(SIGPIPE, &(const struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    return offer(arg_notify_fd, f);
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = { NOTIFY_OPTION(&arg_notify_fd) };
    const struct options options = {
        .program = "broch-metrics",
        .synopsis = "[options]",
        .purpose = "Answers with figures of this machine on 127.0.0.1.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
