#include "update/confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "boot/attempts.h"
#include "boot/initrd.h"
#include "sys/boot_manager.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "update/ticket.h"

enum { UKI_MAX = 256 << 20 };

#define UKI_FILE     "EFI/broch/linux.efi"
#define DEFAULT_FILE "EFI/BOOT/BOOTX64.EFI"

static int fail(struct failure *f, int r, const char *what)
{
    return failure_set(f, CODE_UPDATE_CONFIRM, r, "%s: %s", what, strerror(-r));
}

static void read_guid(const struct slot_device *slot, uint8_t ret[static BOOT_ENTRY_GUID_SIZE])
{
    int r = boot_entry_guid_parse(slot->uuid, ret);

    CHECK(r == 0); /* slot_devices_find() gives nothing else */
}

static const struct boot_manager_entry *find(const struct boot_manager *m,
                                             const struct slot_device *slot)
{
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];

    read_guid(slot, guid);
    return boot_manager_find(m, guid);
}

static bool is_ours(const struct boot_manager_entry *e, const struct confirm *c)
{
    uint8_t own[BOOT_ENTRY_GUID_SIZE], other[BOOT_ENTRY_GUID_SIZE];

    read_guid(&c->slots->running, own);
    read_guid(&c->slots->other, other);
    return e->is_slot && (memcmp(e->partition.guid, own, sizeof(own)) == 0 ||
                          memcmp(e->partition.guid, other, sizeof(other)) == 0);
}

static const struct boot_manager_entry *by_number(const struct boot_manager *m, uint16_t number)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->entries[i].number == number)
            return &m->entries[i];
    }
    return NULL;
}

static bool is_number_of_ours(const struct boot_manager *m, const struct confirm *c,
                              uint16_t number)
{
    const struct boot_manager_entry *e = by_number(m, number);

    return e && is_ours(e, c);
}

/* --- Attempts --- */

static struct attempts pair(const struct confirm *c)
{
    struct attempts a = { .slots = { { .count = 0 } } };
    const struct slot_devices *slots = c->slots;

    read_guid(slots->running.letter == 'A' ? &slots->running : &slots->other, a.slots[0].guid);
    read_guid(slots->running.letter == 'A' ? &slots->other : &slots->running, a.slots[1].guid);
    return a;
}

static void read_attempts(const struct confirm *c, struct attempts *ret)
{
    uint8_t bytes[ATTEMPTS_SIZE];
    int r = efivars_read(c->efivars_fd, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, bytes, sizeof(bytes));

    attempts_decode(bytes, r < 0 ? 0 : (size_t)r, ret);
}

static size_t other_index(const struct confirm *c)
{
    return c->slots->other.letter == 'A' ? 0 : 1;
}

static int write_attempts(const struct confirm *c, const struct attempts *wanted, struct failure *f)
{
    uint8_t bytes[ATTEMPTS_SIZE], former[ATTEMPTS_SIZE];
    struct attempts now;
    int r;

    attempts_encode(wanted, bytes);
    read_attempts(c, &now);
    attempts_encode(&now, former);
    if (memcmp(bytes, former, sizeof(bytes)) == 0)
        return 0; /* flash wears out */
    r = efivars_write(c->efivars_fd, EFIVARS_ATTEMPTS, bytes, sizeof(bytes));
    return r < 0 ? fail(f, r, "the count of attempts cannot be cleared") : 0;
}

/* At a slot's last start without a verdict stage 1 has told the firmware to start the other slot
 * next. Nobody else's BootNext is touched. */
static int take_back_next(const struct confirm *c, const struct attempts *now, struct failure *f)
{
    uint8_t own[ATTEMPTS_GUID_SIZE];
    int found, r;

    read_guid(&c->slots->running, own);
    found = attempts_find(now, own);
    if (found < 0 || now->slots[found].count < ATTEMPTS_MAX)
        return 0;
    r = efivars_remove_global(c->efivars_fd, "BootNext");
    return r < 0 ? fail(f, r, "BootNext cannot be removed") : 0;
}

int confirm_attempts(const struct confirm *c, bool forgive, struct failure *f)
{
    struct attempts wanted = pair(c), now;
    size_t other = other_index(c);
    int found, r;

    read_attempts(c, &now);
    r = take_back_next(c, &now, f);
    if (r < 0)
        return r;
    found = attempts_find(&now, wanted.slots[other].guid);
    if (!forgive && found >= 0)
        wanted.slots[other].failed = now.slots[found].failed;
    r = write_attempts(c, &wanted, f);
    if (r == 0 && efivars_remove(c->efivars_fd, EFIVARS_REASON) < 0)
        r = fail(f, -EIO, "the reason of the last failure cannot be removed");
    return r;
}

