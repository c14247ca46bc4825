#include "vm/config.h"

#include <errno.h>
#include <string.h>

enum { SERIAL_LENGTH_MAX = 20, HASH_DIGITS = 64, MEMORY_MIB_MIN = 64 };

#define REFUSE(f, ...) failure_set((f), CODE_VM_CONFIG, -EINVAL, __VA_ARGS__)

struct vm_config vm_config_defaults(void)
{
    return (struct vm_config){
        .secure_boot = true, .tpm = true, .watchdog = true, .memory_bytes = 1 * GIB
    };
}

size_t vm_config_disk_count(const struct vm_config *config)
{
    size_t count = 0;

    while (count < VM_DISKS_MAX && config->disks[count].path)
        count++;
    return count;
}

size_t vm_config_forward_count(const struct vm_config *config)
{
    size_t count = 0;

    while (count < VM_FORWARDS_MAX && config->forwards[count].guest_port != 0)
        count++;
    return count;
}

static bool is_made_of(const char *text, const char *allowed, size_t length_max)
{
    size_t length = strlen(text);

    return length > 0 && length <= length_max && strspn(text, allowed) == length;
}

static int check_disk(const struct vm_disk *disk, struct failure *f)
{
    static const char serial[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "-_.";

    if (disk->serial && !is_made_of(disk->serial, serial, SERIAL_LENGTH_MAX))
        return REFUSE(f, "disk '%s': bad serial '%s'", disk->path, disk->serial);
    if (disk->backing && disk->format != VM_DISK_QCOW2)
        return REFUSE(f, "disk '%s': only a qcow2 file can stand on another", disk->path);
    if (disk->boot_index < 0)
        return REFUSE(f, "disk '%s': negative boot index", disk->path);
    return 0;
}

static int check_served(const struct vm_config *config, struct failure *f)
{
    const struct vm_disk *disk = &config->disks[0];

    if (config->served &&
        (config->boot != VM_BOOT_FIRMWARE || !disk->path || disk->format != VM_DISK_RAW ||
         disk->read_only || disk->snapshot || disk->interface == VM_DISK_CDROM))
        return REFUSE(f, "a block server has firmware's variables and a raw disk to write to");
    return 0;
}

static int check_boot(const struct vm_config *config, struct failure *f)
{
    if (config->boot == VM_BOOT_DIRECT && !config->kernel)
        return REFUSE(f, "direct boot needs a kernel");
    if (config->boot == VM_BOOT_FIRMWARE && (config->initrd || config->cmdline))
        return REFUSE(f, "initrd and command line are for direct boot only");
    if (config->boot == VM_BOOT_FIRMWARE && config->secure_boot && !config->keys)
        return REFUSE(f, "Secure Boot needs a folder of certificates");
    for (size_t i = 0; i < VM_HASHES_MAX && config->forbidden_hashes[i]; i++) {
        const char *hash = config->forbidden_hashes[i];

        if (strlen(hash) != HASH_DIGITS || !is_made_of(hash, "0123456789abcdef", HASH_DIGITS))
            return REFUSE(f, "'%s' is no SHA-256 in lower-case hex", hash);
    }
    return 0;
}

/* "2001-02-03T04:05:06": each letter 'd' of the form is a digit. */
static bool is_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";

    if (strlen(text) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i]; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';

        if (form[i] == 'd' ? !digit : text[i] != form[i])
            return false;
    }
    return true;
}

static int check_network(const struct vm_config *config, struct failure *f)
{
    bool forwards = vm_config_forward_count(config) > 0;

    if (config->network == VM_NETWORK_NONE && (forwards || config->ipv6_only))
        return REFUSE(f, "forwarded ports and IPv6 need a network");
    if (config->ipv6_only && forwards)
        return REFUSE(f, "ports are forwarded over IPv4 only");
    if (config->clock && !is_time(config->clock))
        return REFUSE(f, "'%s' is no time like 2001-02-03T04:05:06", config->clock);
    return 0;
}

int vm_config_check(const struct vm_config *config, struct failure *f)
{
    int r;

    if (!config->tree || config->tree[0] != '/')
        return REFUSE(f, "the tools tree needs an absolute path");
    if (!config->folder || config->folder[0] != '/')
        return REFUSE(f, "the machine's folder needs an absolute path");
    if (config->memory_bytes % MIB != 0 || config->memory_bytes < MEMORY_MIB_MIN * MIB)
        return REFUSE(f, "memory must be a whole number of MiB, at least %d", MEMORY_MIB_MIN);
    if (config->cpus > VM_CPUS_MAX)
        return REFUSE(f, "a machine has at most %d processors", VM_CPUS_MAX);
    if (config->icount && config->accel == VM_ACCEL_KVM)
        return REFUSE(f, "virtual time needs emulation");
    r = check_boot(config, f);
    if (r == 0)
        r = check_served(config, f);
    if (r == 0)
        r = check_network(config, f);
    for (size_t i = 0; r == 0 && i < vm_config_disk_count(config); i++)
        r = check_disk(&config->disks[i], f);
    return r;
}
