/* The status screen. Drawn when something changed (a file in /run/broch, an address, the size of
 * the terminal) and never by the clock. As a service on tty1; by hand `broch screen` on any
 * terminal, until a key or Ctrl-C. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "node/facts.h"
#include "node/marker.h"
#include "node/notify.h"
#include "node/os_release.h"
#include "node/screen.h"
#include "sys/event.h"
#include "sys/file.h"

static const char program[] = "broch screen";
static const char watched[] = "/run/broch";
static const char events_path[] = "/run/broch/events.jsonl";

enum {
    EVENTS_TAIL = 8 * 1024,
    SETTLE_MS = 200, /* changes come in bursts: one drawing for all of them */
    WIDTH_DEFAULT = 80,
    HEIGHT_DEFAULT = 24,
};

struct screen {
    int terminal;
    struct event_loop *loop;
    struct event_source *settle;
    bool stop;
};

/* --- Facts --- */

static struct {
    struct screen_facts facts;
    struct facts boot;
    struct snapshot services;
    char name[SCREEN_TEXT_SIZE], channel[SCREEN_TEXT_SIZE];
} seen;

static void gather_addresses(struct screen_facts *facts)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) < 0)
        return;
    for (struct ifaddrs *i = list; i && facts->address_count < SCREEN_ADDRESSES_MAX;
         i = i->ifa_next) {
        char address[NI_MAXHOST];
        socklen_t size;

        if (!i->ifa_addr || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        if (i->ifa_addr->sa_family == AF_INET)
            size = sizeof(struct sockaddr_in);
        else if (i->ifa_addr->sa_family == AF_INET6)
            size = sizeof(struct sockaddr_in6);
        else
            continue;
        if (getnameinfo(i->ifa_addr, size, address, sizeof(address), NULL, 0, NI_NUMERICHOST) == 0)
            (void)snprintf(facts->addresses[facts->address_count++], SCREEN_TEXT_SIZE, "%s %.100s",
                           i->ifa_name, address);
    }
    freeifaddrs(list);
}

static void gather_release(struct screen_facts *facts)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    size_t size;

    facts->known_password =
        file_read(OS_RELEASE_PATH, OS_RELEASE_SIZE_MAX, &bytes, &size, &ignored) == 0 &&
        os_release_get((const char *)bytes, size, "BROCH_CHANNEL", seen.channel,
                       sizeof(seen.channel)) == 0 &&
        strcmp(seen.channel, "development") == 0;
}

