/* The kernel runs this when a program dies with a dump (kernel.core_pattern) and pipes the dump in.
 * Keeps a few, each of bounded size, for root alone; says in the kernel log what it kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "node/core_dump.h"
#include "node/keep.h"
#include "node/kernel_log.h"
#include "sys/file.h"

static const char folder[] = "/var/crash";

enum { PIECE_SIZE = 64 * 1024 };

/* Only ever root's: a dump holds all that the program knew. */
static int open_folder(int *ret_fd, uint64_t *ret_limit, struct failure *f)
{
    _cleanup_close_ int fd = -1;
    struct statvfs status;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return file_failure(f, errno, "make", folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0 || fstatvfs(fd, &status) < 0)
        return file_failure(f, errno, "use", folder);
    *ret_limit = core_dump_limit((uint64_t)status.f_blocks * status.f_frsize);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* Copies up to the limit. The kernel stops when nobody reads on. */
static int copy(int to_fd, uint64_t limit, uint64_t *ret_size, bool *ret_cut)
{
    static char piece[PIECE_SIZE];
    ssize_t got;

    *ret_size = 0;
    *ret_cut = false;
    while ((got = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if ((uint64_t)got > limit - *ret_size) {
            got = (ssize_t)(limit - *ret_size);
            *ret_cut = true;
        }
        for (ssize_t done = 0; done < got;) {
            ssize_t written = write(to_fd, piece + done, (size_t)(got - done));

            if (written < 0 && errno != EINTR)
                return -errno;
            done += written < 0 ? 0 : written;
        }
        *ret_size += (uint64_t)got;
        if (*ret_cut)
            return 0;
    }
    return 0;
}

static void report(const struct core_dump *dump, const char *kept, uint64_t size, bool cut)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add(&l, "broch core");
    line_add_pair(&l, "program", dump->program);
    line_add_number(&l, "pid", dump->pid);
    line_add_number(&l, "uid", dump->uid);
    line_add_number(&l, "signal", dump->signal);
    line_add_pair(&l, "kept", kept);
    line_add_number(&l, "bytes", size);
    line_add_pair(&l, "cut", cut ? "yes" : "no");
    kernel_log(KERNEL_LOG_WARNING, buffer);
}

static int keep(const struct core_dump *dump, struct failure *f)
{
    _cleanup_close_ int folder_fd = -1, fd = -1;
    uint64_t limit = 0, size;
    bool cut;
    int r;

    if (!dump->allowed) {
        report(dump, "no", 0, false);
        return 0;
    }
    r = open_folder(&folder_fd, &limit, f);
    if (r == 0)
        r = keep_newest(folder, CORE_DUMPS_KEPT - 1, f);
    if (r < 0)
        return r;
    fd = openat(folder_fd, dump->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_failure(f, errno, "write", dump->file);
    r = copy(fd, limit, &size, &cut);
    if (r < 0) {
        (void)unlinkat(folder_fd, dump->file, 0); /* half a dump, of unknown length */
        return file_failure(f, -r, "write", dump->file);
    }
    report(dump, dump->file, size, cut);
    return 0;
}

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;
    struct core_dump dump;
    int r;

    (void)umask(077);
    if (argc != CORE_ARGUMENTS + 1 || geteuid() != 0) {
        (void)fprintf(stderr, "broch-core: only the kernel starts this program\n");
        return EXIT_CODE_USAGE;
    }
    r = core_dump_parse((const char *const *)argv + 1, &dump, &f);
    if (r == 0)
        r = keep(&dump, &f);
    if (r < 0)
        kernel_log_failure(KERNEL_LOG_WARNING, "core", "keep", f.code, f.text);
    return r < 0 ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}
