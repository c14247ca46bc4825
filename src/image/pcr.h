/* PCR 11 before it happens, and the TPM policy that allows a generation.
 *
 * systemd's stub extends PCR 11 with each section of the UKI that it uses: SHA-256 of the name with
 * its zero byte, then SHA-256 of the content, in the order of UAPI.5 ("Unified Kernel Image").
 * Stage 1 then extends SHA-256 of "enter-initrd".
 *
 * The policy that is signed is not the plain one: it is PolicyPCR(sha256:11) followed by
 * PolicyNV(epoch index <= this generation's epoch), so that a TPM whose epoch was raised refuses
 * every older generation by itself. The index is that of disk/epoch.h. Digests as in TPM 2.0
 * Library, Part 3: 23.7 (PolicyPCR), 23.9 (PolicyNV); names of NV indexes: Part 1, 16. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trust/digest.h"

enum { PCR_KERNEL_BOOT = 11, PCR_SECTIONS_MAX = 16 };

struct pcr_section {
    const char *name; /* ".linux" */
    struct digest content;
};

/* The names that the stub measures, in its order; NULL at the end. */
extern const char *const pcr_section_order[];

struct digest pcr_extend(const struct digest *pcr, const struct digest *value);

/* PCR 11 as the stub leaves it. Sections may come in any order; those that it does not measure
 * (among them .pcrsig) are passed over. */
struct digest pcr_after_stub(const struct pcr_section *sections, size_t count);

/* PCR 11 after a phase word. */
struct digest pcr_after_word(const struct digest *pcr, const char *word);

/* The policy digest that the PCR-policy key signs. */
struct digest pcr_policy(const struct digest *pcr11, uint64_t epoch);

/* Name of the epoch index, without the leading algorithm identifier. */
struct digest pcr_epoch_name(void);
