#include "update/slot_write.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/spawn.h"

/* Relative to the slot's root. */
#define FOLDER        "EFI/broch"
#define UKI           FOLDER "/linux.efi"
#define UKI_UNDER_WAY FOLDER "/linux.new"
#define IMAGE         FOLDER "/system.erofs"

enum { CHUNK = 1 << 20 };

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int slot_failure(struct failure *f, int r, const char *verb, const char *object)
{
    return failure_set(f, CODE_UPDATE_SLOT, r, "cannot %s '%s'", verb, object);
}

/* The same layout as the factory's: 4 KiB clusters, so that files lie where direct I/O reads them;
 * mkfs.fat aligns the first of them by itself. */
static int format(const struct slot_write *request, struct failure *f)
{
    char label[] = "BROCH-A", serial[9];
    const struct arguments arguments =
        ARGUMENTS("/usr/sbin/mkfs.fat", "-F", "32", "-S", "512", "-s", "8", "-n", label, "-i",
                  serial, request->device);
    const struct spawn spawn = { .arguments = &arguments, SPAWN_FDS_NONE };
    _cleanup_free_ char *output = NULL;
    uint32_t chance;
    size_t size;
    int r;

    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return slot_failure(f, -errno, "number", request->device);
    (void)snprintf(serial, sizeof(serial), "%08x", chance);
    label[strlen(label) - 1] = request->letter;
    r = spawn_capture(&spawn, CHUNK, &output, &size, f);
    if (r < 0 && f->code == CODE_STEP_FAILED)
        f->code = CODE_UPDATE_SLOT;
    return r;
}

static int attach(const struct slot_write *request, unsigned long flags, struct failure *f)
{
    const struct mount_request mount = { .source = request->device,
                                         .target = request->mount_at,
                                         .type = "vfat",
                                         .flags = flags | MS_NODEV | MS_NOSUID | MS_NOEXEC,
                                         .options = "umask=0077" };
    int r = mount_make(&mount);

    return r < 0 ? slot_failure(f, r, "mount", request->device) : 0;
}

/* Not lazily: what is read afterwards has to come from the disk. */
static int detach(const struct slot_write *request, struct failure *f)
{
    return umount2(request->mount_at, UMOUNT_NOFOLLOW) < 0
               ? slot_failure(f, -errno, "unmount", request->device)
               : 0;
}

/* The device's own cache holds the tables and folders; files' pages went with the mount. */
static int drop_cache(const struct slot_write *request, struct failure *f)
{
    _cleanup_close_ int fd = open(request->device, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0 || ioctl(fd, BLKFLSBUF, 0) < 0)
        return slot_failure(f, -errno, "flush", request->device);
    return 0;
}

static int put(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t r = write(fd, bytes, size);

        if (r < 0 && errno != EINTR)
            return -errno;
        bytes += r > 0 ? r : 0;
        size -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}

/* Progress of one step over both files. */
struct flow {
    struct progress *progress;
    uint64_t done, total;
};

/* Reads `from` to its end into the sum and, unless `to` is -1, into `to`. */
static int pour(int from, int to, struct digest_stream *sum, uint64_t *ret_size, struct flow *flow)
{
    _cleanup_free_ uint8_t *chunk = malloc(CHUNK);
    ssize_t got = 1;
    int r = chunk ? 0 : -ENOMEM;

    *ret_size = 0;
    while (r == 0 && got > 0) {
        got = read(from, chunk, CHUNK);
        if (got < 0) {
            r = -errno;
            break;
        }
        digest_stream_add(sum, chunk, (size_t)got);
        *ret_size += (uint64_t)got;
        flow->done += (uint64_t)got;
        if (to >= 0)
            r = put(to, chunk, (size_t)got);
        if (flow->done <= flow->total)
            progress_bytes(flow->progress, flow->done, flow->total);
    }
    return r;
}

static bool is_file(const struct slot_file *file, uint64_t size, const struct digest *digest)
{
    return size == file->size && memcmp(digest, &file->digest, sizeof(*digest)) == 0;
}

static int copy_with(const struct slot_file *file, const char *to, struct flow *flow,
                     struct failure *f)
{
    _cleanup_close_ int from = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int fd = from < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct digest_stream *sum;
    struct digest digest;
    uint64_t size;
    int r;

    if (from < 0)
        return file_failure(f, errno, "read", file->path);
    if (fd < 0)
        return slot_failure(f, -errno, "write", to);
    sum = digest_stream_start();
    r = pour(from, fd, sum, &size, flow);
    digest = digest_stream_end(sum);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r < 0)
        return slot_failure(f, r, "write", to);
    if (!is_file(file, size, &digest))
        return failure_set(f, CODE_UPDATE_HASH, -EBADMSG, "'%s' changed since it was fetched",
                           file->path);
    return 0;
}

