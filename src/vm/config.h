/* What a virtual machine is made of. All strings and arrays are borrowed and must live as long as
 * the machine that uses them; paths are host paths, absolute ones unless said otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/number.h"

enum {
    VM_DISKS_MAX = 6,
    VM_SMBIOS_MAX = 16,
    VM_EXTRA_MAX = 32,
    VM_HASHES_MAX = 16,
    VM_CPUS_MAX = 64,
    VM_FORWARDS_MAX = 128,
};

enum vm_boot {
    VM_BOOT_FIRMWARE, /* OVMF starts what the disks or the boot entries hold */
    VM_BOOT_DIRECT,   /* QEMU starts kernel, initrd and cmdline itself, without UEFI */
};

enum vm_disk_format { VM_DISK_RAW, VM_DISK_QCOW2 };

enum vm_disk_interface {
    VM_DISK_VIRTIO,
    VM_DISK_AHCI,
    VM_DISK_NVME,
    VM_DISK_USB,
    VM_DISK_CDROM,
};

struct vm_disk {
    const char *path;
    enum vm_disk_format format;
    enum vm_disk_interface interface;
    const char *backing; /* what a qcow2 overlay stands on (see vm_disk_overlay()), or NULL */
    enum vm_disk_format backing_format;
    const char *serial; /* letters, digits, '-', '_' and '.', at most 20; NULL: "disk<index>" */
    bool read_only;
    bool snapshot;  /* what the guest writes is gone at the end of each start */
    int boot_index; /* > 0: place in the firmware's order; 0: the firmware decides */
};

enum vm_accel {
    VM_ACCEL_AUTO, /* KVM when it was proved to boot this kernel here, emulation otherwise */
    VM_ACCEL_TCG,
    VM_ACCEL_KVM, /* no proof: the machine fails when it does not work */
};

enum vm_network {
    VM_NETWORK_NONE,
    VM_NETWORK_RESTRICTED, /* a card and an address, but nothing outside is reachable */
    VM_NETWORK_USER,       /* the guest may reach what this user may reach */
};

/* A port of the guest that 127.0.0.1 of the host leads to, whatever the guest may reach itself. */
struct vm_forward {
    bool udp;
    uint16_t guest_port;
    uint16_t host_port; /* 0: a free one, which vm_forwarded_port() tells */
};

struct vm_config {
    const char *tree;        /* tools tree: QEMU, OVMF, swtpm and virt-fw-vars come from it */
    const char *folder;      /* made when missing; everything the machine leaves lies in it */
    const char *cache;       /* verdicts about KVM; NULL: none are kept */
    const char *console_log; /* NULL: console.log in the folder; replaced at each start */

    enum vm_boot boot;
    const char *kernel;  /* the kernel file; under firmware only what the KVM verdict is about */
    const char *initrd;  /* direct boot; may be NULL */
    const char *cmdline; /* direct boot; passed byte for byte; may be NULL */

    struct vm_disk disks[VM_DISKS_MAX]; /* ends at the first without a path */
    bool served; /* the first disk (raw) and the variable store are had from a block server in the
                    folder (block_server.h), which runs before each start */

    bool secure_boot; /* firmware: enrol PK, KEK and db from `keys`; off: setup mode, no keys */
    const char *keys; /* folder with PK.crt, KEK.crt and db.crt, PEM or DER */
    const char *forbidden_hashes[VM_HASHES_MAX]; /* SHA-256 in hex, into dbx; ends at NULL */
    bool tpm;
    bool watchdog; /* i6300esb; when it fires the machine is reset */

    uint64_t memory_bytes; /* a whole number of MiB */
    unsigned cpus;         /* 0: one when emulated, two under KVM */
    enum vm_accel accel;
    bool icount; /* virtual time, the same in every run; emulation on one thread */
    enum vm_network network;
    bool ipv6_only; /* no IPv4 on the network: no DHCP, router advertisements only, no forwards */
    struct vm_forward forwards[VM_FORWARDS_MAX]; /* ends at the first without a guest port */
    const char *clock; /* what the clock chip says at the start, "2001-02-03T04:05:06"; NULL: now */
    bool display;      /* a screen, reachable by VNC at display.sock in the folder */
    bool reboot_ends;  /* a reset by the guest ends the start instead of booting again */

    const char *smbios[VM_SMBIOS_MAX + 1]; /* type 11 strings; ends at NULL */
    const char *extra[VM_EXTRA_MAX + 1];   /* further arguments of QEMU; ends at NULL */
};

/* What most machines have: firmware, Secure Boot, TPM, watchdog, 1 GiB, as many processors
 * as suit the accelerator. The rest is empty; tree and folder at least must be set. */
struct vm_config vm_config_defaults(void);

size_t vm_config_disk_count(const struct vm_config *config);
size_t vm_config_forward_count(const struct vm_config *config);

/* Looks for what cannot be started: 0, or -EINVAL with CODE_VM_CONFIG naming the field. Reads no
 * file. */
MUST_USE int vm_config_check(const struct vm_config *config, struct failure *f);
