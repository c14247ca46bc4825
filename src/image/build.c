#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/text.h"
#include "image/budget.h"
#include "image/publish.h"
#include "sys/file.h"
#include "trust/version.h"

enum { VERSION_FILE_MAX = 64 };

/* The order of the steps. A step may use the results of those above it. */
static const struct {
    const char *name;
    int (*run)(struct build *build, struct failure *f);
} order[] = {
    { "programs", build_programs }, { "kernel", build_kernel }, { "rootfs", build_rootfs },
    { "policy", build_policy },     { "system", build_system }, { "drivers", build_drivers },
    { "initrd", build_initrd },     { "uki", build_uki },       { "disk", build_disk },
    { "sbom", build_sbom },
};

static struct step *step_at(struct build *build, size_t index)
{
    struct step *const steps[] = { &build->programs, &build->kernel, &build->rootfs,
                                   &build->policy,   &build->system, &build->drivers,
                                   &build->initrd,   &build->uki,    &build->disk,
                                   &build->sbom };

    _Static_assert(ARRAY_SIZE(steps) == ARRAY_SIZE(order), "each step of the order has a place");
    return steps[index];
}

static void build_done(struct build *build)
{
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        step_done(step_at(build, i));
    step_done(&build->live);
    supply_done(&build->supply);
    tree_done(&build->kernel_tree);
    tree_done(&build->tree);
    keys_done(&build->keys);
    services_done(&build->services);
    profile_done(&build->profile);
    free(build->version);
    free(build->generation);
    free(build->os_release);
}

static int open_keys(struct build *build, struct failure *f)
{
    _cleanup_free_ char *development = NULL;
    const char *folder = build->request->keys;
    int r = 0;

    if (!folder) {
        if (build->request->production)
            return failure_set(f, CODE_KEYS_DEVELOPMENT, -EINVAL, "--production needs --keys");
        r = keys_development((uint64_t)time(NULL), &development, f);
        folder = development;
    }
    if (r == 0)
        r = keys_open(folder, &build->keys, f);
    if (r == 0 && build->keys.development && build->request->production)
        r = failure_set(f, CODE_KEYS_DEVELOPMENT, -EINVAL, "'%s' holds development keys", folder);
    return r;
}

