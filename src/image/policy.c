/* Step "policy": the AppArmor profiles of the image's services, compiled. A machine only loads the
 * result: it has no compiler of profiles, and no way to get another set past the signed image.
 *
 * The compiler is told which features the kernel has, from a file that was taken from that kernel
 * (kernel/apparmor-KERNEL.features); else it would ask the host's. */
#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/tool.h"
#include "sys/file.h"
#include "work/apparmor.h"
#include "work/manifest.h"

/* Every strict service of the overlay, enabled or not: the set is small, and does not change with
 * the list of what runs. */
static int add_profiles(const char *folder, struct text *t, struct failure *f)
{
    const struct service_folders folders = { .image = folder };
    struct service_names *names = calloc(1, sizeof(*names));
    int r = names ? service_names_list(folder, names, f)
                  : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < names->count; i++) {
        _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };

        r = service_manifest_load(&folders, names->names[i], &manifest, f);
        if (r == 0 && manifest.confine.level == WORK_CONFINE_STRICT)
            apparmor_add_profile(&manifest, t);
    }
    free(names);
    apparmor_add_local_profile(t);
    return r < 0 ? r : text_status(t);
}

struct policy {
    const struct build *build;
    const char *profiles;
    const char *features; /* path */
};

static int run(const char *folder, void *context, struct failure *f)
{
    const struct policy *policy = context;
    struct tool tool = tool_make(&policy->build->tree, "policy", policy->build->supply.lock.date);
    _cleanup_free_ char *source = text_make("%s/.profiles", folder);
    const struct arguments arguments = ARGUMENTS(
        "setarch", "--addr-no-randomize", "apparmor_parser", "--skip-kernel-load", "--skip-cache",
        "--jobs=1", "--kernel-features=/run/features", "--policy-features=/run/features",
        "--ofile=/run/out/apparmor.policy", "/run/out/.profiles");
    int r = source ? file_write(source, policy->profiles, strlen(policy->profiles), 0644, f)
                   : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    tool_bind(&tool, folder, "/run/out", false);
    tool_bind(&tool, policy->features, "/run/features", true);
    r = tool_run(&tool, &arguments, f);
    return r < 0 ? r : file_remove_tree(source, f);
}

int build_policy(struct build *build, struct failure *f)
{
    _cleanup_free_ char *services =
        text_make("%s/overlay/usr/lib/broch/services", build->profile.folder);
    _cleanup_free_ char *features =
        text_make("%s/kernel/apparmor-%s.features", build->request->source, build->kernel_kind);
    _cleanup_text_ struct text profiles = TEXT_INIT;
    struct policy policy = { .build = build, .features = features };
    struct digest digest;
    int r;

    if (!services || !features)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = add_profiles(services, &profiles, f);
    if (r == 0)
        r = digest_file(features, &digest, f);
    if (r < 0)
        return r;
    policy.profiles = text_string(&profiles);
    step_init(&build->policy, "policy");
    step_input_digest(&build->policy, "tools", &build->tree.digest);
    step_input_digest(&build->policy, "features", &digest);
    digest = digest_bytes(policy.profiles, strlen(policy.profiles));
    step_input_digest(&build->policy, "profiles", &digest);
    return step_do(&build->policy, &build->shared, run, &policy, f);
}
