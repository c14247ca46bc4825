#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "disk/persist.h"
#include "disk/volume.h"

enum { LOOK_BLOCK = 1 << 16 };

static int fail(struct failure *f, int error)
{
    return failure_set(f, CODE_PERSIST_HEADER, -error, "the disk cannot be read: %s",
                       strerror(error));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
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
    *ret = PERSIST_EMPTY;
    if (zero)
        return 0;
    size = pread(fd, bytes, sizeof(bytes), 0);
    if (size < 0)
        return fail(f, errno);
    r = luks_header_scan(bytes, (size_t)size, ret_header);
    *ret = r < 0                                                     ? PERSIST_FOREIGN
           : strcmp(ret_header->label, VOLUME_LABEL_UNFINISHED) == 0 ? PERSIST_UNFINISHED
           : strcmp(ret_header->label, VOLUME_LABEL_DONE) == 0       ? PERSIST_OURS
                                                                     : PERSIST_FOREIGN;
    return 0;
}
