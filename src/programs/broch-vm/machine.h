/* From the options of `broch run` to a machine's configuration, its folder and its disks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "programs/broch-vm/generation.h"
#include "vm/vm.h"

/* What the machine boots from. */
enum machine_medium {
    MACHINE_DISK,  /* a disk of its own */
    MACHINE_CD,    /* the live medium, which is never written */
    MACHINE_STICK, /* likewise, on USB */
};

struct machine_request {
    const char *name;                  /* of the machine */
    const char *tree;                  /* tools tree */
    const char *cache;                 /* for verdicts */
    const char *log;                   /* console log, or NULL */
    const char *disk;                  /* another disk, or NULL */
    const struct vm_forward *forwards; /* VM_FORWARDS_MAX of them, as in vm_config */
    uint64_t memory_bytes;
    uint64_t cpus;
    enum machine_medium medium;
    bool direct;
    bool secure_boot;
    bool snapshot;
    bool display;
    bool emulate;
};

struct machine {
    struct vm *vm;
    char *folder;
    char *log;
    char *overlay;
    int lock_fd; /* of a machine that keeps nothing; -1 otherwise */
    bool throwaway;
};

#define MACHINE_INIT                                                                               \
    {                                                                                              \
        .lock_fd = -1                                                                              \
    }

/* Opens the machine: folder under ${XDG_STATE_HOME:-~/.local/state}/broch/machines, disk overlay,
 * variable store. A new generation gets a new overlay and with it an empty TPM and a new variable
 * store; *ret_new_disk says so. */
MUST_USE int machine_open(const struct machine_request *request,
                          const struct generation *generation, struct machine *ret,
                          bool *ret_new_disk, struct failure *f);

/* Ends and, for a snapshot machine, removes what is left. */
void machine_done(struct machine *machine);
