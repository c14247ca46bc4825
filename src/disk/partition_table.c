#include "disk/partition_table.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdisk/libfdisk.h>
#include <linux/blkpg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/line.h"

enum { UUID_SIZE = 16, UUID_TEXT_SIZE = 37, GROW_UNIT = 1 << 20 };

static int fail(struct failure *f, int r, const char *what)
{
    return failure_set(f, CODE_PERSIST_TABLE, r < 0 ? r : -EIO, "%s: %s", what,
                       strerror(r < 0 ? -r : EIO));
}

/* RFC 9562, version 4. */
static int make_uuid(char ret[static UUID_TEXT_SIZE])
{
    uint8_t bytes[UUID_SIZE];
    char digits[2 * UUID_SIZE + 1];
    struct line l = line_make(ret, UUID_TEXT_SIZE);

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    hex_encode(bytes, sizeof(bytes), digits);
    line_addf(&l, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16,
              digits + 20);
    return 0;
}

/* The largest size from where it starts, in whole MiB. Said in numbers: libfdisk's own "as large as
 * possible" is for new partitions, and leaves one that is there as it is. */
static int grow_to_end(struct fdisk_context *context, struct fdisk_partition *partition,
                       struct fdisk_partition *wanted)
{
    fdisk_sector_t unit = GROW_UNIT / fdisk_get_sector_size(context);
    fdisk_sector_t start = fdisk_partition_get_start(partition), end, size;

    end = fdisk_get_last_lba(context) + 1;
    size = end > start ? (end - start) / unit * unit : 0;
    if (size <= fdisk_partition_get_size(partition))
        return 0;
    return fdisk_partition_set_size(wanted, size);
}

/* A new GUID, and for persist the largest size. */
static int change(struct fdisk_context *context, size_t number, bool grow)
{
    struct fdisk_partition *partition = NULL, *wanted = fdisk_new_partition();
    char uuid[UUID_TEXT_SIZE];
    int r = wanted ? make_uuid(uuid) : -ENOMEM;

    if (r == 0)
        r = fdisk_get_partition(context, number, &partition);
    if (r == 0)
        r = fdisk_partition_set_uuid(wanted, uuid);
    if (r == 0 && grow)
        r = grow_to_end(context, partition, wanted);
    if (r == 0)
        r = fdisk_set_partition(context, number, wanted);
    fdisk_unref_partition(partition);
    fdisk_unref_partition(wanted);
    return r;
}

/* Only the last partition can grow; where something stands behind persist it keeps its size. */
static bool is_last(struct fdisk_context *context, size_t number)
{
    struct fdisk_partition *partition = NULL;
    fdisk_sector_t start = 0;
    bool last = true;

    if (fdisk_get_partition(context, number, &partition) == 0)
        start = fdisk_partition_get_start(partition);
    fdisk_unref_partition(partition);
    for (size_t i = 0; i < fdisk_get_npartitions(context); i++) {
        partition = NULL;
        if (i != number && fdisk_is_partition_used(context, i) &&
            fdisk_get_partition(context, i, &partition) == 0 &&
            fdisk_partition_get_start(partition) > start)
            last = false;
        fdisk_unref_partition(partition);
    }
    return last;
}

static int change_all(struct fdisk_context *context, size_t persist)
{
    char uuid[UUID_TEXT_SIZE];
    int r = make_uuid(uuid);

    if (r == 0)
        r = fdisk_set_disklabel_id_from_string(context, uuid);
    for (size_t i = 0; r == 0 && i < fdisk_get_npartitions(context); i++) {
        if (fdisk_is_partition_used(context, i))
            r = change(context, i, i == persist && is_last(context, i));
    }
    return r;
}

/* BLKRRPART would need all partitions to be unused; this resizes one that is. */
static int tell_kernel(int fd, struct fdisk_context *context, size_t number)
{
    uint64_t unit = fdisk_get_sector_size(context);
    struct fdisk_partition *partition = NULL;
    struct blkpg_partition area = { .pno = (int)number + 1 };
    struct blkpg_ioctl_arg argument = { .op = BLKPG_RESIZE_PARTITION,
                                        .datalen = sizeof(area),
                                        .data = &area };
    int r = fdisk_get_partition(context, number, &partition);

    if (r < 0)
        return r;
    area.start = (long long)(fdisk_partition_get_start(partition) * unit);
    area.length = (long long)(fdisk_partition_get_size(partition) * unit);
    fdisk_unref_partition(partition);
    return ioctl(fd, BLKPG, &argument) < 0 ? -errno : 0;
}

int partition_table_adopt(const char *disk, unsigned persist, struct failure *f)
{
    struct fdisk_context *context = fdisk_new_context();
    _cleanup_close_ int fd = open(disk, O_RDWR | O_SYNC | O_CLOEXEC);
    struct stat status;
    int r = 0;

    if (!context)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (fd < 0 || fstat(fd, &status) < 0)
        r = fail(f, -errno, disk);
    if (r == 0) {
        r = fdisk_assign_device_by_fd(context, fd, disk, 0);
        if (r == 0 && (!fdisk_is_label(context, GPT) || persist == 0 ||
                       !fdisk_is_partition_used(context, persist - 1)))
            r = -EINVAL;
        if (r == 0)
            r = change_all(context, persist - 1);
        if (r == 0)
            r = fdisk_write_disklabel(context);
        if (r == 0 && S_ISBLK(status.st_mode))
            r = tell_kernel(fd, context, persist - 1);
        r = r == 0 ? 0 : fail(f, r, "the partition table cannot be made this machine's own");
    }
    fdisk_unref_context(context);
    return r;
}
