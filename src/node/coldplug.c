#include "node/coldplug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { SLOTS = 2 * COLDPLUG_ALIASES_MAX }; /* of a table that is never more than half full */

struct coldplug_set {
    size_t count;
    char *slots[SLOTS];
};

struct walk {
    struct coldplug_set *set;
    coldplug_each each;
    void *context;
};

/* PCI: the base class follows "bc", the subclass "sc" (PCI Code and ID Assignment, 1). The others
 * are buses on which such devices appear by themselves. */
bool coldplug_is_urgent(const char *alias)
{
    static const char *const buses[] = { "virtio:", "usb:",  "scsi:",  "hid:", "nvme:",
                                         "mmc:",    "sdio:", "vmbus:", "xen:", "xen-backend:" };
    static const char *const pci_classes[] = { "bc01", "bc02", "bc0Csc03" };
    const char *class = strncmp(alias, "pci:", 4) == 0 ? strstr(alias, "bc") : NULL;

    for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
        if (strncmp(alias, buses[i], strlen(buses[i])) == 0)
            return true;
    }
    for (size_t i = 0; class && i < ARRAY_SIZE(pci_classes); i++) {
        if (strncmp(class, pci_classes[i], strlen(pci_classes[i])) == 0)
            return true;
    }
    /* virtio devices announce themselves as whatever they are, in a class of their own vendor. */
    return strncmp(alias, "pci:v00001AF4", 13) == 0;
}

struct coldplug_set *coldplug_set_new(void)
{
    return calloc(1, sizeof(struct coldplug_set));
}

struct coldplug_set *coldplug_set_free(struct coldplug_set *set)
{
    for (size_t i = 0; set && i < SLOTS; i++)
        free(set->slots[i]);
    free(set);
    return NULL;
}

/* FNV-1a: the aliases are the kernel's own words, nobody chooses them against us. */
static size_t slot_of(const char *alias)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *alias; alias++)
        hash = (hash ^ (uint8_t)*alias) * 0x100000001b3u;
    return (size_t)(hash % SLOTS);
}

int coldplug_set_add(struct coldplug_set *set, const char *alias)
{
    size_t slot = slot_of(alias);

    while (set->slots[slot]) {
        if (strcmp(set->slots[slot], alias) == 0)
            return 0;
        slot = (slot + 1) % SLOTS;
    }
    if (set->count == COLDPLUG_ALIASES_MAX)
        return -ENOSPC;
    set->slots[slot] = strdup(alias);
    if (!set->slots[slot])
        return -ENOMEM;
    set->count++;
    return 1;
}

/* The alias in the file `modalias` of the folder; false when it has none. */
static bool read_alias(int folder_fd, char ret_alias[static COLDPLUG_ALIAS_MAX])
{
    _cleanup_close_ int fd = openat(folder_fd, "modalias", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : read(fd, ret_alias, COLDPLUG_ALIAS_MAX);

    if (size <= 1 || size == COLDPLUG_ALIAS_MAX || ret_alias[size - 1] != '\n')
        return false;
    ret_alias[size - 1] = '\0';
    return strlen(ret_alias) == (size_t)size - 1;
}

static int take_alias(const struct walk *walk, int folder_fd)
{
    char alias[COLDPLUG_ALIAS_MAX];
    int r;

    if (!read_alias(folder_fd, alias))
        return 0;
    r = coldplug_set_add(walk->set, alias);
    return r <= 0 ? r : walk->each(alias, walk->context);
}

static void close_stream(DIR **stream)
{
    if (*stream)
        (void)closedir(*stream); /* reading only */
}

/* Takes over `fd`. The recursion ends: the depth is bounded, and links are not followed. */
static int walk_folder(const struct walk *walk, int fd, unsigned depth)
{
    _cleanup_(close_stream) DIR *stream = fdopendir(fd);
    struct dirent *entry;
    int r;

    if (!stream) {
        r = -errno;
        (void)close(fd); /* the reason is in `r` */
        return r;
    }
    r = take_alias(walk, fd);
    while (r == 0 && depth < COLDPLUG_DEPTH_MAX && (entry = readdir(stream))) {
        int below;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            r = walk_folder(walk, below, depth + 1);
    }
    return r;
}

int coldplug_walk(const char *root, struct coldplug_set *set, coldplug_each each, void *context,
                  struct failure *f)
{
    const struct walk walk = { .set = set, .each = each, .context = context };
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : walk_folder(&walk, fd, 0);

    return r < 0 ? failure_set(f, CODE_DEVICES, r, "cannot look at '%s'", root) : r;
}
