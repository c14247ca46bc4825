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

/* Reads the log's next entry of db that allowed something which the firmware started: not our boot
 * file alone, but whatever else it took, like the ROM of a card. The views are the entry's owner
 * and content. 1, 0 at the end, or a negative errno of event_log_next(). */
struct pcr7_authority {
    const uint8_t *entry;
    size_t size;
};
MUST_USE int pcr7_next_authority(struct event_log *log, struct pcr7_authority *ret);

/* Replays the log, with the changes in place of what is there, and fills ret with PCR 7. The log
 * must lead to `live`. Authorities are taken as they are: the caller has to know that each of them
 * allows afterwards too.
 *
 * CODE_EVENT_LOG: -EBADMSG malformed; -ESTALE it does not lead to `live` (something else extended
 * PCR 7 after the firmware); -ENOENT a variable to be changed was not measured, or not once;
 * -EOPNOTSUPP this firmware measures variables in another way. */
MUST_USE int pcr7_predict(const struct pcr7_record *record, const struct pcr7_change *changes,
                          size_t change_count, uint8_t ret[static EVENT_DIGEST_SIZE],
                          struct failure *f);