static int compare_with(const struct slot_file *file, const char *at, struct flow *flow,
                        struct failure *f)
{
    _cleanup_close_ int fd = open(at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct digest_stream *sum;
    struct digest digest;
    uint64_t size;
    int r;

    if (fd < 0)
        return failure_set(f, CODE_UPDATE_READ_BACK, -errno, "'%s' is not there", at);
    sum = digest_stream_start();
    r = pour(fd, -1, sum, &size, flow);
    digest = digest_stream_end(sum);
    if (r < 0)
        return failure_set(f, CODE_UPDATE_READ_BACK, r, "'%s' cannot be read", at);
    if (!is_file(file, size, &digest))
        return failure_set(f, CODE_UPDATE_READ_BACK, -EBADMSG,
                           "'%s' has another content than was written", at);
    return 0;
}

int slot_copy(const struct slot_file *file, const char *to, struct progress *progress,
              struct failure *f)
{
    struct flow flow = { .progress = progress, .total = file->size };

    return copy_with(file, to, &flow, f);
}

int slot_compare(const struct slot_file *file, const char *at, struct progress *progress,
                 struct failure *f)
{
    struct flow flow = { .progress = progress, .total = file->size };

    return compare_with(file, at, &flow, f);
}

static int sync_folder(const char *path, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? slot_failure(f, -errno, "sync", path) : 0;
}

/* The image first. linux.efi gets its name when all of it is on the disk: a slot without it is one
 * that nothing starts. */
static int fill(const struct slot_write *request, struct progress *progress, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/" FOLDER, request->mount_at);
    _cleanup_free_ char *image = text_make("%s/" IMAGE, request->mount_at);
    _cleanup_free_ char *under_way = text_make("%s/" UKI_UNDER_WAY, request->mount_at);
    _cleanup_free_ char *uki = text_make("%s/" UKI, request->mount_at);
    struct flow flow = { .progress = progress, .total = request->uki.size + request->image.size };
    int r;

    if (!folder || !image || !under_way || !uki)
        return out_of_memory(f);
    r = file_make_folders(folder, f);
    if (r == 0)
        r = copy_with(&request->image, image, &flow, f);
    if (r == 0)
        r = copy_with(&request->uki, under_way, &flow, f);
    if (r == 0)
        r = sync_folder(folder, f);
    if (r == 0 && rename(under_way, uki) < 0)
        r = slot_failure(f, -errno, "rename", under_way);
    return r < 0 ? r : sync_folder(folder, f);
}

static int check(const struct slot_write *request, struct progress *progress, struct failure *f)
{
    _cleanup_free_ char *image = text_make("%s/" IMAGE, request->mount_at);
    _cleanup_free_ char *uki = text_make("%s/" UKI, request->mount_at);
    struct flow flow = { .progress = progress, .total = request->uki.size + request->image.size };
    int r = image && uki ? compare_with(&request->image, image, &flow, f) : out_of_memory(f);

    return r < 0 ? r : compare_with(&request->uki, uki, &flow, f);
}

/* Between mounting and unmounting; the failure of the work is the one to report. */
static int with_mount(const struct slot_write *request, unsigned long flags,
                      int (*work)(const struct slot_write *, struct progress *, struct failure *),
                      struct progress *progress, struct failure *f)
{
    int r = attach(request, flags, f);

    if (r < 0)
        return r;
    r = work(request, progress, f);
    if (r < 0)
        (void)umount2(request->mount_at, MNT_DETACH);
    else
        r = detach(request, f);
    return r;
}

/* What was read back wrong must not be started by anybody: the file system goes. */
static void spoil(const struct slot_write *request)
{
    struct failure ignored;

    (void)format(request, &ignored);
}

/* Our mounts are nobody else's business, and end with us. */
static int own_mounts(struct failure *f)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return failure_set(f, CODE_UPDATE_SLOT, -errno, "cannot have mounts of our own");
    return 0;
}

static int run_step(const char *name, struct progress *progress,
                    int (*step)(const struct slot_write *, struct progress *, struct failure *),
                    const struct slot_write *request, struct failure *f)
{
    int r;

    progress_step(progress, name);
    r = step(request, progress, f);
    progress_end(progress, r < 0 ? "failed" : "done");
    return r;
}

static int step_format(const struct slot_write *request, struct progress *progress,
                       struct failure *f)
{
    (void)progress;
    return format(request, f);
}

static int step_write(const struct slot_write *request, struct progress *progress,
                      struct failure *f)
{
    int r = with_mount(request, 0, fill, progress, f);

    return r < 0 ? r : drop_cache(request, f);
}

static int step_check(const struct slot_write *request, struct progress *progress,
                      struct failure *f)
{
    int r = with_mount(request, MS_RDONLY, check, progress, f);

    if (r < 0)
        spoil(request);
    return r;
}

int slot_write(const struct slot_write *request, struct progress *progress, struct failure *f)
{
    int r = own_mounts(f);

    if (r == 0)
        r = file_make_folders(request->mount_at, f);
    if (r == 0)
        r = run_step("format", progress, step_format, request, f);
    if (r == 0)
        r = run_step("write", progress, step_write, request, f);
    if (r == 0)
        r = run_step("read back", progress, step_check, request, f);
    return r;
}
