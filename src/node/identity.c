#include "node/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "sys/file.h"

#define ETC   "/run/broch/etc"
#define ZONES "/usr/share/zoneinfo"

static const char machine_id_path[] = ETC "/machine-id";

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

bool identity_is_machine_id(const void *text, size_t size)
{
    const char *digits = text;
    bool is_zero = true;

    if (size != MACHINE_ID_TEXT_SIZE - 1 || digits[size - 1] != '\n')
        return false;
    for (size_t i = 0; i < size - 1; i++) {
        if (digits[i] == '\0' || !strchr("0123456789abcdef", digits[i]))
            return false;
        is_zero = is_zero && digits[i] == '0';
    }
    return !is_zero;
}

int identity_set_hostname(const struct config *config, struct failure *f)
{
    const char *name = config->hostname ? config->hostname : IDENTITY_HOSTNAME_DEFAULT;
    _cleanup_free_ char *line = text_make("%s\n", name);

    if (!line)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (sethostname(name, strlen(name)) < 0)
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "cannot set the host name '%s'", name);
    return file_write(ETC "/hostname", line, strlen(line), 0644, f);
}

/* Replaces the link in one step: somebody may read the time meanwhile. */
static int link_zone(const char *zone, struct failure *f)
{
    static const char fresh[] = ETC "/localtime.new", path[] = ETC "/localtime";
    _cleanup_free_ char *target = text_make("%s/%s", ZONES, zone);

    if (!target)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    (void)unlink(fresh); /* left behind by a lost power */
    if (symlink(target, fresh) < 0 || rename(fresh, path) < 0)
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "cannot make the link '%s'", path);
    return 0;
}

static bool has_zone(const char *zone)
{
    _cleanup_free_ char *path = text_make("%s/%s", ZONES, zone);
    struct stat status;

    return path && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

int identity_set_timezone(const struct config *config, struct failure *f)
{
    int r;

    if (has_zone(config->timezone))
        return link_zone(config->timezone, f);
    r = link_zone("UTC", f);
    return r < 0 ? r
                 : failure_set(f, CODE_INIT_IDENTITY, -ENOENT,
                               "there is no time zone '%s', UTC is used", config->timezone);
}

int identity_set_machine_id(struct failure *f)
{
    uint8_t random[MACHINE_ID_BYTES];
    _cleanup_free_ uint8_t *kept = NULL;
    struct failure ignored = FAILURE_NONE; /* none kept is the usual case of a first boot */
    char text[MACHINE_ID_TEXT_SIZE];
    size_t size;
    int r;

    if (file_exists(machine_id_path))
        return 0;
    if (file_read(IDENTITY_KEPT_PATH, sizeof(text), &kept, &size, &ignored) == 0 &&
        identity_is_machine_id(kept, size))
        return file_write(machine_id_path, kept, size, 0444, f);
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return failure_set(f, CODE_INIT_IDENTITY, -errno, "no random bytes for the machine id");
    identity_machine_id(random, text);
    r = file_write(machine_id_path, text, sizeof(text) - 1, 0444, f);
    return r < 0 ? r : file_write(IDENTITY_KEPT_PATH, text, sizeof(text) - 1, 0444, f);
}
