/* Finding devices: loads the modules that the machine's devices ask for, and follows the devices
 * that appear because of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "boot/modules.h"

/* How a module is loaded: module_load(), or a double of it in tests. */
typedef int (*devices_load)(int folder_fd, const char *name);

/* Told about a module that a device asked for and that could not be loaded: no failure by itself,
 * since the device may have nothing to do with the boot. */
typedef void (*devices_report)(const char *name, int error, void *context);

struct devices {
    /* Set by the caller before devices_start(), who also closes the descriptors. */
    devices_load load;
    devices_report report;
    void *report_context;
    int bus_fd;    /* the folder /sys/bus */
    int folder_fd; /* the folder of the modules */
    int uevent_fd;

    bool overrun; /* uevents were lost: look at sysfs again */
    size_t tried_count;
    char tried[INITRD_FILE_COUNT_MAX][INITRD_NAME_MAX + 1];
    struct modules_table table; /* large: keep the whole in static memory */
};

/* Parses the table, whose text must outlive `d`. Returns 0 or what modules_parse() does. */
MUST_USE int devices_start(struct devices *d, const void *table, size_t table_size,
                           struct failure *f);

/* Loads what is always loaded. A module that says it is not needed here (-ENODEV) is fine, any
 * other failure is CODE_BOOT_MODULE. */
MUST_USE int devices_load_always(struct devices *d, struct failure *f);

/* Loads what the table has for one of the INITRD_REQUEST_ words. Failures as above; a table without
 * the word is fine, the kernel may have it built in. */
MUST_USE int devices_request(struct devices *d, const char *word, struct failure *f);

/* Loads modules for every device that the kernel knows. Returns 0 or a negative errno when /sys/bus
 * cannot be read. */
MUST_USE int devices_coldplug(struct devices *d);

/* Loads the modules that ask for a feature of the processor. Best effort. */
void devices_load_processor(struct devices *d);

/* The same as devices_coldplug() for the devices of one bus, "virtio" for example. A bus that is
 * not there is fine. */
void devices_coldplug_bus(struct devices *d, const char *bus);

/* Handles the uevents that wait, loading modules for new devices, until none is left. Returns 1
 * when a block device came or went, else 0, or a negative errno. Never waits. */
MUST_USE int devices_settle(struct devices *d);

/* Waits until a uevent comes or `timeout_ns` have passed. Returns 1, 0 or a negative errno. */
MUST_USE int devices_wait(struct devices *d, uint64_t timeout_ns);
