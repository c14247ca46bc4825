/* Where a release comes from: a folder of releases or of one generation, on a disk or behind a URL,
 * or a release in one file (docs/reference/release.md). Nothing here is believed: the caller
 * checks the manifest's signature and each file's sum. */
#pragma once

#include "base/failure.h"
#include "trust/manifest.h"
#include "update/archive.h"
#include "update/range.h"

struct source {
    char *place; /* folder or URL of the generation, or the one file; owned */
    bool one_file;
    struct archive head;                   /* its reader, behind the header of linux.efi */
    uint64_t offsets[ARCHIVE_MEMBER_MAX_]; /* in the one file, once known */
    uint64_t sizes[ARCHIVE_MEMBER_MAX_];
    unsigned stall_seconds; /* see range.h */
    bool parts;             /* it can be read from the middle */
    bool total_known;
    uint64_t total;
};

#define SOURCE_INIT                                                                                \
    {                                                                                              \
        .place = NULL                                                                              \
    }

void source_done(struct source *source);

/* What a release is to be made for. */
struct source_kind {
    const char *profile, *arch;
};

/* Finds the newest release for this kind of machine. A name that ends in ".broch" is one file, any
 * other a folder with an index or with a manifest. CODE_UPDATE_SOURCE when there is none. */
MUST_USE int source_open(const char *from, const struct source_kind *kind, struct source *ret,
                         struct failure *f);

/* The manifest and its signature, zero-terminated, as they lie there; freed by the caller. */
struct source_head {
    uint8_t *manifest;
    size_t manifest_size;
    char *signature;
};
void source_head_done(struct source_head *head);
MUST_USE int source_read_head(struct source *source, struct source_head *ret, struct failure *f);

/* Once the manifest is believed: one file must be as long as it says, with the members it says and
 * nothing behind them, before its large members are taken. CODE_UPDATE_ARCHIVE. */
MUST_USE int source_check(struct source *source, const struct manifest *manifest,
                          struct failure *f);

/* Reads a part of linux.efi or system.erofs; see range_read(). */
struct source_part {
    enum archive_member member;
    uint64_t offset, limit;
};
MUST_USE int source_read(const struct source *source, const struct source_part *part,
                         range_sink sink, void *context, struct range_result *ret,
                         struct failure *f);

/* The entry of a member in the manifest, or NULL. */
const struct manifest_file *source_file(const struct manifest *manifest,
                                        enum archive_member member);
