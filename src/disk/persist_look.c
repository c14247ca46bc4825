#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/persist.h"
#include "disk/volume.h"

enum { LOOK_BLOCK = 1 << 16, MARK_SIZE = 4096 };

static const char mark[] = "broch: this disk is being made\n";

static int fail(struct failure *f, int error)
{
    return failure_set(f, CODE_PERSIST_HEADER, -error, "the disk cannot be read: %s",
                       strerror(error));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static bool is_marked(int fd)
{
    char found[sizeof(mark)];

    return pread(fd, found, sizeof(found), PERSIST_LOOK_SIZE) == (ssize_t)sizeof(found) &&
           memcmp(found, mark, sizeof(mark)) == 0;
}

int persist_mark(const char *device, bool under_way, struct failure *f)
{
    static char block[MARK_SIZE];
    _cleanup_close_ int fd = open(device, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    memset(block, 0, sizeof(block));
    if (under_way)
        memcpy(block, mark, sizeof(mark));
    if (fd < 0 || pwrite(fd, block, sizeof(block), PERSIST_LOOK_SIZE) != (ssize_t)sizeof(block) ||
        fsync(fd) < 0)
        return failure_set(f, CODE_PERSIST_MAKE, errno ? -errno : -EIO, "%s cannot be written",
                           device);
    return 0;
}

int persist_look(int fd, enum persist_content *ret, struct luks_header *ret_header,
                 struct failure *f)
{
    static uint8_t bytes[LUKS_HEADER_SCAN_SIZE];
    bool zero = true;
    ssize_t size;
    int r;

    for (off_t at = 0; zero && at < PERSIST_LOOK_SIZE; at += LOOK_BLOCK) {
        size = pread(fd, bytes, LOOK_BLOCK, at);
        if (size < 0)
            return fail(f, errno);
        zero = is_zero(bytes, (size_t)size);
    }
    if (zero) {
        *ret = is_marked(fd) ? PERSIST_UNFINISHED : PERSIST_EMPTY;
        return 0;
    }
    size = pread(fd, bytes, sizeof(bytes), 0);
    if (size < 0)
        return fail(f, errno);
    r = luks_header_scan(bytes, (size_t)size, ret_header);
    if (r < 0) {
        *ret = is_marked(fd) ? PERSIST_UNFINISHED : PERSIST_FOREIGN;
        return 0;
    }
    *ret = strcmp(ret_header->label, VOLUME_LABEL_UNFINISHED) == 0 ? PERSIST_UNFINISHED
           : strcmp(ret_header->label, VOLUME_LABEL_DONE) == 0     ? PERSIST_OURS
           : strcmp(ret_header->label, VOLUME_LABEL_WIPING) == 0   ? PERSIST_WIPING
                                                                   : PERSIST_FOREIGN;
    return 0;
}
