#include "programs/broch-vm/generation.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "sys/file.h"

struct search {
    const char *profile;
    char *newest; /* folder */
    struct timespec time;
};

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void generation_done(struct generation *generation)
{
    free(generation->folder);
    free(generation->name);
    free(generation->disk);
    free(generation->live);
    free(generation->system);
    free(generation->kernel);
    free(generation->initrd);
    free(generation->cmdline);
    free(generation->keys);
    *generation = (struct generation)GENERATION_INIT;
}

/* "broch-<version>-<profile>-<arch>": version and architecture have no dash. */
static bool is_of_profile(const char *name, const char *profile)
{
    const char *version = strncmp(name, "broch-", 6) == 0 ? name + 6 : NULL;
    const char *rest = version ? strchr(version, '-') : NULL;
    size_t length = strlen(profile);

    return rest && strncmp(rest + 1, profile, length) == 0 && rest[1 + length] == '-' &&
           !strchr(rest + 1 + length + 1, '-');
}

static int look_at(const char *folder, const char *name, void *context, struct failure *f)
{
    struct search *search = context;
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ char *manifest = text_make("%s/%s/generation.json", folder, name);
    struct stat status;

    if (!path || !manifest)
        return out_of_memory(f);
    if (!is_of_profile(name, search->profile) || stat(manifest, &status) < 0)
        return 0;
    if (search->newest && (status.st_mtim.tv_sec < search->time.tv_sec ||
                           (status.st_mtim.tv_sec == search->time.tv_sec &&
                            status.st_mtim.tv_nsec <= search->time.tv_nsec)))
        return 0;
    free(search->newest);
    search->newest = take_ptr(path);
    search->time = status.st_mtim;
    return 0;
}

static int find_folder(const char *out, const char *profile, char **ret, struct failure *f)
{
    _cleanup_free_ char *manifest = text_make("%s/generation.json", out);
    struct search search = { .profile = profile };
    int r = 0;

    if (!manifest)
        return out_of_memory(f);
    if (file_exists(manifest))
        search.newest = strdup(out);
    else if (file_exists(out))
        r = file_list(out, look_at, &search, f);
    if (r == 0 && !search.newest)
        r = failure_set(f, CODE_VM_GENERATION, -EINVAL, "no generation of profile '%s' in '%s'",
                        profile, out);
    if (r == 0) {
        *ret = realpath(search.newest, NULL);
        if (!*ret)
            r = file_failure(f, errno, "find", search.newest);
    }
    free(search.newest);
    return r;
}

static int read_manifest(const char *folder, struct generation *generation, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/generation.json", folder);
    _cleanup_free_ struct manifest *manifest = calloc(1, sizeof(*manifest));
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r;

    if (!path || !manifest)
        return out_of_memory(f);
    r = file_read(path, MANIFEST_FILE_MAX, &bytes, &size, f);
    if (r == 0)
        r = manifest_parse(path, bytes, size, manifest, f);
    if (r < 0)
        return r;
    generation->name = strdup(manifest->name);
    generation->cmdline = strdup(manifest->cmdline);
    return 0;
}

int generation_find(const char *out, const char *profile, struct generation *ret, struct failure *f)
{
    struct generation generation = GENERATION_INIT;
    int r = find_folder(out, profile, &generation.folder, f);

    if (r == 0)
        r = read_manifest(generation.folder, &generation, f);
    if (r == 0) {
        generation.disk = text_make("%s/disk.qcow2", generation.folder);
        generation.live = text_make("%s.iso", generation.folder);
        generation.system = text_make("%s/system.erofs", generation.folder);
        generation.kernel = text_make("%s/vmlinuz", generation.folder);
        generation.initrd = text_make("%s/initrd", generation.folder);
        generation.keys = text_make("%s/keys", generation.folder);
        if (!generation.name || !generation.cmdline || !generation.disk || !generation.system ||
            !generation.kernel || !generation.initrd || !generation.keys)
            r = out_of_memory(f);
    }
    if (r < 0)
        generation_done(&generation);
    else
        *ret = generation;
    return r;
}
