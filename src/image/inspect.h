/* What `broch inspect` says of an artifact: what it is, who signed it, what it measures, and what
 * takes the room. Facts as they stand there: only `verify` says whether they are true. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/artifact.h"
#include "image/boot_file.h"
#include "image/component_room.h"
#include "image/contents.h"

/* One boot file, its initrd and its system image; what is not there is empty. */
struct inspect_pair {
    char slot; /* 'A', 'B', or 0 */
    bool has_boot;
    struct boot_file boot;
    bool signed_by_somebody;
    struct authenticode_signer signer;
    uint64_t initrd_size, system_size; /* as they lie there */
    struct contents initrd, system;
    bool has_initrd, has_system;
};

struct inspect {
    struct artifact *artifact; /* borrowed */
    char manifest_key[17];     /* that signed the manifest, by its own word; or empty */
    struct inspect_pair pairs[ARTIFACT_SLOTS_MAX];
    struct component_room *components; /* NULL: there is no list of them */
    size_t component_count;
};

/* Looks at everything. CODE_ARTIFACT_BAD, CODE_MANIFEST. To be released in either case. */
MUST_USE int inspect_gather(struct artifact *artifact, struct inspect *ret, struct failure *f);
void inspect_done(struct inspect *inspect);
#define _cleanup_inspect_ __attribute__((cleanup(inspect_done)))

/* For people, and one JSON object (docs/reference/inspect.md). */
MUST_USE int inspect_add_table(const struct inspect *inspect, struct text *t, struct failure *f);
void inspect_add_json(const struct inspect *inspect, struct text *t);
