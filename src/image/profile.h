/* A profile: the folder that describes one kind of machine.
 *
 *     profile.toml   what this header declares; the schema is docs/reference/profile.schema.json
 *     packages.txt   Debian packages (package_list.h), with packages.<arch>.lock beside it
 *     overlay/       files laid over the packages' as they are; a name ending in ".in" is a
 * template */
#pragma once

#include "base/failure.h"
#include "base/schema.h"
#include "trust/digest.h"

struct profile_budgets {
    uint64_t uki;
    uint64_t initrd;
    uint64_t system;
};

struct profile_disk {
    uint64_t slot;    /* size of each of the two slots */
    uint64_t persist; /* room left behind them in disk.raw */
};

struct profile_services {
    struct schema_list enable;
};

struct profile {
    char *name; /* equal to the folder's name */
    char *description;
    char *base;   /* "debian" */
    char *init;   /* "s6" */
    char *kernel; /* KERNEL_DEBIAN, KERNEL_BROCH */
    int64_t epoch;
    struct schema_list cmdline; /* further words of the kernel command line */
    struct profile_budgets budgets;
    struct profile_disk disk;
    struct profile_services services;

    char *folder; /* not of the file: where it was read from */
};

/* The kinds of kernel: Debian's package, and our own (kernel_own.h). */
#define KERNEL_DEBIAN "debian"
#define KERNEL_BROCH  "broch"

/* Whether it is one of them. */
MUST_USE bool profile_is_kernel(const char *kind);

extern const struct schema profile_schema;

void profile_done(struct profile *profile);

/* Reads <source>/profiles/<name>/profile.toml. CODE_PROFILE_UNKNOWN (with the nearest name),
 * CODE_SYNTAX, CODE_SCHEMA. */
MUST_USE int profile_read(const char *source, const char *name, struct profile *ret,
                          struct failure *f);
