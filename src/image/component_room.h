/* What takes the room, by component: the list that lies beside a generation (sbom.h), with the
 * sizes that its files have. */
#pragma once

#include "base/failure.h"
#include "image/contents.h"
#include "base/span.h"

struct component_room {
    char *name, *version; /* owned; version may be empty */
    uint64_t size;        /* of its files in the system image and in the initrd, unpacked */
    size_t count;
};

void component_rooms_done(struct component_room *rooms, size_t count);

/* Reads a CycloneDX document; the largest first. *ret_rooms is released with
 * component_rooms_done(). CODE_ARTIFACT_BAD. */
MUST_USE int component_rooms(struct span document, const struct contents *system,
                             const struct contents *initrd, struct component_room **ret_rooms,
                             size_t *ret_count, struct failure *f);
