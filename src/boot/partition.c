#include "boot/partition.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/number.h"
#include "sys/uevent.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
}

/* 8-4-4-4-12 hexadecimal digits; `text` is in lower case. */
static bool is_uuid(const char text[static PARTITION_UUID_LENGTH])
{
    for (size_t i = 0; i < PARTITION_UUID_LENGTH; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

        if (dash ? text[i] != '-' : !digit)
            return false;
    }
    return true;
}

int partition_uuid_decode(const void *bytes, size_t size, struct partition_uuid *ret)
{
    struct cursor c = cursor_make(bytes, size);
    struct partition_uuid uuid = { "" };

    if (size == 0 || (size == 2 && cursor_le16(&c) == 0)) {
        *ret = uuid;
        return 0;
    }
    for (size_t i = 0; i < PARTITION_UUID_LENGTH; i++) {
        uint16_t unit = cursor_le16(&c);

        if (unit < ' ' || unit > '~')
            return -EBADMSG;
        uuid.text[i] = lower((char)unit);
    }
    if (cursor_le16(&c) != 0 || !cursor_finished(&c) || !is_uuid(uuid.text))
        return -EBADMSG;
    *ret = uuid;
    return 0;
}

static int read_number(const char *fields, size_t size, const char *key, uint32_t *ret)
{
    char text[16];
    uint64_t number;
    int r = uevent_value(fields, size, UEVENT_END_FILE, key, text, sizeof(text));

    if (r < 0)
        return r;
    if (number_parse(text, (size_t)r, UINT32_MAX, &number) < 0)
        return -EBADMSG;
    *ret = (uint32_t)number;
    return 0;
}

/* The name becomes part of a path below /dev, so it is held to what the kernel makes. */
static bool is_device_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

int partition_device_parse(const char *fields, size_t size, struct partition_device *ret)
{
    struct partition_device d = { 0 };

    if (uevent_value(fields, size, UEVENT_END_FILE, "DEVNAME", d.name, sizeof(d.name)) < 0 ||
        !is_device_name(d.name) || read_number(fields, size, "MAJOR", &d.major) < 0 ||
        read_number(fields, size, "MINOR", &d.minor) < 0)
        return -EBADMSG;
    *ret = d;
    return 0;
}

int partition_parse(const char *fields, size_t size, struct partition *ret)
{
    struct partition p = { 0 };
    int r = read_number(fields, size, "PARTN", &p.number);

    if (r < 0)
        return r == -ENOENT ? r : -EBADMSG;
    if (p.number == 0 || partition_device_parse(fields, size, &p.device) < 0)
        return -EBADMSG;
    *ret = p;
    return 0;
}

enum partition_verdict partition_decide(const struct partition_search *s)
{
    if (s->count > 1)
        return PARTITION_TWICE;
    /* One is only believed when nothing else is on its way: a copied disk behind a slower
     * controller is to be noticed, too. */
    if (s->count == 1 && s->settled)
        return PARTITION_FOUND;
    if (s->now_ns >= s->deadline_ns)
        return s->count == 1 ? PARTITION_FOUND : PARTITION_MISSING;
    return PARTITION_WAIT;
}

const char *partition_slot_name(uint32_t number)
{
    static const char *const names[] = { NULL, "A", "B" };

    return number < ARRAY_SIZE(names) ? names[number] : NULL;
}
