/* The same bytes on every host: source and objects have the same paths in every sandbox, and what
 * the kernel says of its birth (user, host, date, number) is fixed. Both folders are kept in the
 * cache, so that a changed option compiles what it concerns and a build that was ended goes on. */
#include "image/kernel_own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/kernel_config.h"
#include "image/tool.h"
#include "sys/file.h"

enum { RELEASE_FILE_MAX = 128, TEXT_SIZE = 64 };

#define LOCAL_VERSION "-broch"
#define TARBALL       "/usr/src/" KERNEL_OWN_PACKAGE ".tar.xz"

/* Later ones win; none of them sets what another has set, which the check would find. */
static const char *const fragments[] = { "common.config", "x86_64.config", "hardening.config" };
/* Not given to Kconfig, only checked. */
static const char required[] = "required.config";

static char *fragment_path(const struct build *build, const char *name)
{
    return text_make("%s/kernel/%s", build->request->source, name);
}

int kernel_own_release(const struct build *build, char **ret, struct failure *f)
{
    const struct lock *lock = &build->kernel_tree.lock;

    for (size_t i = 0; i < lock->package_count; i++) {
        const struct lock_package *package = &lock->packages[i];

        if (strcmp(package->name, KERNEL_OWN_PACKAGE) != 0)
            continue;
        /* "6.12.118-1": Debian's number of the package is no part of the kernel's release. */
        *ret =
            text_make("%.*s" LOCAL_VERSION, (int)strcspn(package->version, "-"), package->version);
        return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    return failure_set(f, CODE_LOCK_STALE, -ENOENT, "the lock of kernel/ names no '%s'",
                       KERNEL_OWN_PACKAGE);
}

int kernel_own_inputs(struct build *build, struct failure *f)
{
    int r = 0;

    /* Source and compiler: both are pinned by this lock. */
    step_input_digest(&build->kernel, "kernel-tree", &build->kernel_tree.digest);
    for (size_t i = 0; r == 0 && i <= ARRAY_SIZE(fragments); i++) {
        const char *name = i < ARRAY_SIZE(fragments) ? fragments[i] : required;
        _cleanup_free_ char *path = fragment_path(build, name);
        struct digest digest;

        r = path ? digest_file(path, &digest, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (r == 0)
            step_input_digest(&build->kernel, name, &digest);
    }
    return r;
}

static int read_fragment(const struct build *build, const char *name, char **ret, struct failure *f)
{
    _cleanup_free_ char *path = fragment_path(build, name);
    uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, KERNEL_CONFIG_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        *ret = (char *)bytes;
    return r;
}

static int write_wanted(const struct build *build, const char *objects, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/wanted.config", objects);
    _cleanup_text_ struct text all = TEXT_INIT;
    int r = path ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fragments); i++) {
        _cleanup_free_ char *text = NULL;

        r = read_fragment(build, fragments[i], &text, f);
        if (r == 0)
            text_add(&all, text);
    }
    if (r == 0 && text_status(&all) < 0)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return r < 0 ? r : file_write(path, text_string(&all), all.length, 0644, f);
}

/* What Kconfig resolved, against every line that was asked for, and against the list that nobody
 * changes by changing a fragment. */
static int check(const struct build *build, const char *objects, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/.config", objects);
    _cleanup_free_ uint8_t *resolved = NULL;
    size_t size;
    int r = path ? file_read(path, KERNEL_CONFIG_MAX, &resolved, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i <= ARRAY_SIZE(fragments); i++) {
        const char *name = i < ARRAY_SIZE(fragments) ? fragments[i] : required;
        _cleanup_free_ char *wanted = NULL;
        _cleanup_free_ char *shown = text_make("kernel/%s", name);

        r = shown ? read_fragment(build, name, &wanted, f)
                  : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (r == 0)
            r = kernel_config_check(shown, wanted, (const char *)resolved, f);
    }
    return r;
}

static struct arguments make_arguments(char timestamp[static TEXT_SIZE], uint64_t date)
{
    (void)snprintf(timestamp, TEXT_SIZE, "KBUILD_BUILD_TIMESTAMP=@%llu", (unsigned long long)date);
    return ARGUMENTS("env", "KBUILD_BUILD_USER=broch", "KBUILD_BUILD_HOST=broch",
                     "KBUILD_BUILD_VERSION=1", timestamp, "make", "-s", "-C", "/run/source",
                     "O=/run/objects");
}

static int configure(const struct build *build, const struct tool *tool, const char *objects,
                     struct failure *f)
{
    char timestamp[TEXT_SIZE];
    struct arguments arguments = make_arguments(timestamp, tool->date);
    int r = write_wanted(build, objects, f);

    arguments_add(&arguments, "KCONFIG_ALLCONFIG=/run/objects/wanted.config");
    arguments_add(&arguments, "allnoconfig");
    if (r == 0)
        r = tool_run(tool, &arguments, f);
    return r < 0 ? r : check(build, objects, f);
}

