/* The life of a machine on a developer's terminal: what it prints, what is typed, when it ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "vm/vm.h"

struct run_request {
    const char *generation;            /* name, for the first JSON line */
    const struct vm_forward *forwards; /* as in the machine's configuration */
    bool json;                         /* markers as JSON lines instead of the console */
    bool until_ready;
    bool throwaway;       /* nothing is kept, so it need not end in order */
    uint64_t deadline_ns; /* after the start; EVENT_NEVER: none */
};

/* Starts the machine and stays until it ends, the user leaves (Ctrl-A X, or a signal), the deadline
 * passes or, when asked for, `broch ready` was seen. Returns 0 or a failure: CODE_VM_DEADLINE,
 * CODE_VM_ENDED (before ready, or because QEMU failed). The machine is stopped in any case. */
MUST_USE int run_machine(struct vm *vm, const struct run_request *request, struct failure *f);
