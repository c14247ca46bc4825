/* What a generation is made of: components, and every file of the system image, of the initrd and
 * of the boot file, each belonging to exactly one of them (docs/reference/sbom.md).
 *
 *     system/usr/bin/bash    a file of the system image
 *     initrd/init            a file of the initrd
 *     linux.efi/.linux       a section of the boot file, but .initrd, whose files are named above
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/contents.h"
#include "image/lock.h"
#include "base/span.h"
#include "trust/digest.h"

enum sbom_kind {
    SBOM_DEBIAN, /* a package of the profile's lock */
    SBOM_TOOLS,  /* a package of the tools tree: a library or the stub came from it */
    SBOM_OWN,    /* compiled from Broch's source, or the profile's overlay */
    SBOM_MADE,   /* made by the build or by a package's own scripts */
};

enum { SBOM_COMPONENTS_MAX = 1024, SBOM_TEXT_MAX = 256 };

struct sbom_component {
    enum sbom_kind kind;
    char name[SBOM_TEXT_MAX];
    char version[SBOM_TEXT_MAX]; /* empty: not known */
    char arch[SBOM_TEXT_MAX];    /* of a package */
    struct digest package;       /* SHA-256 of the .deb */
    bool has_package;
    char *licence; /* SPDX expression; NULL: nobody asserts one. Owned */
};

struct sbom_file {
    char *path; /* owned */
    size_t component;
    struct digest digest;
    uint8_t sha1[CONTENTS_SHA1_SIZE];
};

struct sbom {
    const char *generation, *version; /* borrowed */
    uint64_t date;                    /* Unix seconds */
    struct sbom_component components[SBOM_COMPONENTS_MAX];
    size_t component_count;
    struct sbom_file *files; /* owned */
    size_t file_count, file_capacity;
};

void sbom_done(struct sbom *sbom);

/* The component with this name and kind, made when there is none: version and sum come from the
 * lock, where it is there. -ERANGE. */
MUST_USE int sbom_component(struct sbom *sbom, enum sbom_kind kind, const char *name,
                            const struct lock *lock, size_t *ret);

/* -ENOMEM. Everything is copied. */
MUST_USE int sbom_add_file(struct sbom *sbom, const char *root, const char *path, size_t component,
                           const struct digest *digest,
                           const uint8_t sha1[static CONTENTS_SHA1_SIZE]);

/* Appends the documents: SPDX 2.3 and CycloneDX 1.5, as JSON. The same input gives the same bytes.
 */
void sbom_add_spdx(const struct sbom *sbom, struct text *t);
void sbom_add_cyclonedx(const struct sbom *sbom, struct text *t);
