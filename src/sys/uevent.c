#include "sys/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"

enum {
    KERNEL_GROUP = 1, /* the multicast group in which only the kernel speaks */
    /* Room for the events of some thousand devices that appear while a module starts. */
    RECEIVE_BUFFER_SIZE = 4 * 1024 * 1024,
};

static enum uevent_action action_of(const char *name, size_t length)
{
    static const struct {
        const char *name;
        enum uevent_action action;
    } actions[] = { { "add", UEVENT_ADD },
                    { "change", UEVENT_CHANGE },
                    { "remove", UEVENT_REMOVE },
                    { "bind", UEVENT_BIND } };

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strlen(actions[i].name) == length && memcmp(actions[i].name, name, length) == 0)
            return actions[i].action;
    }
    return UEVENT_OTHER;
}

/* Takes the bytes up to `end`, which is consumed, too. False when there is no `end`. */
static bool take_field(struct cursor *c, char end, const char **ret_field, size_t *ret_length)
{
    const char *start = (const char *)c->bytes + c->offset;
    const char *stop = cursor_left(c) > 0 ? memchr(start, end, cursor_left(c)) : NULL;

    if (!stop)
        return false;
    *ret_field = start;
    *ret_length = (size_t)(stop - start);
    cursor_skip(c, *ret_length + 1);
    return true;
}

int uevent_parse(const void *bytes, size_t size, struct uevent *ret)
{
    struct cursor c = cursor_make(bytes, size);
    struct uevent parsed = { 0 };
    const char *field, *at;
    size_t length;

    if (!take_field(&c, UEVENT_END_MESSAGE, &field, &length))
        return -EBADMSG;
    at = memchr(field, '@', length);
    if (!at || at == field)
        return -EBADMSG;
    parsed.action = action_of(field, (size_t)(at - field));
    parsed.fields = (const char *)bytes + c.offset;
    parsed.fields_size = cursor_left(&c);
    while (take_field(&c, UEVENT_END_MESSAGE, &field, &length)) {
        const char *equals = memchr(field, '=', length);

        if (!equals || equals == field)
            return -EBADMSG;
    }
    if (!cursor_finished(&c))
        return -EBADMSG;
    *ret = parsed;
    return 0;
}

int uevent_value(const char *fields, size_t size, char end, const char *key, char *ret_value,
                 size_t capacity)
{
    struct cursor c = cursor_make(fields, size);
    size_t key_length = strlen(key), length, found_length = 0;
    const char *field, *found = NULL;

    while (take_field(&c, end, &field, &length)) {
        if (length <= key_length || field[key_length] != '=' || memcmp(field, key, key_length) != 0)
            continue;
        if (found)
            return -EBADMSG;
        found = field + key_length + 1;
        found_length = length - key_length - 1;
    }
    if (!found)
        return -ENOENT;
    if (found_length >= capacity)
        return -ERANGE;
    memcpy(ret_value, found, found_length);
    ret_value[found_length] = '\0';
    return (int)found_length;
}

int uevent_open(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    int size = RECEIVE_BUFFER_SIZE;

    if (fd < 0)
        return -errno;
    /* Without the larger buffer lost events are noticed (-ENOBUFS), so a refusal is no failure. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        (void)close(fd); /* the reason is in `error` */
        return -error;
    }
    return fd;
}

int uevent_receive(int fd, char buffer[static UEVENT_SIZE_MAX])
{
    struct sockaddr_nl sender = { 0 };
    socklen_t sender_size = sizeof(sender);
    ssize_t size =
        recvfrom(fd, buffer, UEVENT_SIZE_MAX, MSG_TRUNC, (struct sockaddr *)&sender, &sender_size);

    if (size < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    /* Port 0 is the kernel: any process may send to the group that it can reach. */
    if (size > UEVENT_SIZE_MAX || sender.nl_pid != 0)
        return -EBADMSG;
    return (int)size;
}
