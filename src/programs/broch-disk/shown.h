/* What `broch disk status` shows, and its words: a table for people, one JSON object for programs.
 * Pure. */
#pragma once

#include "base/text.h"
#include "disk/request.h"
#include "disk/volume.h"
#include "programs/broch-disk/sealed.h"
#include "programs/broch-disk/state.h"

/* One kind of request: what waits, and how the last one ended. */
struct asked {
    bool waits, ended;
    struct request request;
    struct request_result result;
};

struct shown {
    struct state state;
    struct volume_slots slots;
    struct sealed sealed;
    uint64_t epoch; /* of the generation */
    struct asked asked[REQUEST_KIND_MAX_];
};

void shown_add_table(const struct shown *s, struct text *t);
void shown_add_json(const struct shown *s, struct text *t);
