/* What stage 1 found out, as /run/broch/boot.json for everybody after it. Pure.
 *
 * The keys and their values are in docs/reference/initrd.md; `schema` grows when a key changes its
 * meaning or goes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/line.h"
#include "boot/cmdline.h"
#include "sys/tpm.h"

enum { FACTS_SCHEMA = 1, FACTS_STEPS_MAX = 16, FACTS_TEXT_MAX = 256, FACTS_SIZE = 8192 };

enum facts_switch { FACTS_UNKNOWN, FACTS_OFF, FACTS_ON };

/* A PCR at some moment; not read when there is no TPM or no SHA-256 bank. */
struct facts_pcr {
    bool read;
    uint8_t value[TPM_PCR_SIZE];
};

/* The encrypted disk. */
struct facts_persist {
    bool open;         /* else /var and /home are volatile */
    const char *route; /* "tpm", "recovery" or "new"; NULL when it is not open */
    const char
        *refusal; /* id of the code why the TPM did not open it; NULL: it did, or has nothing */
    const char *unowned; /* id of the code why the TPM is not this disk's; NULL: it is, or none */
    char uuid[40];       /* of its LUKS header; empty when there is none */
    char device[16];     /* "dm-1"; empty when it is not open */
    bool enrolled;       /* the TPM route was made or renewed in this boot */
    unsigned tpm_commands;
};

struct facts_step {
    const char *name; /* static */
    uint64_t us;      /* since the kernel's start, when the step was done */
};

struct facts {
    struct cmdline cmdline;
    const char *slot;      /* "A", "B", "direct", "live"; NULL until known */
    char partuuid[40];     /* empty: booted directly */
    const char *source;    /* "slot" or "device"; NULL until known */
    const char *root;      /* kind of root: "system"; NULL until known */
    char image_device[64]; /* where verity reads: "vda", "loop0" */
    bool direct_io;
    enum facts_switch secureboot;
    enum facts_switch setupmode;
    enum facts_switch tpm;
    struct facts_pcr pcr7, pcr11, pcr12; /* in phase enter-initrd; read when the TPM gave nothing */
    struct facts_persist persist;
    char watchdog[33]; /* identity; empty when there is none */
    unsigned watchdog_timeout_s;
    char kernel[65];
    char last_failure[FACTS_TEXT_MAX + 1]; /* empty: none known */
    unsigned attempts;                     /* including this one; 0: not counted */
    size_t step_count;
    struct facts_step steps[FACTS_STEPS_MAX];
};

/* Notes that a step is done; more than FACTS_STEPS_MAX is a defect of ours. */
void facts_add_step(struct facts *f, const char *name, uint64_t us);

/* Writes the whole document and a newline. Its longest form fits into FACTS_SIZE, which `l` must
 * have. */
void facts_write(const struct facts *f, struct line *l);
