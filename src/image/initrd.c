/* Step "initrd": stage 1, its libraries, the modules a slot needs, and what stage 1 must know
 * (src/boot/initrd.h is the contract). Outputs: initrd (zstd), cmdline, and the module plan. */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "boot/initrd.h"
#include "image/cpio.h"
#include "image/modules_plan.h"
#include "image/tool.h"
#include "sys/file.h"

enum { TEXT_FILE_MAX = 8 << 20, LDD_OUTPUT_MAX = 1 << 16, SMALL_FILE_MAX = 4096 };

/* Both consoles, the serial one last because /dev/console is the last; level 5 shows our markers
 * and the kernel's warnings; no rate limit for markers; no self-test of each cipher that a module
 * brings, which together take longer than everything else; a panic restarts the machine. */
#define CMDLINE_HEAD                                                                               \
    "console=tty0 console=ttyS0,115200 loglevel=5 printk.devkmsg=on cryptomgr.notests=1 panic=5 "  \
    "oops=panic"

#define PACKED_ENDING ".xz"

/* Names in an archive have no slash in front. */
static const char *in_archive(const char *path)
{
    return path + 1;
}

static int read_text(const struct step *step, const char *name, size_t limit, char **ret,
                     struct failure *f)
{
    _cleanup_free_ char *path = step_path(step, name);
    uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, limit, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        *ret = (char *)bytes;
    return r;
}

static int make_cmdline(const struct build *build, char **ret, struct failure *f)
{
    _cleanup_text_ struct text cmdline = TEXT_INIT;
    _cleanup_free_ char *root = NULL;
    int r = read_text(&build->system, "verity.root", SMALL_FILE_MAX, &root, f);

    if (r < 0)
        return r;
    root[strcspn(root, "\n")] = '\0';
    text_add(&cmdline, CMDLINE_HEAD);
    for (size_t i = 0; i < build->profile.cmdline.count; i++)
        text_addf(&cmdline, " %s", build->profile.cmdline.items[i]);
    text_addf(&cmdline, " broch.generation=%s broch.profile=%s broch.epoch=%lld broch.verity=%s",
              build->generation, build->profile.name, (long long)build->profile.epoch, root);
    if (cmdline.length > INITRD_CMDLINE_MAX)
        return failure_set(f, CODE_SCHEMA, -ERANGE, "the kernel command line is too long");
    *ret = text_take(&cmdline);
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* Adds what the dynamic loader would load: lines "NAME => PATH (ADDRESS)" and "\tPATH (ADDRESS)".
 */
static int add_libraries(const struct build *build, struct cpio *cpio, const char *listing,
                         struct failure *f)
{
    struct cursor cursor = cursor_make(listing, strlen(listing));
    const char *line;
    size_t length;
    int r = 0;

    while (r == 0 && cursor_line(&cursor, &line, &length)) {
        const char *path = memchr(line, '/', length);
        const char *end = path ? memmem(path, (size_t)(line + length - path), " (", 2) : NULL;
        _cleanup_free_ char *library = NULL, *source = NULL, *real = NULL;

        if (memmem(line, length, "not found", 9))
            return failure_set(f, CODE_STEP_FAILED, -ENOENT, "stage 1 lacks a library: %.*s",
                               (int)length, line);
        if (!end)
            continue; /* the kernel's own vdso has no file */
        library = strndup(path, (size_t)(end - path));
        source = library ? text_make("%s%s", build->tree.path, library) : NULL;
        real = source ? realpath(source, NULL) : NULL;
        if (!real)
            return failure_set(f, CODE_STEP_FAILED, -ENOENT, "cannot find '%s'", library);
        r = cpio_add_file(cpio, library + 1, real, strstr(library, "/ld-linux") != NULL, f);
    }
    return r;
}

static int add_stage1(const struct build *build, struct cpio *cpio, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "initrd", build->supply.lock.date);
    const struct arguments arguments = ARGUMENTS("ldd", "/run/stage1");
    _cleanup_free_ char *stage1 = step_path(&build->programs, "stage1"), *listing = NULL;
    size_t size;
    int r;

    if (!stage1)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    tool_bind(&tool, stage1, "/run/stage1", true);
    r = cpio_add_file(cpio, "init", stage1, true, f);
    if (r == 0)
        r = tool_capture(&tool, &arguments, LDD_OUTPUT_MAX, &listing, &size, f);
    return r < 0 ? r : add_libraries(build, cpio, listing, f);
}

static int make_plan(const struct build *build, const char *release, struct plan *ret,
                     struct failure *f)
{
    static const char *const names[] = { "modules.dep", "modules.alias", "modules.builtin" };
    char *texts[ARRAY_SIZE(names)] = { NULL };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *name = text_make("tree/usr/lib/modules/%s/%s", release, names[i]);

        r = name ? read_text(&build->kernel, name, TEXT_FILE_MAX, &texts[i], f) : -ENOMEM;
    }
    if (r == 0)
        r = plan_make(&plan_slot, texts[0], texts[1], texts[2], ret, f);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        free(texts[i]);
    return r;
}

static bool is_packed(const char *name)
{
    size_t length = strlen(name), ending = strlen(PACKED_ENDING);

    return length > ending && strcmp(name + length - ending, PACKED_ENDING) == 0;
}

/* Unpacks the planned modules (the signature inside stays valid, and zstd packs them better than
 * they were packed) and adds them. */
