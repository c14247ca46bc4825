/* Which partition is the slot: its identity as the firmware's loader names it, block devices as
 * sysfs shows them, and the decision. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "disk/gpt.h"

enum { PARTITION_NAME_MAX = 63 };

/* Decodes the value of LoaderDevicePartUUID (Boot Loader Interface): UTF-16LE, ended by a zero
 * character, the text form of a GUID in either case. An empty value, or nothing but the zero, gives
 * an empty UUID: media without partitions. Returns 0, or -EBADMSG for anything else. */
MUST_USE int partition_uuid_decode(const void *bytes, size_t size, struct partition_uuid *ret);

/* A block device, whole or part. */
struct partition_device {
    char name[PARTITION_NAME_MAX + 1]; /* of the node in /dev */
    uint32_t major;
    uint32_t minor;
};

struct partition {
    struct partition_device device;
    uint32_t number; /* in its table, from 1 */
};

/* Reads the fields of a block device's `uevent` file. Returns 0, or -EBADMSG when they do not name
 * a device. */
MUST_USE int partition_device_parse(const char *fields, size_t size, struct partition_device *ret);

/* The same for a partition. -ENOENT when the device is a whole disk, -EBADMSG when it is malformed.
 */
MUST_USE int partition_parse(const char *fields, size_t size, struct partition *ret);

/* Decides about the slot from what is known now; the caller does the waiting. */
enum partition_verdict {
    PARTITION_WAIT,   /* not there yet, or devices are still being found */
    PARTITION_FOUND,  /* exactly one */
    PARTITION_TWICE,  /* two partitions claim to be the slot */
    PARTITION_MISSING /* the deadline has passed without one */
};

struct partition_search {
    unsigned count;       /* partitions with the slot's UUID */
    bool settled;         /* every device known to the kernel was handled */
    uint64_t now_ns;      /* monotonic */
    uint64_t deadline_ns; /* when waiting ends */
};

enum partition_verdict partition_decide(const struct partition_search *search);

/* The slot's name for a partition number: 1 is "A", 2 is "B"; NULL for any other. */
const char *partition_slot_name(uint32_t number);
