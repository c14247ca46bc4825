#include "vm/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vm/block_server.h"

_Static_assert(3 + 2 * VM_DISKS_MAX <= SANDBOX_BINDS_MAX, "every file of a machine has a bind");

#define FIRMWARE_CODE "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"

void vm_command_done(struct vm_command *command)
{
    for (size_t i = 0; i < command->string_count; i++)
        free(command->strings[i]);
    *command = (struct vm_command){ .string_count = 0 };
}

static void add(struct vm_command *c, const char *argument)
{
    arguments_add(&c->arguments, argument);
}

/* A formatted string that lives as long as the command; "" when out of memory. */
static const char *ownv(struct vm_command *c, const char *format, va_list arguments)
    PRINTF_LIKE(2, 0);

static const char *ownv(struct vm_command *c, const char *format, va_list arguments)
{
    struct text value = TEXT_INIT;
    char *taken;

    text_addv(&value, format, arguments);
    taken = text_take(&value);
    if (!taken) {
        c->failed = true;
        return "";
    }
    CHECK(c->string_count < VM_COMMAND_STRINGS_MAX);
    c->strings[c->string_count++] = taken;
    return taken;
}

static const char *own(struct vm_command *c, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *own(struct vm_command *c, const char *format, ...)
{
    const char *owned;
    va_list arguments;

    va_start(arguments, format);
    owned = ownv(c, format, arguments);
    va_end(arguments);
    return owned;
}

/* Adds `option` and its formatted value. */
static void addf(struct vm_command *c, const char *option, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void addf(struct vm_command *c, const char *option, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(c, option);
    add(c, ownv(c, format, arguments));
    va_end(arguments);
}

static void add_bind(struct vm_command *c, const char *source, const char *target, bool read_only)
{
    size_t count = 0;

    while (count < SANDBOX_BINDS_MAX && c->sandbox.binds[count].source)
        count++;
    CHECK(count < SANDBOX_BINDS_MAX); /* a folder, kernel, initrd and two for each disk */
    c->sandbox.binds[count] = (struct sandbox_bind){ source, target, read_only };
}

static int finish(struct vm_command *c)
{
    return c->failed ? -ENOMEM : 0;
}

void vm_snapshot_name(size_t disk_index, char ret_name[static VM_SNAPSHOT_NAME_MAX])
{
    (void)snprintf(ret_name, VM_SNAPSHOT_NAME_MAX, "disk%zu.snapshot.qcow2", disk_index);
}

const char *vm_variables_name(const struct vm_config *config)
{
    return config->secure_boot ? "variables.fd" : "variables-setup.fd";
}

static const char *format_name(enum vm_disk_format format)
{
    return format == VM_DISK_QCOW2 ? "qcow2" : "raw";
}

/* --- Machine --- */

static void add_processor(struct vm_command *c, const struct vm_config *config, bool kvm)
{
    if (kvm)
        addf(c, "-accel", "kvm");
    else
        addf(c, "-accel", "tcg,thread=%s", config->icount ? "single" : "multi");
    if (config->icount) /* time follows the instructions, and idle time is skipped */
        addf(c, "-icount", "shift=0,sleep=off");
    if (config->icount || config->clock)
        addf(c, "-rtc", "base=%s%s", config->clock ? config->clock : "utc",
             config->icount ? ",clock=vm" : "");
    addf(c, "-cpu", "max");
    /* Emulated firmware gathers all processors, spinning, for each call into system management
     * mode: to stage 1 two of them cost the host 19 s of work, one 11.5 s. */
    addf(c, "-smp", "%u", config->cpus > 0 ? config->cpus : kvm ? 2u : 1u);
    addf(c, "-m", "%lluM", (unsigned long long)(config->memory_bytes / MIB));
}

static void add_machine(struct vm_command *c, const struct vm_config *config, bool kvm)
{
    add(c, "qemu-system-x86_64");
    add(c, "-no-user-config");
    add(c, "-nodefaults");
    /* The guest may be hostile: QEMU starts nothing and gains nothing. */
    addf(c, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny");
    addf(c, "-machine", "q35,smm=%s,vmport=off,usb=off,hpet=off",
         config->boot == VM_BOOT_FIRMWARE ? "on" : "off");
    add_processor(c, config, kvm);
    if (config->reboot_ends)
        addf(c, "-action", "reboot=shutdown");
    addf(c, "-boot", "menu=off");
}

static void add_firmware(struct vm_command *c, const struct vm_config *config)
{
    /* Only code in system management mode may write the variables; that is what makes Secure Boot
     * hold against the guest's kernel. */
    addf(c, "-global", "driver=cfi.pflash01,property=secure,value=on");
    addf(c, "-global", "ICH9-LPC.disable_s3=1");
    addf(c, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" FIRMWARE_CODE);
    if (config->served)
        addf(c, "-drive", "if=pflash,unit=1,format=raw,file=nbd+unix:///%d?socket=/vm/%s",
             BLOCK_SERVER_VARIABLES, BLOCK_SERVER_SOCKET);
    else
        addf(c, "-drive", "if=pflash,unit=1,format=raw,file=/vm/%s", vm_variables_name(config));
    /* The firmware's own network is off: it would try PXE and HTTP for half a minute. */
    addf(c, "-fw_cfg", "name=opt/org.tianocore/IPv4Support,string=no");
    addf(c, "-fw_cfg", "name=opt/org.tianocore/IPv6Support,string=no");
}

static void add_kernel(struct vm_command *c, const struct vm_config *config)
{
    add_bind(c, config->kernel, "/in/kernel", true);
    addf(c, "-kernel", "/in/kernel");
    if (config->initrd) {
        add_bind(c, config->initrd, "/in/initrd", true);
        addf(c, "-initrd", "/in/initrd");
    }
    if (config->cmdline) {
        add(c, "-append");
        add(c, config->cmdline);
    }
}

/* --- Disks --- */

/* The layers of one disk, top first; each is a block node that stands on the next. */
struct layer {
    const char *path;
    enum vm_disk_format format;
    bool read_only;
    bool throwaway;
};

enum { LAYERS_MAX = 3 };

static size_t collect_layers(struct vm_command *c, const struct vm_disk *disk, size_t index,
                             struct layer layers[static LAYERS_MAX])
{
    bool covered = disk->read_only || disk->snapshot || disk->interface == VM_DISK_CDROM;
    const char *path = own(c, "/in/disk%zu", index);
    char name[VM_SNAPSHOT_NAME_MAX];
    size_t count = 0;

    if (disk->snapshot && !disk->read_only) {
        vm_snapshot_name(index, name);
        layers[count++] = (struct layer){ own(c, "/vm/%s", name), VM_DISK_QCOW2, false, true };
    }
    add_bind(c, disk->path, path, covered);
    layers[count++] = (struct layer){ path, disk->format, covered, false };
    if (disk->backing) {
        path = own(c, "/in/base%zu", index);
        add_bind(c, disk->backing, path, true);
        layers[count++] = (struct layer){ path, disk->backing_format, true, false };
    }
    return count;
}

static void add_layers(struct vm_command *c, const struct vm_disk *disk, size_t index)
{
    struct layer layers[LAYERS_MAX];
    size_t count = collect_layers(c, disk, index, layers);

    /* Bottom first: a node must exist before another stands on it. */
    for (size_t i = count; i-- > 0;) {
        char backing[64] = "";

        if (i + 1 < count)
            (void)snprintf(backing, sizeof(backing), ",backing=disk%zu-%zu", index, i + 1);
        addf(c, "-blockdev",
             "driver=%s,node-name=disk%zu-%zu,read-only=%s,discard=unmap,cache.no-flush=%s%s,"
             "file.driver=file,file.filename=%s,file.cache.no-flush=%s",
             format_name(layers[i].format), index, i, layers[i].read_only ? "on" : "off",
             layers[i].throwaway ? "on" : "off", backing, layers[i].path,
             layers[i].throwaway ? "on" : "off");
    }
}

/* One layer, which is the server's: it has no place here. */
static void add_served(struct vm_command *c)
{
    addf(c, "-blockdev",
         "driver=nbd,node-name=disk%d-0,server.type=unix,server.path=/vm/%s,export=%d",
         BLOCK_SERVER_DISK, BLOCK_SERVER_SOCKET, BLOCK_SERVER_DISK);
}

/* Which device shows a disk, by its interface. */
static const struct {
    const char *driver;
    bool numbered_bus; /* a port of the machine's own AHCI controller */
    bool has_serial;
} disk_devices[] = {
    [VM_DISK_VIRTIO] = { "virtio-blk-pci", false, true },
    [VM_DISK_AHCI] = { "ide-hd", true, true },
    [VM_DISK_NVME] = { "nvme", false, true },
    [VM_DISK_USB] = { "usb-storage", false, true },
    [VM_DISK_CDROM] = { "ide-cd", true, false },
};

static void add_disk_device(struct vm_command *c, const struct vm_disk *disk, size_t index)
{
    char bus[32] = "", serial[64] = "", order[32] = "";

    if (disk_devices[disk->interface].numbered_bus)
        (void)snprintf(bus, sizeof(bus), ",bus=ide.%zu", index);
    if (disk_devices[disk->interface].has_serial && disk->serial)
        (void)snprintf(serial, sizeof(serial), ",serial=%s", disk->serial);
    else if (disk_devices[disk->interface].has_serial)
        (void)snprintf(serial, sizeof(serial), ",serial=disk%zu", index);
    if (disk->boot_index > 0)
        (void)snprintf(order, sizeof(order), ",bootindex=%d", disk->boot_index);
    addf(c, "-device", "%s,id=device%zu,drive=disk%zu-0%s%s%s",
         disk_devices[disk->interface].driver, index, index, bus, serial, order);
}

static void add_disks(struct vm_command *c, const struct vm_config *config)
{
    bool has_usb = false;

    for (size_t i = 0; i < vm_config_disk_count(config); i++) {
        if (config->disks[i].interface == VM_DISK_USB && !has_usb) {
            addf(c, "-device", "qemu-xhci,id=usb");
            has_usb = true;
        }
        if (config->served && i == BLOCK_SERVER_DISK)
            add_served(c);
        else
            add_layers(c, &config->disks[i], i);
        add_disk_device(c, &config->disks[i], i);
    }
}

/* --- The rest --- */

static void add_network(struct vm_command *c, const struct vm_config *config)
{
    _cleanup_text_ struct text forwards = TEXT_INIT;
    size_t count = vm_config_forward_count(config);

    if (config->network == VM_NETWORK_NONE)
        return;
    /* Who forwards listens in the host's network; what the guest may reach is another question. */
    c->sandbox.network = config->network == VM_NETWORK_USER || count > 0;
    for (size_t i = 0; i < count; i++)
        text_addf(&forwards, ",hostfwd=%s:127.0.0.1:%u-:%u",
                  config->forwards[i].udp ? "udp" : "tcp", config->forwards[i].host_port,
                  config->forwards[i].guest_port);
    c->failed = c->failed || text_status(&forwards) < 0;
    addf(c, "-netdev", "user,id=network,restrict=%s%s%s",
         config->network == VM_NETWORK_RESTRICTED ? "on" : "off",
         config->ipv6_only ? ",ipv4=off" : "", text_string(&forwards));
    addf(c, "-device", "virtio-net-pci,id=card,netdev=network,romfile=");
}

static void add_devices(struct vm_command *c, const struct vm_config *config,
                        const struct vm_command_fds *fds)
{
    addf(c, "-chardev", "socket,id=console,fd=%d", fds->console);
    addf(c, "-serial", "chardev:console");
    addf(c, "-chardev", "socket,id=monitor,fd=%d", fds->monitor);
    addf(c, "-mon", "chardev=monitor,mode=control");
    addf(c, "-object", "rng-random,id=random,filename=/dev/urandom");
    addf(c, "-device", "virtio-rng-pci,rng=random");
    if (config->tpm) {
        addf(c, "-chardev", "socket,id=tpm,fd=%d", fds->tpm);
        addf(c, "-tpmdev", "emulator,id=tpm,chardev=tpm");
        addf(c, "-device", "tpm-crb,tpmdev=tpm");
    }
    if (config->watchdog) {
        addf(c, "-device", "i6300esb");
        addf(c, "-action", "watchdog=reset");
    }
    if (config->display) {
        addf(c, "-device", "VGA");
        addf(c, "-display", "vnc=unix:/vm/display.sock");
    } else {
        addf(c, "-display", "none");
    }
}

/* Inside an option's value QEMU reads two commas as one. */
static void add_smbios(struct vm_command *c, const char *value)
{
    _cleanup_text_ struct text escaped = TEXT_INIT;

    for (const char *p = value; *p; p++)
        text_add_bytes(&escaped, *p == ',' ? ",," : p, *p == ',' ? 2 : 1);
    c->failed = c->failed || text_status(&escaped) < 0;
    addf(c, "-smbios", "type=11,value=%s", text_string(&escaped));
}

int vm_command_qemu(const struct vm_config *config, bool kvm, const struct vm_command_fds *fds,
                    struct vm_command *ret)
{
    *ret = (struct vm_command){ .sandbox = { .tree = config->tree } };
    add_bind(ret, config->folder, "/vm", false);
    add_machine(ret, config, kvm);
    if (config->boot == VM_BOOT_FIRMWARE)
        add_firmware(ret, config);
    else
        add_kernel(ret, config);
    add_disks(ret, config);
    add_network(ret, config);
    add_devices(ret, config, fds);
    for (size_t i = 0; i < VM_SMBIOS_MAX && config->smbios[i]; i++)
        add_smbios(ret, config->smbios[i]);
    for (size_t i = 0; i < VM_EXTRA_MAX && config->extra[i]; i++)
        add(ret, config->extra[i]);
    return finish(ret);
}

int vm_command_swtpm(const struct vm_config *config, int control_fd, struct vm_command *ret)
{
    *ret = (struct vm_command){ .sandbox = { .tree = config->tree } };
    add_bind(ret, config->folder, "/vm", false);
    add(ret, "swtpm");
    add(ret, "socket");
    add(ret, "--tpm2");
    addf(ret, "--tpmstate", "dir=/vm/tpm,mode=0600");
    addf(ret, "--ctrl", "type=unixio,clientfd=%d", control_fd);
    addf(ret, "--log", "file=/vm/tpm.log,level=1,truncate");
    return finish(ret);
}

int vm_command_overlay(const char *tree, const char *folder, const char *name,
                       const struct vm_disk *base, struct vm_command *ret)
{
    const char *top = base->backing ? "/in/base1" : "/in/base0";

    *ret = (struct vm_command){ .sandbox = { .tree = tree } };
    add_bind(ret, folder, "/vm", false);
    /* An overlay names what it stands on, and qemu-img follows that name: /in/base0 for one that
     * was made here before. */
    if (base->backing)
        add_bind(ret, base->backing, "/in/base0", true);
    add_bind(ret, base->path, top, true);
    add(ret, "qemu-img");
    add(ret, "create");
    add(ret, "-q");
    addf(ret, "-f", "qcow2");
    addf(ret, "-F", "%s", format_name(base->format));
    addf(ret, "-b", "%s", top);
    addf(ret, "--", "/vm/%s", name);
    return finish(ret);
}
