#include "update/slot_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "disk/gpt.h"
#include "sys/attribute.h"
#include "sys/file.h"

#define TYPE_SLOT "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" /* EFI system partition */

enum {
    SECTOR = 512, /* the unit of sysfs, whatever the disk's own */
    LINK_MAX = 512,
};

struct search {
    const char *sysfs, *dev, *uuid;
    unsigned count; /* partitions with that GUID */
    int unread;     /* why the entry of one cannot be told; 0 when all could be */
    struct slot_devices *ret;
    char disk[SLOT_DEVICE_NAME_SIZE]; /* of the running slot */
};

/* A partition as sysfs has it. */
struct part {
    const char *name;
    char disk[SLOT_DEVICE_NAME_SIZE];
    uint64_t number, start, size; /* start and size in bytes */
    uint64_t block;               /* size of the disk's blocks */
};

static int read_number(const char *folder, const char *name, const char *attribute, uint64_t *ret)
{
    _cleanup_free_ char *path = text_make("%s/%s/%s", folder, name, attribute);

    return path ? attribute_read_number(AT_FDCWD, path, INT64_MAX, ret) : -ENOMEM;
}

/* The disk is the folder above the partition's own: ".../block/vda/vda2". */
static int find_disk(const char *folder, const char *name, char ret[static SLOT_DEVICE_NAME_SIZE])
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    char target[LINK_MAX], *end, *start;
    ssize_t length = path ? readlink(path, target, sizeof(target) - 1) : -1;

    if (length < 0)
        return -ENOENT;
    target[length] = '\0';
    end = strrchr(target, '/');
    if (!end)
        return -ENOENT;
    *end = '\0';
    start = strrchr(target, '/');
    start = start ? start + 1 : target;
    if (strlen(start) >= SLOT_DEVICE_NAME_SIZE)
        return -ENAMETOOLONG;
    memcpy(ret, start, strlen(start) + 1);
    return 0;
}

/* -ENOENT for what is no partition. */
static int read_part(const struct search *s, const char *name, struct part *ret)
{
    struct part part = { .name = name };

    if (strlen(name) > SLOT_DEVICE_NAME_SIZE / 2 ||
        read_number(s->sysfs, name, "partition", &part.number) < 0 ||
        find_disk(s->sysfs, name, part.disk) < 0 ||
        read_number(s->sysfs, name, "start", &part.start) < 0 ||
        read_number(s->sysfs, name, "size", &part.size) < 0 ||
        read_number(s->sysfs, part.disk, "queue/logical_block_size", &part.block) < 0 ||
        part.block < SECTOR || part.block > GPT_BLOCK_SIZE_MAX ||
        !mul_ok(part.start, SECTOR, &part.start) || !mul_ok(part.size, SECTOR, &part.size))
        return -ENOENT;
    *ret = part;
    return 0;
}

static int read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    return pread(fd, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -EIO;
}

/* The entry in the table whose header is this block, if it agrees with the kernel about where the
 * partition lies. */
static int read_entry_of(int fd, const struct part *part, uint64_t header_block,
                         struct gpt_entry *ret)
{
    uint8_t header_bytes[GPT_BLOCK_SIZE_MAX], entry_bytes[GPT_ENTRY_SIZE_MIN];
    const uint32_t block = (uint32_t)part->block;
    struct gpt_header header;
    uint64_t offset = 0;
    int r = read_at(fd, header_bytes, block, header_block * block);

    if (r == 0)
        r = gpt_header_parse(header_bytes, block, header_block, &header);
    if (r == 0)
        r = gpt_entry_offset(&header, (uint32_t)part->number, block, &offset);
    if (r == 0)
        r = read_at(fd, entry_bytes, sizeof(entry_bytes), offset);
    if (r == 0)
        r = gpt_entry_parse(entry_bytes, ret);
    if (r == 0 && (ret->first_block != part->start / block ||
                   ret->last_block != (part->start + part->size) / block - 1))
        r = -ESTALE;
    return r;
}

/* The first table, or the backup in the disk's last block: the kernel and stage 1 start a machine
 * with either. -ENOENT when an entry of that number is not in use. */