/* --- Entries --- */

static int free_number(const struct boot_manager *m, uint16_t *ret)
{
    for (uint32_t number = 0; number <= UINT16_MAX; number++) {
        if (!by_number(m, (uint16_t)number)) {
            *ret = (uint16_t)number;
            return 0;
        }
    }
    return -ENOSPC;
}

/* Writes an entry for a slot that has none, or another place in its table than now. */
static int make_entry(const struct confirm *c, const struct slot_device *slot, struct failure *f)
{
    static struct boot_manager m;
    const struct boot_manager_entry *e;
    struct boot_partition partition = { .number = slot->number,
                                        .first_block = slot->first_block,
                                        .block_count = slot->block_count };
    char description[] = "Broch A";
    uint16_t number;
    int r = boot_manager_read(c->efivars_fd, &m);

    if (r < 0)
        return fail(f, r, "the boot entries cannot be read");
    read_guid(slot, partition.guid);
    description[6] = slot->letter;
    e = find(&m, slot);
    if (e && e->active && memcmp(&e->partition, &partition, sizeof(partition)) == 0)
        return 0;
    if (e)
        number = e->number;
    else
        r = free_number(&m, &number);
    if (r == 0)
        r = boot_manager_write_entry(c->efivars_fd, number, description, &partition);
    return r < 0 ? fail(f, r, "a boot entry cannot be written") : 0;
}

static int remove_entry(const struct confirm *c, uint16_t number, struct failure *f)
{
    char name[BOOT_ENTRY_NAME_SIZE];
    int r;

    boot_entry_name(number, name);
    r = efivars_remove_global(c->efivars_fd, name);
    return r < 0 ? fail(f, r, "a boot entry cannot be removed") : 0;
}

/* Entries of ours but for the one of each slot that `keep_other` leaves. */
static int remove_spare_entries(const struct confirm *c, bool keep_other, struct failure *f)
{
    static struct boot_manager m;
    const struct boot_manager_entry *own, *other;
    int r = boot_manager_read(c->efivars_fd, &m);

    if (r < 0)
        return fail(f, r, "the boot entries cannot be read");
    own = find(&m, &c->slots->running);
    other = keep_other ? find(&m, &c->slots->other) : NULL;
    for (size_t i = 0; r == 0 && i < m.count; i++) {
        const struct boot_manager_entry *e = &m.entries[i];

        if (is_ours(e, c) && e != own && e != other)
            r = remove_entry(c, e->number, f);
    }
    return r;
}

static int write_order(const struct confirm *c, bool with_other, struct failure *f)
{
    static struct boot_manager m;
    static uint16_t order[BOOT_MANAGER_ORDER_MAX + 2];
    const struct boot_manager_entry *own, *other;
    size_t count = 0;
    int r = boot_manager_read(c->efivars_fd, &m);

    if (r < 0)
        return fail(f, r, "the boot entries cannot be read");
    own = find(&m, &c->slots->running);
    other = with_other ? find(&m, &c->slots->other) : NULL;
    if (!own)
        return fail(f, -ENOENT, "this slot has no boot entry");
    order[count++] = own->number;
    if (other)
        order[count++] = other->number;
    for (size_t i = 0; i < m.order_count; i++) {
        if (!is_number_of_ours(&m, c, m.order[i]))
            order[count++] = m.order[i];
    }
    if (count == m.order_count && memcmp(order, m.order, count * sizeof(order[0])) == 0)
        return 0;
    r = boot_manager_write_order(c->efivars_fd, order, count);
    return r < 0 ? fail(f, r, "BootOrder cannot be written") : 0;
}

bool confirm_is_first(const struct confirm *c)
{
    static struct boot_manager m;
    uint8_t own[BOOT_ENTRY_GUID_SIZE], other[BOOT_ENTRY_GUID_SIZE];

    read_guid(&c->slots->running, own);
    read_guid(&c->slots->other, other);
    return boot_manager_read(c->efivars_fd, &m) < 0 || boot_manager_first(&m, own, other) != 1;
}

/* --- Files --- */

enum { SLOT_FLAGS = MS_NODEV | MS_NOSUID | MS_NOEXEC };

#define SLOT_OPTIONS "umask=077"

/* Read-only to begin with: the running slot's file system is in use, read-only, by the image in it,
 * and can be made writable but not mounted a second time in another way. Not MS_SYNCHRONOUS, which
 * writes each entry of the file allocation table by itself, and flushes none. */
static int mount_slot(const struct confirm *c, const struct slot_device *slot, bool write,
                      struct failure *f)
{
    const struct mount_request request = { slot->path, c->mount_at, "vfat", SLOT_FLAGS | MS_RDONLY,
                                           SLOT_OPTIONS };
    int r = mount_make(&request);

