/* A boot file taken apart: what it measures, what it allows itself, and whether both agree
 * (docs/reference/uki.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "boot/cmdline.h"
#include "disk/pcrsig.h"
#include "trust/authenticode.h"
#include "base/span.h"
#include "trust/digest.h"
#include "trust/pe_section.h"

struct boot_file {
    struct span bytes;
    struct pe_sections sections;
    struct authenticode authenticode;

    struct span cmdline, initrd, policy_text, policy_key; /* sections */
    struct cmdline words;                                 /* of the command line */

    struct digest after_stub, enter_initrd; /* PCR 11, predicted from the sections */
    struct digest policy;                   /* what has to be approved for these, and the epoch */
    struct seal_policy approved;            /* what the section .pcrsig says */
};

/* Reads a boot file of ours; views into `bytes`. CODE_ARTIFACT_BAD for one that is malformed, lacks
 * a section, has one twice, or whose command line or policy is malformed. */
MUST_USE int boot_file_read(struct span bytes, struct boot_file *ret, struct failure *f);

/* The content of a section, empty when there is none. */
struct span boot_file_section(const struct boot_file *b, const char *name);

/* Whether the signed policy is the one for what this file measures and for its epoch, and whether
 * the key in the file signed it. CODE_SIGNATURE. */
MUST_USE int boot_file_judge_policy(const struct boot_file *b, struct failure *f);
