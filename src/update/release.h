/* Whether a release is one for this machine. Pure: everything that is known comes in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "trust/manifest.h"

enum { RELEASE_REFUSALS_MAX = 16 };

/* A release that was tried here and failed. */
struct release_refusal {
    const char *name;   /* of the generation */
    const char *reason; /* for people */
};

/* What decides, all of it from the running image or from what the machine keeps itself. */
struct release_machine {
    const char *keys;    /* the image's release.pub */
    const char *profile; /* of the image */
    const char *arch;    /* of the image */
    const char *version; /* of the image, "v0.1.0" */
    uint64_t epoch;      /* the highest that the machine knows of */
    const struct release_refusal *refusals;
    size_t refusal_count;
    bool force; /* also one that failed here, and one that is not newer */
};

/* What is offered, as it lies at the source. */
struct release_offer {
    const uint8_t *manifest;
    size_t size;
    const char *signature;
};

/* Judges, in this order: the signature over these very bytes (CODE_UPDATE_SIGNATURE); the form of
 * the manifest, its name, and that both files are there (CODE_UPDATE_FORM); profile and
 * architecture (CODE_UPDATE_KIND); the epoch, which nothing overrides (CODE_UPDATE_EPOCH); whether
 * it failed here (CODE_UPDATE_REFUSED) and whether it is newer (CODE_UPDATE_NOT_NEWER), unless
 * forced. Returns 0 with *ret set, or a negative errno; *ret is then set only if `ret_believed`
 * says that it is signed and understood. */
MUST_USE int release_judge(const struct release_machine *machine, const struct release_offer *offer,
                           struct manifest *ret, bool *ret_believed, struct failure *f);
