#include "programs/broch-vm/forward.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

enum { PORT_MAX = 65535, PROTOCOL_LENGTH = 4 }; /* "tcp/" */

static bool parse_port(const char *text, size_t length, uint16_t *ret_port)
{
    uint64_t port;

    if (number_parse(text, length, PORT_MAX, &port) < 0 || port == 0)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool parse_entry(const char *text, size_t length, struct vm_forward *ret)
{
    const char *colon = memchr(text, ':', length);
    size_t front = colon ? (size_t)(colon - text) : length;
    struct vm_forward forward = { .udp = false };

    if (front <= PROTOCOL_LENGTH)
        return false;
    if (memcmp(text, "udp/", PROTOCOL_LENGTH) == 0)
        forward.udp = true;
    else if (memcmp(text, "tcp/", PROTOCOL_LENGTH) != 0)
        return false;
    if (!parse_port(text + PROTOCOL_LENGTH, front - PROTOCOL_LENGTH, &forward.guest_port) ||
        (colon && !parse_port(colon + 1, length - front - 1, &forward.host_port)))
        return false;
    *ret = forward;
    return true;
}

int forward_parse(const char *list, struct vm_forward ret_forwards[static VM_FORWARDS_MAX],
                  struct failure *f)
{
    size_t count = 0;

    for (;;) {
        size_t length = strcspn(list, ",");

        if (count == VM_FORWARDS_MAX)
            return failure_set(f, CODE_USAGE, -EINVAL, "--forward takes at most %d ports",
                               VM_FORWARDS_MAX);
        if (!parse_entry(list, length, &ret_forwards[count]))
            return failure_set(f, CODE_USAGE, -EINVAL,
                               "--forward takes ports like tcp/22 or udp/53:5353, not '%.*s'",
                               (int)length, list);
        count++;
        if (list[length] == '\0')
            break;
        list += length + 1;
    }
    if (count < VM_FORWARDS_MAX)
        ret_forwards[count] = (struct vm_forward){ .guest_port = 0 };
    return 0;
}

void forward_word(const struct vm_forward *forward, char ret_text[static FORWARD_TEXT_SIZE])
{
    (void)snprintf(ret_text, FORWARD_TEXT_SIZE, "%s/%u", forward->udp ? "udp" : "tcp",
                   forward->guest_port);
}
