/* PCR 7 before it happens: what Secure Boot's register will be once its variables are others. Pure.
 *
 * The firmware extends PCR 7 with UEFI_VARIABLE_DATA of SecureBoot, PK, KEK, db and dbx
 * (EV_EFI_VARIABLE_DRIVER_CONFIG), a separator, and then the entry of db that allowed an image
 * (EV_EFI_VARIABLE_AUTHORITY; "TCG PC Client Platform Firmware Profile", 3.3.4.8). Its numbers are
 * little-endian:
 *
 *     16 GUID, 8 length of the name in characters, 8 size of the content, name (UTF-16), content
 *
 * A change of keys that we make can so be sealed for before it is made. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "disk/event_log.h"

/* A variable's content as it will be; size 0: the variable is removed. */
struct pcr7_change {
    const char *name; /* "PK", "KEK", "db", "dbx" */
    const void *content;
    size_t size;
};

/* A machine as it is: the log, borrowed, and what its TPM says. */
struct pcr7_record {
    const void *log;
    size_t size;
    uint8_t live[EVENT_DIGEST_SIZE];
};

/* Replays the log, with the changes in place of what is there, and fills ret with PCR 7. The log
 * must lead to `live`. An image's authority is taken as it is: the
 * certificate that allows the next image must be the same, with the same owner.
 *
 * CODE_EVENT_LOG: -EBADMSG malformed; -ESTALE it does not lead to `live` (something else extended
 * PCR 7 after the firmware); -ENOENT a variable to be changed was not measured, or not once;
 * -EOPNOTSUPP this firmware measures variables in another way. */
MUST_USE int pcr7_predict(const struct pcr7_record *record, const struct pcr7_change *changes,
                          size_t change_count, uint8_t ret[static EVENT_DIGEST_SIZE],
                          struct failure *f);
