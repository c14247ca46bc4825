#include "programs/broch-disk/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "disk/pcr7.h"
#include "programs/broch-disk/state.h"
#include "sys/attribute.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "update/slot_device.h"

#define LOG       "/sys/kernel/security/tpm0/binary_bios_measurements"
#define PCR7      "/sys/class/tpm/tpm0/pcr-sha256/7"
#define MOUNT_AT  "/run/broch/slot"
#define BOOT_FILE MOUNT_AT "/EFI/broch/linux.efi"

enum { BOOT_FILE_MAX = 64 << 20, ATTRIBUTES_SIZE = 4, BOOT_SECTOR_SIZE = 512 };

void firmware_done(struct firmware *m)
{
    for (size_t i = 0; i < KEY_VARIABLE_MAX_; i++)
        free(m->plan.variables[i].bytes);
    boot_signature_free(m->running);
    boot_signature_free(m->spare);
    free(m->log);
}

/* --- The firmware's lists --- */

/* A variable that is not there holds nothing. */
static int read_variable(enum key_variable variable, struct plan_lists *ret, struct failure *f)
{
    _cleanup_free_ char *path = text_make(EFIVARS_FOLDER "/%s-%s", key_variable_name(variable),
                                          key_variable_guid(variable));
    uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, ATTRIBUTES_SIZE + SIGNATURE_LISTS_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (size < ATTRIBUTES_SIZE) {
        free(bytes);
        return failure_set(f, CODE_SECUREBOOT_FILE, -EBADMSG, "'%s' is too short", path);
    }
    ret->size = size - ATTRIBUTES_SIZE;
    memmove(bytes, bytes + ATTRIBUTES_SIZE, ret->size);
    ret->bytes = bytes;
    return 0;
}

/* --- Boot files --- */

static int read_boot_file(struct boot_signature **ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(BOOT_FILE, BOOT_FILE_MAX, &bytes, &size, f);

    return r < 0 ? r : boot_signature_read(bytes, size, ret, f);
}

static int read_slot(const struct slot_device *slot, struct boot_signature **ret, struct failure *f)
{
    const struct mount_request request = { slot->path, MOUNT_AT, "vfat",
                                           MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC,
                                           "umask=077" };
    int r = mount_make(&request);

    if (r < 0)
        return failure_set(f, CODE_IO, r, "cannot mount %s: %s", slot->path, strerror(-r));
    r = read_boot_file(ret, f);
    if (umount2(MOUNT_AT, 0) < 0 && r == 0)
        r = failure_set(f, CODE_IO, -errno, "cannot unmount %s", slot->path);
    return r;
}

/* What every FAT has, and few other things that lie there. */
static bool has_boot_sector(const char *path)
{
    uint8_t sector[BOOT_SECTOR_SIZE];
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || pread(fd, sector, sizeof(sector), 0) != (ssize_t)sizeof(sector) ||
           (sector[BOOT_SECTOR_SIZE - 2] == 0x55 && sector[BOOT_SECTOR_SIZE - 1] == 0xaa);
}

/* The other slot may be empty: without a file system or without a boot file there is nothing to
 * keep. Whatever else cannot be read, the firmware may start. */
static void read_spare(const struct slot_device *slot, struct firmware *m)
{
    struct failure why = FAILURE_NONE;
    int r = read_slot(slot, &m->spare, &why);

    if (r == 0 || r == -ENOENT || (r == -EINVAL && !has_boot_sector(slot->path)))
        return;
    (void)failure_set(&m->spare_unread, CODE_SECUREBOOT_UNJUDGED, r, "the boot file in slot %c: %s",
                      slot->letter, why.text);
}

