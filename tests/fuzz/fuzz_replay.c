/* Feeds files, and every file of folders, to a fuzzed parser: the corpus as a plain test, and the
 * way to run one saved crash under a debugger. Usage: replay_<name> FILE-OR-FOLDER... */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fuzz.h"

enum { INPUT_SIZE_MAX = 16 * 1024 * 1024 };

static unsigned input_count;

static int read_whole(int fd, size_t size, uint8_t *ret)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, ret + done, size - done);

        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* somebody cut the file while we read it */
        done += (size_t)n;
    }
    return 0;
}

static int replay_file(int fd, size_t size)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    int r;

    if (size > INPUT_SIZE_MAX)
        return -EFBIG;
    bytes = malloc(size > 0 ? size : 1); /* exact, so that the sanitizers see a read beyond it */
    if (!bytes)
        return -ENOMEM;
    r = read_whole(fd, size, bytes);
    if (r < 0)
        return r;
    (void)LLVMFuzzerTestOneInput(bytes, size); /* always 0 */
    input_count++;
    return 0;
}

static int replay(const char *path);

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int r = 0;

    if (!folder)
        return -errno;
    while (r == 0 && (entry = readdir(folder))) {
        _cleanup_free_ char *inner = NULL;

        if (entry->d_name[0] == '.')
            continue;
        inner = text_make("%s/%s", path, entry->d_name);
        r = inner ? replay(inner) : -ENOMEM;
    }
    (void)closedir(folder); /* only read from */
    return r;
}

static int replay(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    int r;

    if (fd < 0 || fstat(fd, &status) < 0)
        r = -errno;
    else if (S_ISDIR(status.st_mode))
        return replay_folder(path);
    else
        r = replay_file(fd, (size_t)status.st_size);
    if (r < 0)
        (void)fprintf(stderr, "replay: cannot read '%s': %s\n", path, strerror(-r));
    return r;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i]) < 0)
            return 1;
    }
    if (input_count == 0) {
        (void)fprintf(stderr, "replay: no input: the corpus is missing\n");
        return 1;
    }
    (void)printf("%u inputs\n", input_count);
    return 0;
}
