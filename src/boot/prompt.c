#include "boot/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/line.h"
#include "boot/key_entry.h"
#include "sys/attribute.h"

#define CONSOLE_LIST "/sys/class/tty/console/active"

enum {
    CONSOLES_MAX = 4,
    LIST_SIZE = 256,
    FEED_MS = 15000, /* well below the watchdog's timeout */
    ALL = 1 << 10,   /* bytes taken from one console in one turn */
};

/* One terminal and what was typed on it so far. */
struct console {
    int fd;
    struct termios former;
    struct key_entry entry;
};

static struct {
    size_t count;
    struct console consoles[CONSOLES_MAX];
} prompt;

/* Characters one by one and without echo. Signals of the keyboard are no business of PID 1. */
static int make_raw(struct console *c)
{
    struct termios raw;

    if (tcgetattr(c->fd, &c->former) < 0)
        return -errno;
    raw = c->former;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    /* What was typed before the question is no answer to it. */
    return tcsetattr(c->fd, TCSAFLUSH, &raw) < 0 ? -errno : 0;
}

static void open_one(const char *name, size_t length)
{
    struct console *c = &prompt.consoles[prompt.count];
    char path[64];
    struct line l = line_make(path, sizeof(path));

    line_addf(&l, "/dev/%.*s", (int)length, name);
    if (l.cut || prompt.count >= CONSOLES_MAX)
        return;
    /* A serial line that nobody holds would block for ever in open() and write(). */
    c->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (c->fd < 0)
        return;
    if (make_raw(c) < 0) {
        (void)close(c->fd); /* not a terminal, nothing was written */
        return;
    }
    prompt.count++;
}

int prompt_open(struct stage1 *s, struct failure *f)
{
    char list[LIST_SIZE];
    int size;

    if (prompt.count > 0)
        return 0;
    /* A keyboard less is no reason to stop: there may be a serial line. */
    if (devices_request(&s->devices, INITRD_REQUEST_KEYBOARD, f) < 0)
        stage1_note(s, "module-refused", f->text);
    size = attribute_read_line(AT_FDCWD, CONSOLE_LIST, list, sizeof(list));
    for (const char *p = list; size > 0 && *p;) {
        size_t length = strcspn(p, " ");

        open_one(p, length);
        p += length;
        p += strspn(p, " ");
    }
    if (prompt.count == 0)
        return failure_set(f, CODE_PERSIST_PROMPT, -ENODEV, "there is no console to ask on");
    return 0;
}

/* A console that takes nothing for FEED_MS, a serial line that is held, misses the text. */
static void say(const struct console *c, const char *text, size_t length)
{
    while (length > 0) {
        struct pollfd wait = { .fd = c->fd, .events = POLLOUT };
        ssize_t written = write(c->fd, text, length);

        if (written > 0) {
            text += written;
            length -= (size_t)written;
        } else if (errno != EAGAIN || poll(&wait, 1, FEED_MS) <= 0) {
            return;
        }
    }
}

static void say_all(const char *text, size_t length)
{
    for (size_t i = 0; i < prompt.count; i++)
        say(&prompt.consoles[i], text, length);
}

void prompt_say(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        say_all(text, length);
        text += length;
        if (*text) {
            say_all("\r\n", 2);
            text++;
        }
    }
}

static void answer(const struct console *c, enum key_entry_result result)
{
    static const char *const words[] = {
        [KEY_ENTRY_DIGIT] = "*",
        [KEY_ENTRY_GROUP] = "*-",
        [KEY_ENTRY_CLEARED] = "\r\nfrom the first group: ",
    };
    char text[96] = "";
    struct line l = line_make(text, sizeof(text));

    if (result == KEY_ENTRY_ERASED) /* the dash behind a finished group goes with its last digit */
        line_add(&l,
                 (c->entry.count + 1) % RECOVERY_KEY_GROUP_DIGITS == 0 ? "\b\b  \b\b" : "\b \b");
    else if (result == KEY_ENTRY_BAD_GROUP)
        line_addf(&l, "*\r\ngroup %u is mistyped, type it again: ", key_entry_group(&c->entry));
    else if (result == KEY_ENTRY_SHORT)
        line_addf(&l, "\r\n%zu digits of %d so far, go on: ", c->entry.count, RECOVERY_KEY_DIGITS);
    else if ((size_t)result < ARRAY_SIZE(words) && words[result])
        line_add(&l, words[result]);
    say(c, text, l.length);
}

/* True when the key is whole. */
static bool take(struct console *c)
{
    uint8_t byte;

    for (unsigned i = 0; i < ALL && read(c->fd, &byte, 1) == 1; i++) {
        enum key_entry_result result = key_entry_feed(&c->entry, byte);

        byte = 0;
        if (result == KEY_ENTRY_DONE) {
            say_all("*\r\n", 3);
            return true;
        }
        answer(c, result);
    }
    return false;
}

static void wipe_entries(void)
{
    for (size_t i = 0; i < prompt.count; i++)
        key_entry_wipe(&prompt.consoles[i].entry);
}

/* One turn: true with the key in *ret. A console that hung up is not looked at again. */
static bool wait_turn(struct stage1 *s, struct secret *ret)
{
    struct pollfd fds[CONSOLES_MAX + 1];
    size_t count = prompt.count;

    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){ .fd = prompt.consoles[i].fd, .events = POLLIN };
    fds[count] = (struct pollfd){ .fd = s->devices.uevent_fd, .events = POLLIN };
    watchdog_keep_alive(&s->watchdog);
    if (poll(fds, count + 1, FEED_MS) <= 0)
        return false;
    if (fds[count].revents != 0 && devices_settle(&s->devices) < 0)
        stage1_note(s, "devices", "uevents cannot be read");
    for (size_t i = 0; i < count; i++) {
        if ((fds[i].revents & POLLIN) != 0 && take(&prompt.consoles[i])) {
            int r = secret_set(ret, prompt.consoles[i].entry.digits, RECOVERY_KEY_DIGITS);

            CHECK(r == 0); /* a key is a secret */
            return true;
        }
        if ((fds[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
            (void)close(prompt.consoles[i].fd); /* it has gone */
            prompt.consoles[i].fd = -1;
        }
    }
    return false;
}

int prompt_read_key(struct stage1 *s, struct secret *ret, struct failure *f)
{
    wipe_entries();
    for (;;) {
        size_t open_count = 0;

        if (wait_turn(s, ret)) {
            wipe_entries();
            return 0;
        }
        for (size_t i = 0; i < prompt.count; i++)
            open_count += prompt.consoles[i].fd >= 0;
        if (open_count == 0)
            return failure_set(f, CODE_PERSIST_PROMPT, -ENODEV, "every console has hung up");
    }
}

void prompt_close(void)
{
    wipe_entries();
    for (size_t i = 0; i < prompt.count; i++) {
        struct console *c = &prompt.consoles[i];

        if (c->fd < 0)
            continue;
        (void)tcsetattr(c->fd, TCSADRAIN, &c->former); /* best effort, getty sets its own */
        (void)close(c->fd);
    }
    prompt.count = 0;
}
