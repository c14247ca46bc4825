/* The command lines of QEMU and swtpm, as data. Pure: a configuration in, arguments and sandbox
 * binds out.
 *
 * Inside the sandbox the machine's folder is /vm and every other file has a fixed name under /in,
 * so no host path is ever part of an option that QEMU would split at commas. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "sys/spawn.h"
#include "vm/config.h"

enum { VM_COMMAND_STRINGS_MAX = SPAWN_ARGUMENTS_MAX };

struct vm_command {
    struct arguments arguments; /* points into `strings` and into the configuration */
    struct sandbox sandbox;
    char *strings[VM_COMMAND_STRINGS_MAX]; /* what was formatted, freed by vm_command_done() */
    size_t string_count;
    bool failed; /* out of memory */
};

/* What the child inherits; -1: not there. */
struct vm_command_fds {
    int console;
    int monitor;
    int tpm;
};

/* The snapshot file of a disk in the machine's folder (a name without folder). */
enum { VM_SNAPSHOT_NAME_MAX = 32 };
void vm_snapshot_name(size_t disk_index, char ret_name[static VM_SNAPSHOT_NAME_MAX]);

/* Name of the variable store in the machine's folder: one with keys, another in setup mode, so that
 * switching Secure Boot off and on does not lose entries. */
const char *vm_variables_name(const struct vm_config *config);

/* QEMU. `config` was checked; `kvm` decides the accelerator, whatever config->accel says. Returns 0
 * or -ENOMEM; *ret is to be released in both cases. */
MUST_USE int vm_command_qemu(const struct vm_config *config, bool kvm,
                             const struct vm_command_fds *fds, struct vm_command *ret);

/* swtpm, on one end of a socket pair. */
MUST_USE int vm_command_swtpm(const struct vm_config *config, int control_fd,
                              struct vm_command *ret);

/* qemu-img: a new overlay at folder/name on the disk `base`, which may itself be one. */
MUST_USE int vm_command_overlay(const char *tree, const char *folder, const char *name,
                                const struct vm_disk *base, struct vm_command *ret);

void vm_command_done(struct vm_command *command);
#define _cleanup_vm_command_ __attribute__((cleanup(vm_command_done)))
