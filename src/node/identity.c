#include "node/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/hex.h"
#include "sys/file.h"

enum { HOSTNAME_FILE_SIZE_MAX = 4096 };

static const char hostname_path[] = "/etc/hostname";
static const char machine_id_path[] = "/etc/machine-id";

bool identity_hostname(const void *bytes, size_t size, char ret_name[static NAME_SIZE])
{
    const char *text = bytes;
    size_t start = 0;

    while (start < size) {
        const char *newline = memchr(text + start, '\n', size - start);
        size_t end = newline ? (size_t)(newline - text) : size;
        size_t next = newline ? end + 1 : size;

        while (start < end && (text[start] == ' ' || text[start] == '\t'))
            start++;
        while (end > start && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        if (end > start && text[start] != '#') {
            if (!name_is_host(text + start, end - start))
                break;
            memcpy(ret_name, text + start, end - start);
            ret_name[end - start] = '\0';
            return true;
        }
        start = next;
    }
    memcpy(ret_name, IDENTITY_HOSTNAME_DEFAULT, sizeof(IDENTITY_HOSTNAME_DEFAULT));
    return false;
}

void identity_machine_id(const uint8_t random[static MACHINE_ID_BYTES],
                         char ret_text[static MACHINE_ID_TEXT_SIZE])
{
    uint8_t id[MACHINE_ID_BYTES];

    memcpy(id, random, sizeof(id));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* version 4: random */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80); /* the usual variant */
    hex_encode(id, sizeof(id), ret_text);
    ret_text[MACHINE_ID_TEXT_SIZE - 2] = '\n';
    ret_text[MACHINE_ID_TEXT_SIZE - 1] = '\0';
}

/* Makes `path` through the link that /etc holds; a file that exists is left alone (-EEXIST). */
static int write_new(const char *path, const char *text, mode_t mode, struct failure *f)
{
    char target[4096];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    _cleanup_close_ int fd = -1;
    size_t size = strlen(text);

    /* O_EXCL never follows a link, so the link is read first; ours are absolute. */
    if (length > 0 && target[0] == '/') {
        target[length] = '\0';
        path = target;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return -EEXIST;
    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "cannot write '%s'", path);
    return 0;
}

static int set_hostname(struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* a missing file is the usual case */
    char name[NAME_SIZE], text[NAME_SIZE + 1];
    size_t size = 0;
    int r = file_read(hostname_path, HOSTNAME_FILE_SIZE_MAX, &bytes, &size, &ignored);
    bool given = identity_hostname(bytes, r < 0 ? 0 : size, name);

    if (sethostname(name, strlen(name)) < 0)
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "cannot set the host name '%s'", name);
    if (given)
        return 0;
    (void)snprintf(text, sizeof(text), "%s\n", name); /* always fits */
    r = write_new(hostname_path, text, 0644, f);
    return r == -EEXIST ? 0 : r;
}

static int set_machine_id(struct failure *f)
{
    uint8_t random[MACHINE_ID_BYTES];
    char text[MACHINE_ID_TEXT_SIZE];
    int r;

    if (access(machine_id_path, F_OK) == 0)
        return 0;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "no random bytes for the machine id");
    identity_machine_id(random, text);
    r = write_new(machine_id_path, text, 0444, f);
    return r == -EEXIST ? 0 : r;
}

int identity_set(struct failure *f)
{
    struct failure second = FAILURE_NONE;
    int r = set_hostname(f);
    int s = set_machine_id(r < 0 ? &second : f);

    return r < 0 ? r : s;
}