/* The last lines of the file of events. */
static void gather_events(struct screen_facts *facts)
{
    static char buffer[EVENTS_TAIL];
    _cleanup_close_ int fd = open(events_path, O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    struct cursor c;
    const char *line;
    size_t length;
    ssize_t got;

    if (end < 0)
        return;
    got = pread(fd, buffer, sizeof(buffer), end > EVENTS_TAIL ? end - EVENTS_TAIL : 0);
    c = cursor_make(buffer, got > 0 ? (size_t)got : 0);
    while (cursor_line(&c, &line, &length)) {
        if (facts->event_count == SCREEN_EVENTS_MAX)
            memmove(facts->events[0], facts->events[1],
                    (size_t)--facts->event_count * SCREEN_TEXT_SIZE);
        (void)snprintf(facts->events[facts->event_count++], SCREEN_TEXT_SIZE, "%.*s", (int)length,
                       line);
    }
}

static void gather(void)
{
    struct screen_facts *facts = &seen.facts;
    struct failure ignored = FAILURE_NONE; /* what is not known is left out */

    *facts = (struct screen_facts){ .name = seen.name,
                                    .generation = seen.boot.generation,
                                    .slot = seen.boot.slot,
                                    .secure_boot = seen.boot.secure_boot,
                                    .tpm = seen.boot.tpm };
    if (gethostname(seen.name, sizeof(seen.name)) < 0)
        seen.name[0] = '\0';
    seen.name[sizeof(seen.name) - 1] = '\0';
    if (facts_read(FACTS_PATH, &seen.boot, &ignored) < 0)
        seen.boot = (struct facts){ .generation = "unknown" };
    if (snapshot_read(SNAPSHOT_PATH, &seen.services, &ignored) == 0)
        facts->services = &seen.services;
    facts->ready = file_exists(MARKER_RECORD_PATH);
    gather_release(facts);
    gather_addresses(facts);
    gather_events(facts);
}

/* --- Drawing --- */

static int draw(const struct screen *screen)
{
    struct winsize size = { .ws_col = 0 };
    _cleanup_text_ struct text t = TEXT_INIT;
    size_t done = 0;

    if (ioctl(screen->terminal, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){ .ws_col = WIDTH_DEFAULT, .ws_row = HEIGHT_DEFAULT };
    gather();
    screen_render(&seen.facts, size.ws_col, size.ws_row, &t);
    if (text_status(&t) < 0)
        return -ENOMEM;
    while (done < t.length) {
        ssize_t put = write(screen->terminal, t.data + done, t.length - done);

        if (put < 0 && errno != EINTR)
            return -errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

/* --- What makes it draw --- */

static int settled(struct event_source *source, void *context)
{
    (void)source;
    return draw(context);
}

static int soon(const struct screen *screen)
{
    return event_timer_set(screen->settle, event_now_ns() + SETTLE_MS * NS_PER_MS);
}

/* What came does not matter, only that something did. */
static int changed(struct event_source *source, int fd, uint32_t events, void *context)
{
    char buffer[4096];

    (void)source;
    (void)events;
    while (read(fd, buffer, sizeof(buffer)) > 0)
        continue;
    return soon(context);
}

static int resized(struct event_source *source, int number, void *context)
{
    (void)source;
    (void)number;
    return soon(context);
}

static int key_pressed(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct screen *screen = context;
    char key;

    (void)source;
    (void)events;
    (void)(read(fd, &key, sizeof(key)) < 0); /* it is for us, not for the shell */
    screen->stop = true;
    return 0;
}

static int interrupted(struct event_source *source, int number, void *context)
{
    struct screen *screen = context;

    (void)source;
    (void)number;
    screen->stop = true;
    return 0;
}

static int watch_files(struct screen *screen)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct event_source *source;

    if (fd < 0)
        return -errno;
    if (inotify_add_watch(fd, watched, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0)
        return -errno;
    return event_add_fd(screen->loop, fd, EPOLLIN, changed, screen, &source);
}

static int watch_addresses(struct screen *screen)
{
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                         .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct event_source *source;

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return event_add_fd(screen->loop, fd, EPOLLIN, changed, screen, &source);
}

static int watch(struct screen *screen, bool by_hand)
{
    struct event_source *source;
    int r = event_add_timer(screen->loop, EVENT_NEVER, settled, screen, &screen->settle);

    if (r == 0)
        r = watch_files(screen);
    if (r == 0)
        r = watch_addresses(screen);
    if (r == 0)
        r = event_add_signal(screen->loop, SIGWINCH, resized, screen, &source);
    if (r == 0 && by_hand)
        r = event_add_signal(screen->loop, SIGINT, interrupted, screen, &source);
    if (r == 0 && by_hand)
        r = event_add_fd(screen->loop, screen->terminal, EPOLLIN, key_pressed, screen, &source);
    return r;
}

static int run(struct screen *screen, bool by_hand, uint64_t notify_fd, struct failure *f)
{
    int r = event_loop_new(&screen->loop);

    if (r == 0)
        r = watch(screen, by_hand);
    if (r == 0)
        r = draw(screen);
    if (r < 0)
        return failure_set(f, CODE_IO, r, "cannot show the screen");
    notify_ready(notify_fd);
    while (!screen->stop) {
        r = event_loop_step(screen->loop, EVENT_NEVER);
        if (r < 0)
            return failure_set(f, CODE_IO, r, "cannot show the screen");
    }
    return 0;
}

/* By hand: keys come one by one and are not shown, and the terminal is as before at the end. */
static int run_by_hand(struct screen *screen, struct failure *f)
{
    struct termios before, raw;
    int r;

    if (tcgetattr(screen->terminal, &before) < 0)
        return failure_set(f, CODE_IO, -errno, "standard input is not a terminal");
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(screen->terminal, TCSANOW, &raw);
    r = run(screen, true, NOTIFY_FD_NONE, f);
    (void)tcsetattr(screen->terminal, TCSADRAIN, &before);
    (void)dprintf(screen->terminal, "\r\n");
    return r;
}

int main(int argc, char **argv)
{
    const char *terminal = NULL;
    uint64_t notify_fd = NOTIFY_FD_NONE;
    const struct option_spec specs[] = {
        { "terminal", OPTION_TEXT, &terminal, "DEVICE", "draw there, for ever (the service)" },
        NOTIFY_OPTION(&notify_fd),
    };
    const struct options options = {
        .program = program,
        .synopsis = "[options]",
        .purpose = "Shows the state of this machine, drawn anew when it changes; a key ends it.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    bool is_verb = argc > 1 && strcmp(argv[1], "screen") == 0;
    struct screen screen = { .terminal = STDIN_FILENO };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc - is_verb, argv + is_verb, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && terminal) {
        screen.terminal = open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
        r = screen.terminal < 0 ? file_failure(&f, errno, "open", terminal)
                                : run(&screen, false, notify_fd, &f);
    } else if (r == 0) {
        r = run_by_hand(&screen, &f);
    }
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
