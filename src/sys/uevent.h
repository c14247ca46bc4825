/* Kernel uevents: the parser (pure) and the socket.
 *
 * A message on the netlink socket is `<action>@<devpath>` and then `KEY=value` fields, each ended
 * by a zero byte (Linux: lib/kobject_uevent.c). The file `uevent` of a device in sysfs holds the
 * same fields, each ended by a newline. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

enum { UEVENT_SIZE_MAX = 8192 }; /* the kernel's own bound is 2,048 of fields, plus the path */

enum uevent_action { UEVENT_ADD, UEVENT_CHANGE, UEVENT_REMOVE, UEVENT_BIND, UEVENT_OTHER };

/* Views into the message, valid as long as it is. */
struct uevent {
    enum uevent_action action;
    const char *fields;
    size_t fields_size;
};

enum { UEVENT_END_MESSAGE = '\0', UEVENT_END_FILE = '\n' };

/* Parses the head of a message and checks that every field is KEY=value and ended. Returns 0 or
 * -EBADMSG. */
MUST_USE int uevent_parse(const void *bytes, size_t size, struct uevent *ret);

/* Copies the value of `key` out of fields that end with `end` (one of UEVENT_END_...). Returns its
 * length, -ENOENT when the key is not there, -EBADMSG when it is there twice, -ERANGE when the
 * value and its zero do not fit. ret_value is untouched then. */
MUST_USE int uevent_value(const char *fields, size_t size, char end, const char *key,
                          char *ret_value, size_t capacity);

/* Opens a socket that receives every uevent of the kernel from now on (non-blocking). Returns the
 * descriptor or a negative errno. */
MUST_USE int uevent_open(void);

/* Receives one message into buffer (UEVENT_SIZE_MAX bytes). Returns its size, -EAGAIN when none is
 * waiting, -ENOBUFS when the kernel has dropped some (look at sysfs again), -EBADMSG for a message
 * that did not come from the kernel, or another negative errno. */
MUST_USE int uevent_receive(int fd, char buffer[static UEVENT_SIZE_MAX]);