static int add_modules(const struct build *build, const struct plan *plan, const char *release,
                       const char *folder, struct cpio *cpio, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "initrd", build->supply.lock.date);
    struct arguments unpack = ARGUMENTS("xz", "--decompress", "--");
    char *names[PLAN_FILES_MAX] = { NULL };
    bool packed = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->file_count; i++) {
        const char *base = strrchr(plan->files[i], '/') + 1;
        _cleanup_free_ char *from = text_make("%s/tree/usr/lib/modules/%s/%s", build->kernel.folder,
                                              release, plan->files[i]);
        _cleanup_free_ char *to = text_make("%s/%s", folder, base);

        names[i] = strdup(base);
        if (!from || !to || !names[i])
            r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        else
            r = file_copy(from, to, 0644, f);
        if (r == 0 && is_packed(base)) {
            arguments_add(&unpack, names[i]);
            packed = true;
        }
    }
    tool_bind(&tool, folder, "/run/modules", false);
    tool.folder = "/run/modules";
    if (r == 0 && packed)
        r = tool_run(&tool, &unpack, f);
    for (size_t i = 0; i < plan->file_count; i++) {
        if (r == 0) {
            _cleanup_free_ char *source = NULL, *target = NULL;

            if (is_packed(names[i]))
                names[i][strlen(names[i]) - strlen(PACKED_ENDING)] = '\0';
            source = text_make("%s/%s", folder, names[i]);
            target = text_make("%s/%s", in_archive(INITRD_MODULE_FOLDER), names[i]);
            r = source && target ? cpio_add_file(cpio, target, source, false, f)
                                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        }
        free(names[i]);
    }
    return r;
}

static int add_knowledge(const struct build *build, const char *cmdline, struct cpio *cpio,
                         struct failure *f)
{
    _cleanup_free_ char *superblock = step_path(&build->system, "verity.superblock");
    int r;

    if (!superblock)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = cpio_add_bytes(cpio, in_archive(INITRD_CMDLINE), cmdline, strlen(cmdline), f);
    return r < 0 ? r : cpio_add_file(cpio, in_archive(INITRD_SUPERBLOCK), superblock, false, f);
}

static int pack(const struct build *build, const char *folder, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "initrd", build->supply.lock.date);
    /* One thread: with more of them zstd's output depends on how many there are. */
    const struct arguments arguments =
        ARGUMENTS("zstd", "-19", "--single-thread", "--quiet", "--rm", ".cpio", "-o", "initrd");

    tool_bind(&tool, folder, "/run/out", false);
    tool.folder = "/run/out";
    return tool_run(&tool, &arguments, f);
}

static int fill(const struct build *build, const char *folder, const char *work,
                const char *cmdline, struct cpio *cpio, struct failure *f)
{
    _cleanup_(plan_done) struct plan plan = PLAN_INIT;
    _cleanup_free_ char *release = NULL, *path = text_make("%s/.cpio", folder);
    int r = path ? read_text(&build->kernel, "release", SMALL_FILE_MAX, &release, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = add_stage1(build, cpio, f);
    if (r == 0)
        r = make_plan(build, release, &plan, f);
    if (r == 0)
        r = cpio_add_bytes(cpio, in_archive(INITRD_MODULES), plan.text.data, plan.text.length, f);
    if (r == 0)
        r = add_modules(build, &plan, release, work, cpio, f);
    if (r == 0)
        r = add_knowledge(build, cmdline, cpio, f);
    if (r == 0)
        r = cpio_write(cpio, path, build->supply.lock.date, f);
    return r;
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    _cleanup_free_ char *work = text_make("%s/.modules", folder), *cmdline = NULL;
    _cleanup_free_ char *cmdline_path = text_make("%s/cmdline", folder);
    struct cpio *cpio = calloc(1, sizeof(*cpio));
    int r = work && cmdline_path && cpio ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");

    if (r == 0)
        r = file_make_folders(work, f);
    if (r == 0)
        r = make_cmdline(build, &cmdline, f);
    if (r == 0)
        r = file_write(cmdline_path, cmdline, strlen(cmdline), 0644, f);
    if (r == 0)
        r = fill(build, folder, work, cmdline, cpio, f);
    if (r == 0)
        r = pack(build, folder, f);
    if (r == 0)
        r = file_remove_tree(work, f);
    if (cpio)
        cpio_done(cpio);
    free(cpio);
    return r;
}

/* The wish list is code, so it has to be named as an input. */
static void plan_input(const struct plan_wish *wish, struct step *step)
{
    for (size_t i = 0; i < PLAN_REQUESTS_MAX && wish->requests[i].modules[0]; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(wish->requests[i].modules); j++) {
            if (wish->requests[i].modules[j])
                step_input_text(step, "module", wish->requests[i].modules[j]);
        }
    }
    for (size_t i = 0; i < PLAN_DRIVERS_MAX && wish->drivers[i]; i++)
        step_input_text(step, "driver", wish->drivers[i]);
}

int build_initrd(struct build *build, struct failure *f)
{
    step_init(&build->initrd, "initrd");
    step_input_digest(&build->initrd, "tools", &build->tree.digest);
    step_input_digest(&build->initrd, "stage1", &step_output(&build->programs, "stage1")->digest);
    step_input_digest(&build->initrd, "kernel", &build->kernel.result);
    step_input_digest(&build->initrd, "verity",
                      &step_output(&build->system, "verity.root")->digest);
    step_input_digest(&build->initrd, "superblock",
                      &step_output(&build->system, "verity.superblock")->digest);
    plan_input(&plan_slot, &build->initrd);
    step_input_text(&build->initrd, "cmdline", CMDLINE_HEAD);
    step_input_text(&build->initrd, "generation", build->generation);
    step_input_number(&build->initrd, "epoch", (uint64_t)build->profile.epoch);
    for (size_t i = 0; i < build->profile.cmdline.count; i++)
        step_input_text(&build->initrd, "cmdline", build->profile.cmdline.items[i]);
    step_input_number(&build->initrd, "date", build->supply.lock.date);
    return step_do(&build->initrd, &build->shared, run, build, f);
}
