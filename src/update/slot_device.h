/* The two slots of the disk that this machine was started from, found by the partition's own GUID
 * that stage 1 wrote down, never by a name or label. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

enum { SLOT_DEVICE_NAME_SIZE = 64, SLOT_DEVICE_UUID_SIZE = 37 };

struct slot_device {
    char letter;                       /* 'A' or 'B' */
    char path[SLOT_DEVICE_NAME_SIZE];  /* "/dev/vda2" */
    char uuid[SLOT_DEVICE_UUID_SIZE];  /* the partition's, lower case */
    uint32_t number;                   /* in the table: 1 or 2 */
    uint64_t first_block, block_count; /* in blocks of the disk */
    uint64_t size;                     /* bytes */
};

struct slot_devices {
    struct slot_device running;
    struct slot_device other;
};

/* Finds both, in whichever copy of the disk's table is whole. CODE_UPDATE_NO_SLOT with the cause:
 *
 *   -ENODEV     there is no second slot: the table was read, and has none; or this machine was
 *               started from none
 *   another     it cannot be told: no disk has the running slot (-ENOENT), two have (-ENOTUNIQ),
 *               or a partition's entry cannot be read */
MUST_USE int slot_devices_find(const char *running_uuid, struct slot_devices *ret,
                               struct failure *f);

/* The same with other folders than /sys/class/block and /dev: for tests. */
MUST_USE int slot_devices_find_in(const char *sysfs, const char *dev, const char *running_uuid,
                                  struct slot_devices *ret, struct failure *f);