static int read_entry(const struct search *s, const struct part *part, struct gpt_entry *ret)
{
    _cleanup_free_ char *path = text_make("%s/%s", s->dev, part->disk);
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    uint64_t sectors;
    int r;

    if (fd < 0)
        return path ? -errno : -ENOMEM;
    r = read_entry_of(fd, part, GPT_FIRST_BLOCK, ret);
    if (r == 0 || r == -ENOENT)
        return r;
    if (read_number(s->sysfs, part->disk, "size", &sectors) < 0 ||
        sectors < 2 * (part->block / SECTOR))
        return r;
    return read_entry_of(fd, part, sectors / (part->block / SECTOR) - 1, ret);
}

/* The same for a search: what cannot be read is noted. */
static bool has_entry(struct search *s, const struct part *part, struct gpt_entry *ret)
{
    int r = read_entry(s, part, ret);

    if (r < 0 && r != -ENOENT)
        s->unread = r;
    return r == 0;
}

static struct slot_device make_device(const struct search *s, const struct part *part,
                                      const struct gpt_entry *entry)
{
    struct slot_device device = { .letter = part->number == 1 ? 'A' : 'B',
                                  .number = (uint32_t)part->number,
                                  .first_block = entry->first_block,
                                  .block_count = entry->last_block - entry->first_block + 1,
                                  .size = part->size };

    (void)snprintf(device.path, sizeof(device.path), "%.20s/%.40s", s->dev, part->name);
    (void)snprintf(device.uuid, sizeof(device.uuid), "%s", entry->uuid.text);
    return device;
}

static bool may_be_slot(const struct part *part)
{
    return part->number == 1 || part->number == 2;
}

static int look_for_running(const char *folder, const char *name, void *context, struct failure *f)
{
    struct search *s = context;
    struct gpt_entry entry;
    struct part part;

    (void)folder;
    (void)f;
    if (read_part(s, name, &part) < 0 || !may_be_slot(&part) || !has_entry(s, &part, &entry) ||
        strcmp(entry.uuid.text, s->uuid) != 0)
        return 0;
    s->count++;
    s->ret->running = make_device(s, &part, &entry);
    memcpy(s->disk, part.disk, sizeof(s->disk));
    return 0;
}

static int look_for_other(const char *folder, const char *name, void *context, struct failure *f)
{
    struct search *s = context;
    struct gpt_entry entry;
    struct part part;

    (void)folder;
    (void)f;
    if (read_part(s, name, &part) < 0 || !may_be_slot(&part) || strcmp(part.disk, s->disk) != 0 ||
        part.number == s->ret->running.number || !has_entry(s, &part, &entry) ||
        strcmp(entry.type.text, TYPE_SLOT) != 0)
        return 0;
    s->count++;
    s->ret->other = make_device(s, &part, &entry);
    return 0;
}

int slot_devices_find_in(const char *sysfs, const char *dev, const char *running_uuid,
                         struct slot_devices *ret, struct failure *f)
{
    struct slot_devices found = { .running = { .letter = 0 } };
    struct search search = { .sysfs = sysfs, .dev = dev, .uuid = running_uuid, .ret = &found };
    int r;

    if (running_uuid[0] == '\0')
        return failure_set(f, CODE_UPDATE_NO_SLOT, -ENODEV,
                           "this machine was not started from a slot");
    r = file_list(sysfs, look_for_running, &search, f);
    if (r == 0 && search.count != 1)
        r = failure_set(f, CODE_UPDATE_NO_SLOT, search.count == 0 ? -ENOENT : -ENOTUNIQ,
                        "%s partition %s that was started from",
                        search.count == 0 ? "there is no" : "more than one disk has the",
                        running_uuid);
    search.count = 0;
    search.unread = 0; /* other disks are nobody's business here */
    if (r == 0)
        r = file_list(sysfs, look_for_other, &search, f);
    if (r == 0 && search.count != 1 && search.unread < 0)
        r = failure_set(f, CODE_UPDATE_NO_SLOT, search.unread,
                        "the table of the disk '%s' cannot be read", search.disk);
    if (r == 0 && search.count != 1)
        r = failure_set(f, CODE_UPDATE_NO_SLOT, -ENODEV, "the disk '%s' has no second slot",
                        search.disk);
    if (r == 0)
        *ret = found;
    return r;
}

int slot_devices_find(const char *running_uuid, struct slot_devices *ret, struct failure *f)
{
    return slot_devices_find_in("/sys/class/block", "/dev", running_uuid, ret, f);
}