    if (r == 0 && write &&
        mount(NULL, c->mount_at, NULL, MS_REMOUNT | SLOT_FLAGS, SLOT_OPTIONS) < 0) {
        r = -errno;
        (void)umount2(c->mount_at, 0); /* nothing was written */
    }
    return r < 0 ? fail(f, r, slot->path) : 0;
}

/* Folders and tables of a vfat are in the cache of the device, whichever file they belong to; and
 * unmounting writes them, but does not flush the disk. */
static int flush_slot(const struct slot_device *slot, struct failure *f)
{
    _cleanup_close_ int fd = open(slot->path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? fail(f, -errno, slot->path) : 0;
}

static int unmount_slot(const struct confirm *c, const struct slot_device *slot, int r,
                        struct failure *f)
{
    /* Whoever else uses it finds it as it was. One that was read-only already stays so. */
    if (mount(NULL, c->mount_at, NULL, MS_REMOUNT | MS_RDONLY | SLOT_FLAGS, SLOT_OPTIONS) < 0 &&
        r == 0)
        r = fail(f, -errno, "a slot cannot be made read-only again");
    if (umount2(c->mount_at, 0) < 0 && r == 0)
        r = fail(f, -errno, "a slot cannot be unmounted");
    return r < 0 ? r : flush_slot(slot, f);
}

static int path_in(const struct confirm *c, const char *file, char **ret, struct failure *f)
{
    *ret = text_make("%s/%s", c->mount_at, file);
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int sync_file(const char *path, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? fail(f, -errno, path) : 0;
}

static int write_new(const char *path, const void *bytes, size_t size, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const uint8_t *at = bytes;

    while (fd >= 0 && size > 0) {
        ssize_t r = write(fd, at, size);

        if (r < 0 && errno != EINTR)
            return fail(f, -errno, path);
        at += r < 0 ? 0 : r;
        size -= r < 0 ? 0 : (size_t)r;
    }
    return fd < 0 || fsync(fd) < 0 ? fail(f, -errno, path) : 0;
}

/* Replaces a file of a slot. What a power cut leaves of the new one has a fixed name and is in
 * nobody's way: a slot has room for just the files that it must hold. vfat renames to an entry
 * without size and clusters, and writes those with the file: without the second flush the two may
 * reach the disk one after the other. */
static int replace_file(const char *path, const void *bytes, size_t size, struct failure *f)
{
    _cleanup_free_ char *fresh = text_make("%s.new", path);
    int r =
        fresh ? file_make_parent(path, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    if (unlink(fresh) < 0 && errno != ENOENT)
        return fail(f, -errno, fresh);
    r = write_new(fresh, bytes, size, f);
    if (r == 0 && rename(fresh, path) < 0)
        r = fail(f, -errno, path);
    if (r < 0)
        (void)unlink(fresh); /* the failure is the one to report */
    return r < 0 ? r : sync_file(path, f);
}

static int make_default_file(const struct confirm *c, const uint8_t *uki, size_t size,
                             struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_free_ uint8_t *former = NULL;
    struct failure ignored = FAILURE_NONE;
    size_t former_size;
    int r = path_in(c, DEFAULT_FILE, &path, f);

    if (r < 0)
        return r;
    if (file_read(path, UKI_MAX, &former, &former_size, &ignored) == 0 && former_size == size &&
        memcmp(former, uki, size) == 0)
        return 0;
    return replace_file(path, uki, size, f);
}

/* Without it the next start sends three commands more. */
static void make_ticket(const struct confirm *c, const uint8_t *uki, size_t size, struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    struct seal_ticket ticket;

    if (!c->tpm || path_in(c, INITRD_TICKET, &path, f) < 0)
        return;
    if (ticket_make(uki, size, &ticket, f) < 0 ||
        replace_file(path, ticket.bytes, ticket.size, f) < 0)
        (void)unlink(path); /* one of another boot file is worth nothing */
}

static int confirm_own_files(const struct confirm *c, struct failure *ticket, struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_free_ uint8_t *uki = NULL;
    size_t size;
    int r = mount_slot(c, &c->slots->running, true, f);

    if (r < 0)
        return r;
    r = path_in(c, UKI_FILE, &path, f);
    if (r == 0)
        r = file_read(path, UKI_MAX, &uki, &size, f);
    if (r == 0)
        r = make_default_file(c, uki, size, f);
    if (r == 0)
        make_ticket(c, uki, size, ticket);
    return unmount_slot(c, &c->slots->running, r, f);
}

/* Whether a slot has this file. One that is no file system holds nothing. */
static int look_into(const struct confirm *c, const struct slot_device *slot, const char *file,
                     bool *ret, struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    int r = mount_slot(c, slot, false, f);

    *ret = false;
    if (r == -EINVAL)
        return 0;
    if (r < 0)
        return r;
    r = path_in(c, file, &path, f);
    *ret = r == 0 && access(path, F_OK) == 0;
    return unmount_slot(c, slot, r, f);
}

bool confirm_is_listed(const struct confirm *c)
{
    static struct boot_manager m;
    const struct boot_manager_entry *own, *other;
    const struct attempts wanted = pair(c);
    struct attempts now;
    size_t count = 0;

    if (boot_manager_read(c->efivars_fd, &m) < 0)
        return true; /* nothing can be made better */
    own = find(&m, &c->slots->running);
    other = find(&m, &c->slots->other);
    for (size_t i = 0; i < m.count; i++)
        count += is_ours(&m.entries[i], c);
    read_attempts(c, &now);
    return own && own->active && (!other || other->active) && m.order_count > 0 &&
           m.order[0] == own->number && count == 1u + (other != NULL) &&
           memcmp(now.slots[0].guid, wanted.slots[0].guid, ATTEMPTS_GUID_SIZE) == 0 &&
           memcmp(now.slots[1].guid, wanted.slots[1].guid, ATTEMPTS_GUID_SIZE) == 0;
}

bool confirm_is_settled(const struct confirm *c)
{
    struct failure ignored = FAILURE_NONE; /* what cannot be seen is not settled */
    bool spare = false, ticket = true;

    if (!confirm_is_listed(c) ||
        look_into(c, &c->slots->other, DEFAULT_FILE, &spare, &ignored) < 0 || spare)
        return false;
    return !c->tpm ||
           (look_into(c, &c->slots->running, INITRD_TICKET, &ticket, &ignored) == 0 && ticket);
}

static int remove_default_of_other(const struct confirm *c, struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    int r = mount_slot(c, &c->slots->other, true, f);

    if (r < 0)
        return r == -EINVAL ? 0 : r; /* no file system, so no file */
    r = path_in(c, DEFAULT_FILE, &path, f);
    if (r == 0 && unlink(path) < 0 && errno != ENOENT)
        r = fail(f, -errno, "the other slot's " DEFAULT_FILE " cannot be removed");
    return unmount_slot(c, &c->slots->other, r, f);
}

/* Whether the other slot is something to fall back to. One that cannot be read just now keeps the
 * entry that it has. */
static bool other_is_filled(const struct confirm *c, bool *ret_readable)
{
    static struct boot_manager m;
    struct failure ignored = FAILURE_NONE;
    bool filled;
    int r = look_into(c, &c->slots->other, UKI_FILE, &filled, &ignored);

    *ret_readable = r == 0;
    if (r < 0)
        filled = boot_manager_read(c->efivars_fd, &m) == 0 && find(&m, &c->slots->other);
    return filled;
}

int confirm_slot(const struct confirm *c, struct failure *ticket, struct failure *f)
{
    bool readable, other = other_is_filled(c, &readable);
    int r;

    r = make_entry(c, &c->slots->running, f);
    if (r == 0 && other)
        r = make_entry(c, &c->slots->other, f);
    if (r == 0)
        r = remove_spare_entries(c, other, f);
    if (r == 0)
        r = write_order(c, true, f);
    if (r == 0)
        r = confirm_own_files(c, ticket, f);
    if (r == 0 && readable)
        r = remove_default_of_other(c, f);
    return r < 0 ? r : confirm_attempts(c, false, f);
}

int confirm_own_entry(const struct confirm *c, struct failure *f)
{
    static struct boot_manager m;
    int r = boot_manager_read(c->efivars_fd, &m);

    if (r < 0)
        return fail(f, r, "the boot entries cannot be read");
    if (find(&m, &c->slots->running))
        return 0;
    r = make_entry(c, &c->slots->running, f);
    return r < 0 ? r : write_order(c, false, f);
}

int confirm_start_other(const struct confirm *c, struct failure *f)
{
    static struct boot_manager m;
    const struct boot_manager_entry *e;
    int r = make_entry(c, &c->slots->other, f);

    if (r == 0)
        r = confirm_attempts(c, true, f);
    if (r < 0)
        return r;
    r = boot_manager_read(c->efivars_fd, &m);
    e = r < 0 ? NULL : find(&m, &c->slots->other);
    if (!e)
        return fail(f, r < 0 ? r : -ENOENT, "the other slot's boot entry cannot be read back");
    r = boot_manager_write_next(c->efivars_fd, e->number);
    return r < 0 ? fail(f, r, "BootNext cannot be written") : 0;
}
