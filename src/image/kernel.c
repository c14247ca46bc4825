/* Step "kernel": vmlinuz, its modules with their indexes, its configuration and its release. Kind
 * "debian" is Debian's package, unpacked: nothing of it is installed, so no maintainer script and
 * no initramfs generator runs. Kind "broch" is compiled (kernel_own.h). */
#include "image/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/kernel_own.h"
#include "image/pool.h"
#include "image/tool.h"
#include "sys/file.h"

static int unpack(const struct build *build, const struct lock_package *package, const char *folder,
                  struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "kernel", build->supply.lock.date);
    _cleanup_free_ char *path = NULL, *boot = NULL, *config = NULL;
    const char *release = lock_kernel_release(package);
    struct arguments arguments;
    int r = pool_path(package, &path, f);

    if (r < 0)
        return r;
    boot = text_make("boot/vmlinuz-%s", release);
    config = text_make("boot/config-%s", release);
    if (!boot || !config)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    tool_bind(&tool, path, "/run/kernel.deb", true);
    tool_bind(&tool, folder, "/run/out", false);
    tool.folder = "/run/out";
    arguments = ARGUMENTS("dpkg-deb", "--extract", "/run/kernel.deb", "tree");
    r = tool_run(&tool, &arguments, f);
    if (r < 0)
        return r;
    tool.folder = "/run/out/tree";
    arguments = ARGUMENTS("mv", boot, "../vmlinuz");
    r = tool_run(&tool, &arguments, f);
    if (r < 0)
        return r;
    arguments = ARGUMENTS("mv", config, "../config");
    r = tool_run(&tool, &arguments, f);
    if (r < 0)
        return r;
    /* depmod wants /lib/modules; the package has /usr/lib/modules. */
    arguments = ARGUMENTS("ln", "-s", "usr/lib", "lib");
    r = tool_run(&tool, &arguments, f);
    if (r < 0)
        return r;
    arguments = ARGUMENTS("depmod", "--basedir", "/run/out/tree", release);
    r = tool_run(&tool, &arguments, f);
    if (r < 0)
        return r;
    arguments = ARGUMENTS("rm", "-r", "lib", "boot", "usr/share");
    return tool_run(&tool, &arguments, f);
}

static int take_debian(const struct build *build, const char *folder, struct failure *f)
{
    const struct lock_package *package = lock_kernel(&build->supply.lock);
    _cleanup_free_ char *release = text_make("%s/release", folder);
    int r;

    if (!package)
        return failure_set(f, CODE_LOCK_STALE, -ENOENT, "the lock of profile '%s' names no kernel",
                           build->profile.name);
    if (!release)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = unpack(build, package, folder, f);
    if (r == 0)
        r = file_write(release, lock_kernel_release(package), strlen(lock_kernel_release(package)),
                       0644, f);
    return r;
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;

    return build_kernel_is_own(build) ? kernel_own_make(build, folder, f)
                                      : take_debian(build, folder, f);
}

bool build_kernel_is_own(const struct build *build)
{
    return strcmp(build->kernel_kind, KERNEL_BROCH) == 0;
}

int kernel_release_expected(const struct build *build, char **ret, struct failure *f)
{
    const struct lock_package *package = lock_kernel(&build->supply.lock);

    if (build_kernel_is_own(build))
        return kernel_own_release(build, ret, f);
    *ret = strdup(package ? lock_kernel_release(package) : "");
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int set_inputs(struct build *build, struct failure *f)
{
    const struct lock_package *package = lock_kernel(&build->supply.lock);

    step_init(&build->kernel, "kernel");
    step_input_digest(&build->kernel, "tools", &build->tree.digest);
    step_input_text(&build->kernel, "kind", build->kernel_kind);
    if (build_kernel_is_own(build))
        return kernel_own_inputs(build, f);
    if (package)
        step_input_digest(&build->kernel, "package", &package->digest);
    return 0;
}

bool build_kernel_cached(struct build *build)
{
    struct failure ignored = FAILURE_NONE;
    bool cached = set_inputs(build, &ignored) == 0 && step_is_cached(&build->kernel);

    step_done(&build->kernel);
    return cached;
}

int build_kernel(struct build *build, struct failure *f)
{
    int r = set_inputs(build, f);

    return r < 0 ? r : step_do(&build->kernel, &build->shared, run, build, f);
}