static int read_slots(struct firmware *m, struct failure *f)
{
    struct slot_devices slots;
    int r = slot_devices_find(m->facts.partuuid, &slots, f);

    if (r == 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        r = failure_set(f, CODE_IO, -errno, "no place to mount a slot at");
    if (r == 0)
        r = read_slot(&slots.running, &m->running, f);
    if (r == 0)
        read_spare(&slots.other, m);
    m->plan.running = m->running;
    m->plan.spare = m->spare;
    return r;
}

/* --- The whole --- */

static int read_sealed(struct firmware *m, struct failure *f)
{
    struct state state;
    int r = state_read(&state, f);

    return r < 0 || !state.open ? r : sealed_read(state.partition, &m->sealed, f);
}

/* The kernel's files tell no size. */
static int read_log(uint8_t **ret, size_t *ret_size, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = malloc(EVENT_LOG_SIZE_MAX + 1);
    int size = bytes ? attribute_read(AT_FDCWD, LOG, bytes, EVENT_LOG_SIZE_MAX + 1) : -ENOMEM;

    if (size < 0)
        return failure_set(f, CODE_EVENT_LOG, size, "cannot read " LOG ": %s", strerror(-size));
    *ret_size = (size_t)size;
    *ret = take_ptr(bytes);
    return 0;
}

int firmware_read_log(struct firmware *m, struct failure *f)
{
    int r = strcmp(m->facts.tpm, "on") == 0 ? read_log(&m->log, &m->plan.log_size, f) : 0;

    m->plan.log = m->log;
    return r;
}

int firmware_read(struct firmware *ret, struct failure *f)
{
    int r = facts_read(FACTS_PATH, &ret->facts, f);

    ret->plan.secure_boot = r == 0 && strcmp(ret->facts.secure_boot, "on") == 0;
    for (enum key_variable v = KEY_VARIABLE_PK; r == 0 && v < KEY_VARIABLE_MAX_; v++)
        r = read_variable(v, &ret->plan.variables[v], f);
    if (r == 0)
        r = read_sealed(ret, f);
    return r < 0 ? r : read_slots(ret, f);
}

static int read_pcr7(uint8_t ret[static EVENT_DIGEST_SIZE], struct failure *f)
{
    char digits[2 * EVENT_DIGEST_SIZE + 2];
    int size = attribute_read_line(AT_FDCWD, PCR7, digits, sizeof(digits));

    if (size > 0 && hex_decode(digits, (size_t)size, ret, EVENT_DIGEST_SIZE) == 0)
        return 0;
    return failure_set(f, CODE_IO, size < 0 ? size : -EBADMSG, "cannot read " PCR7);
}

int firmware_predict(const struct firmware *m, const struct plan *plan,
                     uint8_t ret[static EVENT_DIGEST_SIZE], struct failure *f)
{
    const struct pcr7_change change = { key_variable_name(plan->target.variable), plan->after.bytes,
                                        plan->after.size };
    struct pcr7_record record = { .log = m->log, .size = m->plan.log_size };
    int r = read_pcr7(record.live, f);

    return r < 0 ? r : pcr7_predict(&record, &change, 1, ret, f);
}

int firmware_write(const struct plan *plan, const void *file, size_t size, struct failure *f)
{
    const enum key_variable v = plan->target.variable;
    _cleanup_close_ int fd = open(EFIVARS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct plan_lists now = { .bytes = NULL };
    int r = fd < 0 ? -errno
                   : efivars_write_signed(fd, key_variable_name(v), key_variable_guid(v),
                                          plan->target.append, file, size);

    if (r < 0)
        return failure_set(f, CODE_SECUREBOOT_FIRMWARE, r, "%s: %s", key_variable_name(v),
                           strerror(-r));
    r = read_variable(v, &now, f);
    if (r == 0 &&
        (now.size != plan->after.size || memcmp(now.bytes, plan->after.bytes, now.size) != 0))
        r = failure_set(f, CODE_SECUREBOOT_FIRMWARE, -EIO,
                        "%s holds something else than was planned", key_variable_name(v));
    free(now.bytes);
    return r;
}
