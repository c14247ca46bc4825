/* Step "drivers": the part of the initrd that changes with the kernel and the libraries only,
 * packed by itself: the libraries of stage 1, the kernel modules a slot needs, signed with the key
 * of the boot file, and the plan when to load which. Packing it takes seconds, so a change in stage
 * 1 does not. Output: drivers.cpio.zst, to which the step "initrd" adds its own archive; the kernel
 * unpacks one after the other (Documentation/driver-api/early-userspace/buffer-format.rst). */
#include "image/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "boot/initrd.h"
#include "image/cpio.h"
#include "image/module_signature.h"
#include "image/modules_plan.h"
#include "image/tool.h"
#include "sys/file.h"

enum { TEXT_FILE_MAX = 8 << 20, LIBRARIES_MAX = 1 << 16, MODULE_MAX = 64 << 20 };

#define PACKED_ENDING ".xz"

/* Names in an archive have no slash in front. */
static const char *in_archive(const char *path)
{
    return path + 1;
}

/* One line for each library, as the step "programs" found them. */
static int add_libraries(const struct build *build, struct cpio *cpio, struct failure *f)
{
    _cleanup_free_ char *path = step_path(&build->programs, "libraries");
    _cleanup_free_ uint8_t *bytes = NULL;
    struct cursor cursor;
    const char *line;
    size_t size, length;
    int r = path ? file_read(path, LIBRARIES_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    cursor = cursor_make(bytes, size);
    while (r == 0 && cursor_line(&cursor, &line, &length)) {
        _cleanup_free_ char *library = strndup(line, length);
        _cleanup_free_ char *source = library ? text_make("%s%s", build->tree.path, library) : NULL;
        _cleanup_free_ char *real = source ? realpath(source, NULL) : NULL;

        if (!real)
            return failure_set(f, CODE_STEP_FAILED, -ENOENT, "cannot find the library '%.*s'",
                               (int)length, line);
        r = cpio_add_file(cpio, in_archive(library), real, strstr(library, "/ld-linux") != NULL, f);
    }
    return r;
}

static int read_table(const struct build *build, const char *release, const char *name, char **ret,
                      struct failure *f)
{
    _cleanup_free_ char *relative = text_make("tree/usr/lib/modules/%s/%s", release, name);
    _cleanup_free_ char *path = relative ? step_path(&build->kernel, relative) : NULL;
    uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, TEXT_FILE_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        *ret = (char *)bytes;
    return r;
}

static int make_plan(const struct build *build, const char *release, struct plan *ret,
                     struct failure *f)
{
    static const char *const names[] = { "modules.dep", "modules.alias", "modules.builtin" };
    char *texts[ARRAY_SIZE(names)] = { NULL };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
        r = read_table(build, release, names[i], &texts[i], f);
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

static const char *base_name(const char *file)
{
    return strrchr(file, '/') + 1;
}

/* Copies the planned modules into `folder` and unpacks them there, in the plan as well: zstd packs
 * them better than they were packed, and stage 1 unpacks nothing. What only debuggers read goes,
 * which is a tenth of what has to be hashed when a module is loaded; each is signed anew anyway. */
static int unpack_modules(const struct build *build, struct plan *plan, const char *release,
                          const char *folder, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, "drivers", build->supply.lock.date);
    struct arguments unpack = ARGUMENTS("xz", "--decompress", "--");
    struct arguments strip =
        ARGUMENTS("strip", "--strip-unneeded", "--remove-section=.BTF", "--remove-section=.BTF_ids",
                  "--remove-section=.comment", "--");
    bool packed = false;
    int r = file_make_folders(folder, f);

    for (size_t i = 0; r == 0 && i < plan->file_count; i++) {
        const char *base = base_name(plan->files[i]);
        _cleanup_free_ char *from = text_make("%s/tree/usr/lib/modules/%s/%s", build->kernel.folder,
                                              release, plan->files[i]);
        _cleanup_free_ char *to = text_make("%s/%s", folder, base);

        r = from && to ? file_copy(from, to, 0644, f)
                       : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (is_packed(base)) {
            arguments_add(&unpack, base);
            packed = true;
        }
    }
    tool_bind(&tool, folder, "/run/modules", false);
    tool.folder = "/run/modules";
    if (r == 0 && packed)
        r = tool_run(&tool, &unpack, f);
    for (size_t i = 0; i < plan->file_count; i++) {
        if (is_packed(plan->files[i]))
            plan->files[i][strlen(plan->files[i]) - strlen(PACKED_ENDING)] = '\0';
        arguments_add(&strip, base_name(plan->files[i]));
    }
    if (r == 0 && plan->file_count > 0)
        r = tool_run(&tool, &strip, f);
    return r;
}

struct signing {
    const struct module_signer *signer;
    struct cpio *cpio;
};

static int add_module(const char *folder, const char *name, void *context, struct failure *f)
{
    const struct signing *signing = context;
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ char *target = text_make("%s/%s", in_archive(INITRD_MODULE_FOLDER), name);
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_text_ struct text module = TEXT_INIT;
    size_t size;
    int r = path && target ? file_read(path, MODULE_MAX, &bytes, &size, f)
                           : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = module_sign(signing->signer, bytes, size, &module, f);
    if (r < 0) {
        failure_prefix(f, "%s", name);
        return r;
    }
    return cpio_add_bytes(signing->cpio, target, module.data, module.length, f);
}

static int add_modules(const struct build *build, const char *folder, struct cpio *cpio,
                       struct failure *f)
{
    struct module_signer *signer = NULL;
    struct signing signing = { .cpio = cpio };
    int r = module_signer_open(&build->keys, &signer, f);

    signing.signer = signer;
    if (r == 0)
        r = file_list(folder, add_module, &signing, f);
    (void)module_signer_free(signer); /* NULL */
    return r;
}

static int fill(const struct build *build, const char *work, struct cpio *cpio, struct failure *f)
{
    _cleanup_(plan_done) struct plan plan = PLAN_INIT;
    _cleanup_free_ char *release = NULL;
    int r = kernel_release(build, &release, f);

    if (r == 0)
        r = make_plan(build, release, &plan, f);
    if (r == 0)
        r = unpack_modules(build, &plan, release, work, f);
    if (r == 0)
        r = add_libraries(build, cpio, f);
    if (r == 0)
        r = cpio_add_bytes(cpio, in_archive(INITRD_MODULES), plan.text.data, plan.text.length, f);
    return r < 0 ? r : add_modules(build, work, cpio, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    _cleanup_free_ char *work = text_make("%s/.modules", folder);
    struct cpio *cpio = calloc(1, sizeof(*cpio));
    int r = work && cpio ? fill(build, work, cpio, f)
                         : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = initrd_pack(build, "drivers", folder, cpio, "drivers.cpio.zst", f);
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

int build_drivers(struct build *build, struct failure *f)
{
    step_init(&build->drivers, "drivers");
    step_input_digest(&build->drivers, "tools", &build->tree.digest);
    step_input_digest(&build->drivers, "libraries",
                      &step_output(&build->programs, "libraries")->digest);
    step_input_digest(&build->drivers, "kernel", &build->kernel.result);
    step_input_digest(&build->drivers, "keys", &build->keys.digest);
    plan_input(&plan_slot, &build->drivers);
    step_input_number(&build->drivers, "stripped", 1);
    step_input_number(&build->drivers, "date", build->supply.lock.date);
    return step_do(&build->drivers, &build->shared, run, build, f);
}
