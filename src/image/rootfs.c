/* Step "rootfs": the packages of the profile, installed, as one tar. */
#include "image/build.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/pool.h"
#include "image/tool.h"
#include "sys/file.h"

/* Users are made by the image's own systemd-sysusers from what the overlay declares. */
#define SYSUSERS_HOOK                                                                              \
    "--customize-hook=test ! -d /run/sysusers || { mkdir -p \"$1\"/usr/lib/sysusers.d && "         \
    "cp /run/sysusers/*.conf \"$1\"/usr/lib/sysusers.d/ && chroot \"$1\" systemd-sysusers; }"

static char *make_include(const struct lock *lock)
{
    struct text list = TEXT_INIT;

    text_add(&list, "--include=");
    for (size_t i = 0; i < lock->package_count; i++) {
        if (lock->packages[i].role == LOCK_ROLE_SYSTEM)
            text_addf(&list, "%s%s", list.data[list.length - 1] == '=' ? "" : ",",
                      lock->packages[i].name);
    }
    return text_take(&list);
}

static char *sysusers_folder(const struct build *build)
{
    return text_make("%s/overlay/usr/lib/sysusers.d", build->profile.folder);
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    _cleanup_free_ char *include = make_include(&build->supply.lock);
    _cleanup_free_ char *archive = text_make("%s/.archive", folder);
    _cleanup_free_ char *sysusers = sysusers_folder(build), *work = text_make("%s/.tmp", folder);
    struct tool tool = tool_make(&build->tree, "rootfs", build->supply.lock.date);
    struct arguments arguments;
    int r;

    if (!include || !archive || !sysusers || !work)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = pool_archive(&build->supply.lock, archive, f);
    if (r == 0)
        r = file_make_folders(work, f);
    if (r < 0)
        return r;
    tool.sandbox.many_ids = true;
    tool_bind(&tool, archive, "/run/archive", true);
    tool_bind(&tool, folder, "/run/out", false);
    tool_bind(&tool, work, "/run/work", false);
    if (file_exists(sysusers))
        tool_bind(&tool, sysusers, "/run/sysusers", true);
    arguments = ARGUMENTS(
        "env", "TMPDIR=/run/work", "mmdebstrap", "--mode=root", "--variant=essential",
        "--format=tar", include, "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/info/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/lintian/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright", SYSUSERS_HOOK, "",
        "/run/out/rootfs.tar", "deb [trusted=yes] copy:///run/archive ./");
    r = tool_run(&tool, &arguments, f);
    if (r == 0)
        r = file_remove_tree(archive, f);
    if (r == 0)
        r = file_remove_tree(work, f);
    return r;
}

static int set_inputs(struct build *build, struct failure *f)
{
    _cleanup_free_ char *sysusers = sysusers_folder(build);
    struct digest digest = { .bytes = { 0 } };
    int r = 0;

    step_init(&build->rootfs, "rootfs");
    step_input_digest(&build->rootfs, "tools", &build->tree.digest);
    step_input_digest(&build->rootfs, "packages.lock", &build->supply.digest);
    if (sysusers && file_exists(sysusers))
        r = digest_tree(sysusers, &digest, f);
    step_input_digest(&build->rootfs, "sysusers", &digest);
    return r;
}

bool build_rootfs_cached(struct build *build)
{
    struct failure ignored = FAILURE_NONE;
    bool cached = set_inputs(build, &ignored) == 0 && step_is_cached(&build->rootfs);

    step_done(&build->rootfs);
    return cached;
}

int build_rootfs(struct build *build, struct failure *f)
{
    int r = set_inputs(build, f);

    return r < 0 ? r : step_do(&build->rootfs, &build->shared, run, build, f);
}
