/* A virtual machine: QEMU q35 with OVMF, swtpm, virtio devices and a watchdog, from the tools tree.
 * `broch run` and the VM tests use the same library.
 *
 * One machine is one folder, locked while it is open. It keeps the variable store, the TPM's state
 * and the logs; each start boots with what the start before left. A start ends by itself (the guest
 * powers off), by vm_stop() or by vm_power_cut(); afterwards vm_start() boots again. Nothing
 * outlives this process: QEMU and swtpm live in PID namespaces that the kernel ends with us.
 *
 * The library is synchronous: the guest's console and QEMU's events are read inside vm_* calls,
 * and a guest that prints much waits meanwhile. Everything below may block; nothing logs. Failures:
 * CODE_VM_START (QEMU or swtpm), CODE_VM_DEADLINE (-ETIMEDOUT), CODE_VM_ENDED (-ESHUTDOWN: the
 * start ended, which is reported at once and never as a timeout), CODE_VM_BUSY, CODE_VM_CONFIG,
 * CODE_VM_VARIABLES, and CODE_IO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "base/failure.h"
#include "sys/event.h"
#include "vm/config.h"

struct vm;

/* --- Life --- */

/* Locks the folder and prepares it: a variable store with the keys enrolled unless there is one
 * with these keys, an empty TPM. Starts nothing. *ret_vm is ended by vm_close(). -EWOULDBLOCK with
 * CODE_VM_BUSY when another process has the folder. */
MUST_USE int vm_open(const struct vm_config *config, struct vm **ret_vm, struct failure *f);

/* Ends a running start (power cut), unlocks, frees. Accepts NULL; returns NULL. */
struct vm *vm_close(struct vm *vm);

/* Another configuration for the next start, with the same folder; the machine must not run. */
MUST_USE int vm_configure(struct vm *vm, const struct vm_config *config, struct failure *f);

/* Forgets what the firmware and the TPM remember of former starts: variables, boot entries, sealed
 * secrets. Disks and logs stay. The machine must not run. */
MUST_USE int vm_forget(struct vm *vm, struct failure *f);

/* Boots. The first start of a machine with VM_ACCEL_AUTO may spend up to 15 s on the proof that KVM
 * works. Console text of the start before is forgotten. */
MUST_USE int vm_start(struct vm *vm, struct failure *f);

bool vm_running(const struct vm *vm);

/* The accelerator of the last start: "kvm" or "tcg", and why it was chosen ("" when the
 * configuration said so). Valid until the next start. */
const char *vm_acceleration(const struct vm *vm, const char **ret_reason);

/* Kills QEMU and swtpm at once, as a power failure would; returns when both are gone. */
MUST_USE int vm_power_cut(struct vm *vm, struct failure *f);

/* Presses the power button, and quits QEMU when the guest has not powered off within `grace_ns`
 * (0: quits at once). A machine that does not run is fine. */
MUST_USE int vm_stop(struct vm *vm, uint64_t grace_ns, struct failure *f);

/* Presses the reset button. */
MUST_USE int vm_reset(struct vm *vm, struct failure *f);

/* --- How it ended, and what happened --- */

enum vm_end_reason {
    VM_END_NONE,     /* it runs, or never ran */
    VM_END_POWEROFF, /* the guest switched itself off */
    VM_END_REBOOT,   /* the guest reset itself and the configuration says that this is the end */
    VM_END_STOPPED,  /* vm_stop() without the guest's help */
    VM_END_CUT,      /* vm_power_cut() */
    VM_END_FAILED,   /* QEMU or swtpm ended by itself; see vm_end_text() */
};

/* Waits until the start has ended. -ETIMEDOUT with CODE_VM_DEADLINE. */
MUST_USE int vm_wait_end(struct vm *vm, uint64_t timeout_ns, enum vm_end_reason *ret_reason,
                         struct failure *f);

/* How the last start ended, and in words ("the guest powered off"). */
enum vm_end_reason vm_end(const struct vm *vm);
const char *vm_end_text(const struct vm *vm);

/* Counted since vm_open(). A boot is a start or a reset; resets in a row, without console output
 * between them, are one (firmware resets itself while it starts). */
struct vm_counts {
    unsigned boots;
    unsigned starts;
    unsigned guest_resets; /* by the guest, the watchdog's among them */
    unsigned host_resets;  /* vm_reset() */
    unsigned watchdogs;
};
struct vm_counts vm_counts(const struct vm *vm);

/* --- Console --- */

struct vm_match {
    size_t index;     /* in `texts` */
    const char *line; /* the whole line, valid until the next call on this machine */
};

/* Waits for a complete console line that holds one of texts[0..count). Lines are looked at in
 * order and once: the next wait begins behind the line that was returned. */
MUST_USE int vm_wait_marker(struct vm *vm, const char *const *texts, size_t count,
                            uint64_t timeout_ns, struct vm_match *ret, struct failure *f);

/* Waits for a text that need not end its line (a login prompt). The next wait begins behind it. */
MUST_USE int vm_wait_prompt(struct vm *vm, const char *text, uint64_t timeout_ns,
                            struct failure *f);

/* Consumes the next complete line if there is one; does not wait. */
MUST_USE bool vm_next_line(struct vm *vm, const char **ret_line);

/* Sends bytes to the serial console. */
MUST_USE int vm_type(struct vm *vm, const char *text, struct failure *f);
MUST_USE int vm_type_bytes(struct vm *vm, const void *bytes, size_t size, struct failure *f);

/* Presses keys of the machine's keyboard, one after the other: digits, small letters, space, '-',
 * and enter for a newline. Other characters are -EINVAL with CODE_VM_CONFIG. */
MUST_USE int vm_press_keys(struct vm *vm, const char *text, struct failure *f);

/* All text of this start so far, without control sequences; valid until the next call. */
const char *vm_console(const struct vm *vm);

/* Where the raw bytes are kept. */
const char *vm_console_log(const struct vm *vm);

/* Called with every piece of raw output, before it is searched for lines. NULL: nobody. */
typedef void (*vm_output)(const void *bytes, size_t size, void *context);
void vm_set_output(struct vm *vm, vm_output output, void *context);

/* --- Monitor --- */

/* Sends a QMP command and waits for its reply. `arguments` may be NULL and stays the caller's;
 * *ret_reply ("return" of the reply) is put by the caller, and may be NULL when nobody wants it.
 * A refusal is -EPROTO with QEMU's words. */
MUST_USE int vm_qmp(struct vm *vm, const char *command, json_object *arguments,
                    json_object **ret_reply, struct failure *f);

/* The host's port that leads to the guest's port of config->forwards[index], once it runs. */
MUST_USE int vm_forwarded_port(struct vm *vm, size_t index, uint16_t *ret_port, struct failure *f);

/* Plugs the network cable in or pulls it out. */
MUST_USE int vm_set_link(struct vm *vm, bool up, struct failure *f);

/* --- For programs with more to watch than the machine --- */

/* The loop that the machine's sources are in; sources may be added, and are freed before the
 * machine. */
struct event_loop *vm_loop(struct vm *vm);

/* Handles events until something happened or the deadline passed: 1, 0, or a failure. The end of
 * the machine is no failure here. */
MUST_USE int vm_step(struct vm *vm, uint64_t deadline_ns, struct failure *f);

/* --- Disks --- */

/* Makes folder/name, a new qcow2 overlay on `base`, which stays as it is. The overlay is then used
 * with vm_disk.backing = base->path. */
MUST_USE int vm_disk_overlay(const char *tree, const char *folder, const char *name,
                             const struct vm_disk *base, struct failure *f);
