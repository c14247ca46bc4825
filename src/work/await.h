/* Waiting for services without polling: the snapshot is replaced by rename, which inotify tells. */
#pragma once

#include "base/failure.h"
#include "work/snapshot.h"

struct await {
    const char *path; /* of the snapshot; its folder has to exist */
    bool (*holds)(const struct snapshot *snapshot, void *context);
    void *context;
    uint64_t timeout_ns;
};

/* Blocks until `holds` says so about a snapshot, which is then in *ret. A snapshot that is not
 * there yet is waited for, too. Returns 0; -ETIMEDOUT (CODE_SNAPSHOT), with the last snapshot in
 * *ret; or another negative errno. */
MUST_USE int await_snapshot(const struct await *await, struct snapshot *ret, struct failure *f);
