/* A machine's state, for the parts of vm.c: vm_process.c (QEMU and swtpm) and vm_guest.c (console
 * and monitor). Nobody else includes it. */
#pragma once

#include <sys/types.h>

#include "sys/spawn.h"
#include "vm/accel.h"
#include "vm/qmp.h"
#include "vm/scanner.h"
#include "vm/vm.h"

enum { VM_END_TEXT_MAX = 512, VM_GONE_SECONDS = 20 };

struct child {
    pid_t pid; /* 0: not running */
    struct event_source *source;
};

struct vm {
    struct vm_config config;
    int lock_fd;
    struct event_loop *loop;

    struct child qemu;
    struct child tpm;
    int life_fd; /* reads as ended when the last process of this start is gone */
    int log_fd;
    int console_fd;
    int monitor_fd;
    struct event_source *console;
    struct event_source *monitor;

    struct scanner scanner;
    vm_output output;
    void *output_context;
    char *console_log;

    struct qmp qmp;
    bool greeted;
    bool printed; /* something came from the guest since the last reset */
    uint64_t last_id;
    uint64_t awaited_id;      /* 0: nobody waits */
    struct qmp_message reply; /* object: NULL until it is there */
    int monitor_error;        /* what the protocol broke with */

    enum vm_end_reason intended; /* why we are ending it */
    enum vm_end_reason end;
    char end_text[VM_END_TEXT_MAX];
    char guest_reason[32]; /* what QEMU said about its end */
    struct vm_counts counts;
    struct vm_accel_choice accel;
    bool accel_chosen;
};

int vm_out_of_memory(struct failure *f);

/* Closes the descriptor now, and marks it as closed. */
void vm_close_now(int *fd);

/* Starts swtpm, when the machine has a TPM, and QEMU. */
MUST_USE int vm_process_start(struct vm *vm, struct failure *f);

/* Ends what is left of the start; when it returns nothing of it runs, and no lock is held. */
void vm_process_close(struct vm *vm);

/* Takes over both ends and watches them. */
MUST_USE int vm_guest_attach(struct vm *vm, int *console_fd, int *monitor_fd, struct failure *f);

/* Handles what QEMU has said by now; what the guest has printed by now. */
void vm_guest_drain_monitor(struct vm *vm);
void vm_guest_drain_console(struct vm *vm);