/* The version of the source, unless the caller names a release of his own. */
static int read_version(struct build *build, char **ret, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/VERSION", build->request->source);
    uint8_t *text = NULL;
    size_t size;
    int r = path ? file_read(path, VERSION_FILE_MAX, &text, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    text[strcspn((char *)text, "\n")] = '\0';
    *ret = (char *)text;
    return 0;
}

static int name_generation(struct build *build, struct failure *f)
{
    const char *given = build->request->version;
    _cleanup_free_ char *text = NULL;
    struct version version;
    int r = 0;

    if (!given)
        r = read_version(build, &text, f);
    else if (!(text = strdup(given)))
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    if (version_parse(text, strlen(text), &version) < 0)
        return failure_set(f, given ? CODE_USAGE : CODE_SYNTAX, -EINVAL,
                           "a version is three numbers like 1.20.3, not '%s'", text);
    build->version = text_make("v%s", text);
    build->generation = text_make("v%s-%s-x86_64", text, build->profile.name);
    return build->version && build->generation
               ? 0
               : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* os-release(5), the same text in the image and in the UKI's .osrel. */
static int make_os_release(struct build *build, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const char *channel = build->keys.development ? "development" : "production";
    const struct lock *lock = &build->supply.lock;
    _cleanup_free_ char *kernel = NULL;
    int r = kernel_release_expected(build, &kernel, f);

    if (r < 0)
        return r;
    text_addf(&t, "NAME=\"Broch\"\nID=broch\nID_LIKE=debian\n");
    text_addf(&t, "PRETTY_NAME=\"Broch %s (%s)\"\n", build->version, build->profile.name);
    text_addf(&t, "VERSION_ID=%s\nVERSION=%s\nVARIANT_ID=%s\nPROFILE=%s\n", build->version + 1,
              build->version, build->profile.name, build->profile.name);
    text_addf(&t, "IMAGE_ID=broch-%s\nIMAGE_VERSION=%s\n", build->profile.name, build->version + 1);
    text_addf(&t, "KERNEL=%s\nCHANNEL=%s\n", kernel, channel);
    text_addf(&t, "BROCH_GENERATION=%s\nBROCH_PROFILE=%s\nBROCH_CHANNEL=%s\nBROCH_EPOCH=%lld\n",
              build->generation, build->profile.name, channel, (long long)build->profile.epoch);
    text_addf(&t, "BROCH_VERSION=%s\nBROCH_ARCH=x86_64\n", build->version);
    text_addf(&t, "BROCH_LOCK=%s\nBROCH_BUILD_DATE=%llu\n", build->unlocked ? "unlocked" : "locked",
              (unsigned long long)lock->date);
    build->os_release = text_take(&t);
    return build->os_release ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int choose_kernel(struct build *build, struct failure *f)
{
    const char *wanted = build->request->kernel;

    if (wanted && !profile_is_kernel(wanted))
        return failure_set(f, CODE_USAGE, -EINVAL,
                           "--kernel: '" KERNEL_DEBIAN "' or '" KERNEL_BROCH "', not '%s'", wanted);
    build->kernel_kind = wanted ? wanted : build->profile.kernel;
    return 0;
}

/* Everything that does not depend on whether packages have to be fetched. */
static int prepare(struct build *build, struct failure *f)
{
    const struct build_request *request = build->request;
    const struct tree_request tools = { .source = request->source,
                                        .name = TREE_TOOLS,
                                        .offline = request->offline,
                                        .renew = !request->production };
    int r = profile_read(request->source, request->profile, &build->profile, f);

    if (r == 0)
        r = services_read(&build->profile, &build->services, f);
    if (r == 0)
        r = choose_kernel(build, f);
    if (r == 0)
        r = open_keys(build, f);
    if (r == 0)
        r = name_generation(build, f);
    if (r == 0)
        r = tree_ensure(&tools, build->progress, &build->tree, f);
    build->unlocked = build->tree.unlocked;
    return r;
}

/* The tree with the kernel's source is only made for a kernel that is not in the cache. */
static int supply_kernel(struct build *build, struct failure *f)
{
    const struct tree_request wanted = { .source = build->request->source,
                                         .name = TREE_KERNEL,
                                         .offline = build->request->offline,
                                         .renew = !build->request->production };
    int r = build_kernel_is_own(build) ? tree_find(&wanted, &build->kernel_tree, f) : 0;

    if (r < 0 || !build_kernel_is_own(build) || build_kernel_cached(build))
        return r;
    tree_done(&build->kernel_tree);
    r = tree_ensure(&wanted, build->progress, &build->kernel_tree, f);
    build->unlocked = build->unlocked || build->kernel_tree.unlocked;
    return r;
}

/* Packages are only looked at when a step needs them that is not in the cache: the lock decides,
 * and a build with nothing to do reads no package. */
static int supply_packages(struct build *build, struct failure *f)
{
    struct supply_request request = { .folder = build->profile.folder,
                                      .kernel = build->profile.kernel,
                                      .offline = build->request->offline,
                                      .renew = !build->request->production };
    int r = supply_open(&request, &build->supply, f);

    if (r == 0)
        r = supply_kernel(build, f);
    if (r < 0)
        return r;
    if ((build_kernel_is_own(build) || build_kernel_cached(build)) && build_rootfs_cached(build))
        return 0;
    progress_step(build->progress, "packages");
    r = supply_fill(&request, build->progress, &build->supply, f);
    progress_end(build->progress, r < 0 ? "failed" : "done");
    build->unlocked = build->unlocked || build->supply.unlocked;
    return r;
}

/* Runs the steps up to and including `last`. */
static int run_steps(struct build *build, size_t last, struct failure *f)
{
    int r = prepare(build, f);

    if (r == 0)
        r = supply_packages(build, f);
    if (r == 0)
        r = make_os_release(build, f);
    for (size_t i = 0; r == 0 && i <= last; i++)
        r = order[i].run(build, f);
    return r;
}

static struct build make_build(const struct build_request *request, struct progress *progress)
{
    return (struct build){
        .request = request,
        .progress = progress,
        .shared = { .profile = request->profile,
                    .progress = progress,
                    .explain = request->explain },
    };
}

static int make_live(struct build *build, const char *folder, char **ret, struct failure *f)
{
    int r = build_live(build, folder, f);

    return r < 0 ? r : publish_live(build, folder, ret, f);
}

int build_run(const struct build_request *request, struct progress *progress, char **ret_folder,
              char **ret_live, struct failure *f)
{
    struct build build = make_build(request, progress);
    _cleanup_free_ char *folder = NULL;
    int r = run_steps(&build, ARRAY_SIZE(order) - 1, f);

    *ret_live = NULL;
    if (r == 0)
        r = budget_check(&build, f);
    if (r == 0)
        r = publish(&build, &folder, f);
    if (r == 0 && request->live)
        r = make_live(&build, folder, ret_live, f);
    if (r == 0)
        *ret_folder = take_ptr(folder);
    build_done(&build);
    return r;
}

int build_until(const struct build_request *request, const char *step, struct progress *progress,
                char **ret_folder, struct failure *f)
{
    struct build build = make_build(request, progress);
    const char *names[ARRAY_SIZE(order)];
    size_t last = ARRAY_SIZE(order);
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        names[i] = order[i].name;
        if (strcmp(order[i].name, step) == 0)
            last = i;
    }
    if (last == ARRAY_SIZE(order)) {
        const char *nearest = nearest_name(step, names, ARRAY_SIZE(names));

        return failure_set(f, CODE_USAGE, -EINVAL, "no step is called '%s'; did you mean '%s'?",
                           step, nearest ? nearest : "rootfs");
    }
    r = run_steps(&build, last, f);
    if (r == 0) {
        *ret_folder = strdup(step_at(&build, last)->folder);
        if (!*ret_folder)
            r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    build_done(&build);
    return r;
}
