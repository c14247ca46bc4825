/* Decides which kernel modules go into the initrd, and writes the plan that stage 1 reads
 * (src/boot/initrd.h has its grammar). Works on depmod's text files; pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

enum { PLAN_FILES_MAX = 256, PLAN_DRIVERS_MAX = 64, PLAN_REQUESTS_MAX = 8 };

/* Modules wanted on a condition: nothing (always), or a request word of stage 1. */
struct plan_request {
    const char *word; /* NULL: always */
    const char *modules[8];
};

struct plan_wish {
    struct plan_request requests[PLAN_REQUESTS_MAX];
    const char *drivers[PLAN_DRIVERS_MAX]; /* loaded when a device's modalias asks for them */
};

/* What the initrd of a slot needs with Debian's kernel. */
extern const struct plan_wish plan_slot;

struct plan {
    struct text text;            /* the file /broch/modules */
    char *files[PLAN_FILES_MAX]; /* relative to the modules folder, e.g.
                                    "kernel/fs/erofs/erofs.ko.xz" */
    size_t file_count;
};

#define PLAN_INIT                                                                                  \
    {                                                                                              \
        .file_count = 0                                                                            \
    }

void plan_done(struct plan *plan);

/* `dep`, `alias` and `builtin` are the contents of modules.dep, modules.alias and modules.builtin.
 * A wished module that is built in needs nothing; one that does not exist is CODE_STEP_FAILED by
 * name, as is one that is packed otherwise than by xz. */
MUST_USE int plan_make(const struct plan_wish *wish, const char *dep, const char *alias,
                       const char *builtin, struct plan *ret, struct failure *f);
