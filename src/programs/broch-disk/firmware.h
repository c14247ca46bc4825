/* Secure Boot of the machine as it is: the lists in the firmware, both slots' boot files, what the
 * firmware measured, and what the encrypted disk is sealed for. */
#pragma once

#include "disk/event_log.h"
#include "node/facts.h"
#include "programs/broch-disk/sealed.h"
#include "programs/broch-disk/plan.h"

struct firmware {
    struct facts facts;
    struct plan_machine plan;               /* its parts are owned here */
    struct boot_signature *running, *spare; /* what plan.running and plan.spare are */
    struct failure spare_unread; /* why the other slot's cannot be told; its cause is 0 otherwise */
    struct sealed sealed;        /* empty without an encrypted disk */
    uint8_t *log;                /* plan.log */
};

void firmware_done(struct firmware *m);

/* Runs as root; mounts both slots, one after the other, where only this process sees them.
 * CODE_FACTS, CODE_IO, CODE_SECUREBOOT_FILE when the running boot file cannot be read. */
MUST_USE int firmware_read(struct firmware *ret, struct failure *f);

/* Adds what the firmware measured; without a TPM that is nothing. CODE_EVENT_LOG. */
MUST_USE int firmware_read_log(struct firmware *m, struct failure *f);

/* PCR 7 with the plan carried out. CODE_EVENT_LOG, CODE_IO. */
MUST_USE int firmware_predict(const struct firmware *m, const struct plan *plan,
                              uint8_t ret[static EVENT_DIGEST_SIZE], struct failure *f);

/* Hands the change to the firmware, and reads back that the variable holds what was planned.
 * CODE_SECUREBOOT_FIRMWARE. */
MUST_USE int firmware_write(const struct plan *plan, const void *file, size_t size,
                            struct failure *f);
