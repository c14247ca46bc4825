/* generation.json: what a generation is (docs/reference/generation.schema.json). The release key
 * signs these bytes; everything else is reached from them by digest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "trust/digest.h"

enum {
    MANIFEST_VERSION = 1,
    MANIFEST_FILES_MAX = 16,
    MANIFEST_FILE_MAX = 1 << 20,
    MANIFEST_TEXT_MAX = 128,
    MANIFEST_CMDLINE_MAX = 2048,
};

struct manifest_file {
    char name[MANIFEST_TEXT_MAX];
    uint64_t size;
    struct digest digest;
};

struct manifest {
    char name[MANIFEST_TEXT_MAX];    /* "v0.1.0-node-x86_64" */
    char version[MANIFEST_TEXT_MAX]; /* "v0.1.0" */
    char profile[MANIFEST_TEXT_MAX];
    char arch[MANIFEST_TEXT_MAX];
    char channel[MANIFEST_TEXT_MAX]; /* "development" or "production" */
    char kernel[MANIFEST_TEXT_MAX];  /* release */
    char cmdline[MANIFEST_CMDLINE_MAX];
    bool unlocked;
    uint64_t epoch;
    uint64_t date; /* Unix seconds: the lock's */
    struct digest verity_root;
    struct digest lock;
    struct digest pcr11_stub;         /* after the EFI stub */
    struct digest pcr11_enter_initrd; /* where a secret may be unsealed */
    struct manifest_file files[MANIFEST_FILES_MAX];
    size_t file_count;
};

/* Appends the JSON text. The same manifest gives the same bytes everywhere. */
void manifest_format(const struct manifest *manifest, struct text *ret_text);

/* Parses and checks: every field there and of its type, nothing unknown in version 1, names without
 * slash, and the very bytes that manifest_format() writes, so that no key stands there twice and no
 * two readers can understand it differently. CODE_MANIFEST; *ret untouched then. Pure. */
MUST_USE int manifest_parse(const char *name, const uint8_t *bytes, size_t size,
                            struct manifest *ret, struct failure *f);

/* Prints the published JSON Schema. */
void manifest_print_schema(struct text *ret_text);
