#include "update/space.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "base/number.h"
#include "sys/file.h"

enum {
    CLUSTER = 4096,
    TABLE_ENTRY = 4, /* of FAT32 */
    TABLES = 2,
    RESERVED = 1 << 17, /* boot sectors and what mkfs.fat aligns: 32 sectors, and generously more */
    FOLDERS = 8,        /* clusters for the root, EFI, broch, BOOT, and some */
};

#define REST (16 * MIB) /* for logs and state, while a release is staged */

uint64_t space_slot_need(uint64_t slot_size, uint64_t uki, uint64_t image)
{
    uint64_t need;

    if (uki > GIB * 1024 || image > GIB * 1024 || slot_size > GIB * 1024 * 1024)
        return UINT64_MAX;
    need = 2 * round_up(uki, CLUSTER) + round_up(image, CLUSTER) + (uint64_t)FOLDERS * CLUSTER;
    return need + RESERVED + round_up(slot_size / CLUSTER * TABLE_ENTRY, CLUSTER) * TABLES;
}

int space_check_slot(uint64_t slot_size, uint64_t uki, uint64_t image, struct failure *f)
{
    uint64_t need = space_slot_need(slot_size, uki, image);

    if (need <= slot_size)
        return 0;
    return failure_set(f, CODE_UPDATE_SPACE, -ENOSPC,
                       "the other slot has %llu MiB, the release needs %llu MiB",
                       (unsigned long long)(slot_size / MIB), (unsigned long long)(need / MIB + 1));
}

int space_check_folder(const char *path, uint64_t bytes, struct failure *f)
{
    struct statvfs fs;
    uint64_t room, need;

    if (statvfs(path, &fs) < 0)
        return file_failure(f, errno, "measure", path);
    if (bytes == 0)
        return 0;
    if (!mul_ok(fs.f_bavail, fs.f_frsize, &room) || !add_ok(bytes, REST, &need))
        return failure_set(f, CODE_INTERNAL, -EOVERFLOW, "sizes of '%s' are out of range", path);
    if (need <= room)
        return 0;
    return failure_set(f, CODE_UPDATE_SPACE, -ENOSPC,
                       "'%s' has %llu MiB free, the release needs %llu MiB", path,
                       (unsigned long long)(room / MIB), (unsigned long long)(need / MIB + 1));
}
