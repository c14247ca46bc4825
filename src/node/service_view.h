/* What `broch service` prints: services, their manifests and the orchestrator's replies, as words.
 * Pure; JSON is what the files and the socket have already. */
#pragma once

#include "base/text.h"
#include "work/in_force.h"
#include "work/json.h"
#include "work/manifest.h"
#include "work/snapshot.h"

/* One line for each service, below a head. `now_us` is the time since the kernel's start. */
void service_view_add_list(const struct snapshot *snapshot, uint64_t now_us, struct text *t);

/* Everything known about one service; the lines of its log are the caller's to add. */
void service_view_add_status(const struct snapshot_service *service, uint64_t now_us,
                             struct text *t);

/* What its manifest says. */
void service_view_add_manifest(const struct service_manifest *manifest, struct text *t);

/* What the kernel says of its process. */
void service_view_add_in_force(const struct in_force *in_force, struct text *t);

/* The answer to a reload: what changed and what was left out, a line each. False when a manifest
 * was left out. */
MUST_USE bool service_view_add_reload(struct json_object *reply, struct text *t);
