/* A build step: declared inputs, a key that hashes them, and a folder of outputs in the cache.
 *
 * A step whose key was seen before is skipped, provided that its outputs still have the size and
 * time they were left with (of a folder among them only that it is there). The newest six results
 * of a step are kept, by last use. The result digest covers names and contents of the outputs:
 * steps after it take it as their input, so a step that ran and produced the same bytes stops the
 * chain there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "trust/digest.h"
#include "sys/progress.h"

enum { STEP_OUTPUTS_MAX = 32, STEP_NAME_MAX = 64 };

struct step_output {
    char name[STEP_NAME_MAX];
    uint64_t size; /* 0 for folders */
    uint64_t mtime_ns;
    struct digest digest;
};

struct step {
    const char *name;
    struct text inputs; /* "input NAME VALUE" lines */
    char *folder;       /* set by step_do() */
    struct step_output outputs[STEP_OUTPUTS_MAX];
    size_t output_count;
    struct digest result;
    bool ran;
};

/* What all steps of one build share. */
struct step_shared {
    const char *profile;
    struct progress *progress;
    bool explain; /* print why each step runs */
};

void step_init(struct step *step, const char *name);
void step_done(struct step *step);

void step_input_text(struct step *step, const char *name, const char *value);
void step_input_number(struct step *step, const char *name, uint64_t value);
void step_input_digest(struct step *step, const char *name, const struct digest *digest);

/* Writes the outputs into the empty folder `folder`. */
typedef int (*step_run)(const char *folder, void *context, struct failure *f);

/* True when the result of these inputs is in the cache; step->folder and the rest are then set. */
MUST_USE bool step_is_cached(struct step *step);

/* Finds the result in the cache or runs the step. Two builds never run the same step at once. */
MUST_USE int step_do(struct step *step, const struct step_shared *shared, step_run run,
                     void *context, struct failure *f);

/* An output by name; a missing one is a bug of ours. */
const struct step_output *step_output(const struct step *step, const char *name);

/* "<folder>/<name>"; freed by the caller, NULL when out of memory. */
MUST_USE char *step_path(const struct step *step, const char *name);