static int compile(const struct build *build, const struct tool *tool, struct failure *f)
{
    char timestamp[TEXT_SIZE], jobs[TEXT_SIZE];
    struct arguments arguments = make_arguments(timestamp, tool->date);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned long long count = build->request->jobs > 0 ? build->request->jobs
                               : processors > 0         ? (unsigned long long)processors
                                                        : 1;

    (void)snprintf(jobs, sizeof(jobs), "-j%llu", count);
    arguments_add(&arguments, jobs);
    arguments_add(&arguments, "bzImage");
    return tool_run(tool, &arguments, f);
}

static int copy_out(const char *objects, const char *from, const char *folder, const char *to,
                    struct failure *f)
{
    _cleanup_free_ char *source = text_make("%s/%s", objects, from);
    _cleanup_free_ char *target = text_make("%s/%s", folder, to);

    return source && target ? file_copy(source, target, 0644, f)
                            : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* There are no modules, but programs that look for some want indexes that say so; the initrd's plan
 * reads in them what is built in. */
static int add_indexes(const struct build *build, const char *objects, const char *folder,
                       const char *release, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "kernel", build->kernel_tree.lock.date);
    const struct arguments depmod = ARGUMENTS("depmod", "--basedir", "/run/tree", release);
    static const char *const names[] = { "modules.builtin", "modules.builtin.modinfo" };
    _cleanup_free_ char *tree = text_make("%s/tree", folder),
                        *lib = text_make("%s/tree/lib", folder);
    _cleanup_free_ char *modules = text_make("%s/tree/usr/lib/modules/%s", folder, release);
    _cleanup_free_ char *order = modules ? text_make("%s/modules.order", modules) : NULL;
    int r = tree && lib && order ? file_make_folders(modules, f)
                                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
        r = copy_out(objects, names[i], modules, names[i], f);
    if (r == 0)
        r = file_write(order, "", 0, 0644, f);
    /* depmod wants /lib/modules. */
    if (r == 0 && symlink("usr/lib", lib) < 0)
        r = file_failure(f, errno, "make", lib);
    tool_bind(&tool, tree, "/run/tree", false);
    if (r == 0)
        r = tool_run(&tool, &depmod, f);
    return r < 0 ? r : file_remove_tree(lib, f);
}

static int collect(const struct build *build, const char *objects, const char *folder,
                   struct failure *f)
{
    _cleanup_free_ char *expected = NULL, *path = text_make("%s/release", folder);
    _cleanup_free_ char *made = text_make("%s/include/config/kernel.release", objects);
    _cleanup_free_ uint8_t *release = NULL;
    size_t size;
    int r = path && made ? file_read(made, RELEASE_FILE_MAX, &release, &size, f)
                         : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = kernel_own_release(build, &expected, f);
    if (r < 0)
        return r;
    release[strcspn((char *)release, "\n")] = '\0';
    if (strcmp((char *)release, expected) != 0)
        return failure_set(f, CODE_STEP_FAILED, -EBADMSG, "the source makes release '%s', not '%s'",
                           release, expected);
    r = file_write(path, expected, strlen(expected), 0644, f);
    if (r == 0)
        r = copy_out(objects, "arch/x86/boot/bzImage", folder, "vmlinuz", f);
    if (r == 0)
        r = copy_out(objects, ".config", folder, "config", f);
    return r < 0 ? r : add_indexes(build, objects, folder, expected, f);
}

/* Unpacked under another name first: a source that is there is whole. */
static int unpack(const struct build *build, const char *home, const char *source,
                  struct failure *f)
{
    struct tool tool = tool_make(&build->kernel_tree, "kernel", build->kernel_tree.lock.date);
    const struct arguments arguments =
        ARGUMENTS("tar", "--extract", "--file", TARBALL, "--directory", "/run/source",
                  "--strip-components=1", "--no-same-owner");
    _cleanup_free_ char *work = text_make("%s/source.work", home);
    int r = work ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0 && file_exists(source))
        return 0;
    if (r == 0)
        r = file_remove_tree(work, f);
    if (r == 0)
        r = file_make_folders(work, f);
    tool_bind(&tool, work, "/run/source", false);
    if (r == 0)
        r = tool_run(&tool, &arguments, f);
    if (r == 0 && rename(work, source) < 0)
        r = file_failure(f, errno, "rename", work);
    return r;
}

int kernel_own_make(const struct build *build, const char *folder, struct failure *f)
{
    struct tool tool = tool_make(&build->kernel_tree, "kernel", build->kernel_tree.lock.date);
    _cleanup_free_ char *home = NULL, *source = NULL, *objects = NULL;
    char digits[DIGEST_TEXT_SIZE];
    int r = cache_path(&home, f, "kernels/%s", digest_text(&build->kernel_tree.digest, digits));

    if (r < 0)
        return r;
    source = text_make("%s/source", home);
    objects = text_make("%s/objects", home);
    r = source && objects ? file_make_folders(objects, f)
                          : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = unpack(build, home, source, f);
    if (r < 0)
        return r;
    tool_bind(&tool, source, "/run/source", true);
    tool_bind(&tool, objects, "/run/objects", false);
    r = configure(build, &tool, objects, f);
    if (r == 0)
        r = compile(build, &tool, f);
    return r < 0 ? r : collect(build, objects, folder, f);
}
