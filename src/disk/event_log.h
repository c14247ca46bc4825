/* What the firmware measured, as it wrote it down: the crypto-agile log of the "TCG PC Client
 * Platform Firmware Profile", 10.2, which Linux shows as
 * /sys/kernel/security/tpm0/binary_bios_measurements. Pure. Numbers are little-endian:
 *
 *     first event   pcr 4, type 4 (3: EV_NO_ACTION), SHA-1 20, size 4, then "Spec ID Event03" NUL,
 *                   class 4, versions 4, algorithms 4, as many (algorithm 2, digest size 2), vendor
 *                   size 1, vendor bytes
 *     each other    pcr 4, type 4, digests 4, as many (algorithm 2, digest), size 4, data
 *
 * A log proves nothing by itself: replayed, it must lead to what the TPM says. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"

enum {
    EVENT_LOG_SIZE_MAX = 1 << 20,
    EVENT_LOG_EVENTS_MAX = 4096,
    EVENT_LOG_ALGORITHMS_MAX = 8,
    EVENT_DIGEST_SIZE = 32 /* SHA-256 */
};

enum event_type {
    EVENT_NO_ACTION = 3, /* not extended */
    EVENT_SEPARATOR = 4,
};
#define EVENT_VARIABLE_CONFIG    0x80000001u /* EV_EFI_VARIABLE_DRIVER_CONFIG */
#define EVENT_VARIABLE_AUTHORITY 0x800000e0u /* EV_EFI_VARIABLE_AUTHORITY */

struct event_log {
    struct cursor cursor;
    size_t events, algorithm_count;
    struct {
        uint16_t algorithm, size;
    } algorithms[EVENT_LOG_ALGORITHMS_MAX];
};

/* Views into the log. */
struct event {
    uint32_t pcr, type;
    const uint8_t *digest; /* SHA-256, EVENT_DIGEST_SIZE bytes */
    const uint8_t *data;
    size_t size;
};

/* Reads the first event. The log is borrowed. -EBADMSG; -ERANGE above a limit; -ENOENT when it has
 * no SHA-256. */
MUST_USE int event_log_open(const void *bytes, size_t size, struct event_log *ret);

/* The next event: 1, 0 at the end, -EBADMSG, -ERANGE. */
MUST_USE int event_log_next(struct event_log *log, struct event *ret);
