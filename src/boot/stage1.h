/* Stage 1, PID 1 of the initrd: from the kernel's hand-over to a verified root.
 *
 * It is a table of steps (stage1.c), each in its own file step_<name>.c. A step does its work,
 * notes what it found in `facts`, and returns 0, or a negative errno with *f filled; f->code holds
 * the step's own code beforehand, and is replaced where the catalogue has a closer one. The runner
 * prints one marker for each step (docs/reference/markers.md). After a failure nothing is tried
 * again: the TPM is capped, the reason is kept, and the machine restarts or halts
 * (boot/attempts.h). There is no prompt and no shell.
 *
 * All memory of ours is in one static object. The libraries behind the TPM and the encrypted disk
 * allocate, which this code does not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "boot/attempts.h"
#include "boot/devices.h"
#include "boot/facts.h"
#include "boot/partition.h"
#include "boot/superblock.h"
#include "disk/luks_header.h"
#include "disk/persist.h"
#include "disk/seal.h"
#include "sys/watchdog.h"

/* Where things are while stage 1 runs. */
#define STAGE1_NEW_ROOT   "/newroot"
#define STAGE1_STATE      "/run/broch"
#define STAGE1_SLOT_MOUNT "/run/broch/slot"
#define STAGE1_ROOT_NAME  "broch-root"
#define STAGE1_PERSIST    "/run/broch/persist" /* the whole filesystem, for a moment */

/* Ten minutes for somebody to read the code, then the machine stops drawing power. */
enum { STAGE1_HALT_S = 600 };

/* The encrypted disk, between the steps "unseal" and "persist". */
struct stage1_persist {
    bool there; /* the disk of the slot has a partition for it */
    struct partition_device device;
    unsigned number; /* in the table */
    enum persist_content content;
    struct luks_header header; /* as an attacker may have written it */
    bool policy_known;
    struct seal_policy policy; /* of this generation */
    struct secret sealed;      /* what the TPM gave: the preboot secret, and what it is for */
    struct secret *key;        /* the volume key while it is at hand, or NULL: for ending_fail() */
    unsigned token;            /* the one that it came from */
    unsigned places;           /* in the TPM, of that or of newer ones: a set (disk/seal.h) */
    struct failure refusal;    /* why it gave none; FAILURE_NONE when nothing was sealed */
    bool doomed;               /* the label says that the disk is to be wiped */
    char wiped[LUKS_HEADER_UUID_SIZE]; /* the disk that was wiped in this start */
};

struct stage1 {
    int kmsg_fd;
    int efivars_fd; /* the mounted efivarfs, -1 without variables */
    struct attempts_boot attempts;
    uint16_t other_entry; /* number of the other slot's boot entry, if attempts says there is one */
    struct watchdog watchdog;
    bool tpm_present; /* there is one, so it has to work */
    bool capped;      /* PCR 11 has its last value of this boot */

    /* The signed command line and superblock; everything trusted comes from these. */
    size_t cmdline_length;
    char cmdline[INITRD_CMDLINE_MAX + 1];
    uint8_t superblock_bytes[SUPERBLOCK_SIZE];
    struct superblock superblock;

    struct partition_uuid slot_uuid; /* empty: the image is found by content */
    struct partition_device slot_device, slot_disk;
    bool devices_partial;  /* the image was there before all drivers were */
    int slot_fd;           /* the root folder of the mounted slot, or -1 */
    int image_fd;          /* the system image, or the block device that it is on, or -1 */
    uint64_t image_offset; /* where on the device it begins, in bytes: not 0 on a live medium */
    char image_device[24]; /* "major:minor" for verity */
    int image_device_fd;   /* keeps the loop device until verity has it, or -1 */
    char root_device[32];  /* the path of verity's device */

    struct seal_ticket ticket; /* of the slot; size 0 when it has none */
    struct stage1_persist persist;

    struct facts facts;
    struct devices devices;
};

/* Looks once for a block device that carries the signed superblock, and opens it as image_fd. True
 * when there was one. */
MUST_USE bool step_slot_find_by_content(struct stage1 *s);

/* True when a second partition with the slot's UUID has appeared by now (false without a slot). */
MUST_USE bool step_slot_is_doubled(struct stage1 *s);

/* The partition for persist on the disk of the slot, by its type. -ENOENT when there is none (or no
 * slot), -ENOTUNIQ when there are two. */
MUST_USE int step_slot_find_persist(struct stage1 *s, struct partition *ret);

/* Looks up the slot's own GUID again: the table was made anew. */
MUST_USE int step_slot_renamed(struct stage1 *s, struct failure *f);

typedef int (*stage1_step)(struct stage1 *s, struct failure *f);

/* Runs all steps; the last one starts the next program in this process. So this only returns by
 * way of reboot(2), which is to say never. */
__attribute__((noreturn)) void stage1_run(void);

/* Ends like any other failure: for checks that fail, here and in what is loaded later. */
void stage1_check_failed(void);

/* Prints the marker of a finished step and notes its time. The runner calls it, and the last step,
 * from which no runner returns. */
void stage1_step_done(struct stage1 *s, const char *step);

/* Starts the watchdog's time anew: after a step, and between the parts of a long one. */
void stage1_alive(const struct stage1 *s);

/* Prints `broch stage1 <key>="<value>"`. */
void stage1_note(const struct stage1 *s, const char *key, const char *value);

/* Reads PCRs 7, 11 and 12 into the facts, with one command to the TPM. */
void stage1_read_pcrs(struct stage1 *s);

/* Follows the choice of a root on the encrypted disk, whose whole filesystem is `persist_fd`. */
void root_choose(struct stage1 *s, int persist_fd);

/* The steps, in their order. */
int step_pseudo(struct stage1 *s, struct failure *f);
int step_cmdline(struct stage1 *s, struct failure *f);
int step_attempts(struct stage1 *s, struct failure *f);
int step_modules(struct stage1 *s, struct failure *f);
int step_watchdog(struct stage1 *s, struct failure *f);
int step_slot(struct stage1 *s, struct failure *f);
int step_image(struct stage1 *s, struct failure *f);
int step_verity(struct stage1 *s, struct failure *f);
int step_pcr_enter(struct stage1 *s, struct failure *f);
int step_unseal(struct stage1 *s, struct failure *f);
int step_pcr_cap(struct stage1 *s, struct failure *f);
int step_root(struct stage1 *s, struct failure *f);
int step_persist(struct stage1 *s, struct failure *f);
int step_switch(struct stage1 *s, struct failure *f);
