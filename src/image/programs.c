/* Step "programs": our own programs, compiled in the tools tree against the libraries of the image.
 * Source and build folder have the same paths in every sandbox and are kept, so that one changed
 * file is one compilation. Outputs: tree (what the system image gets), stage1 and libraries (for
 * the initrd). */
#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/snapshot.h"
#include "image/tool.h"
#include "sys/file.h"

enum { JOBS_TEXT_SIZE = 24, LDD_OUTPUT_MAX = 1 << 16 };

/* All that the compilation may see. */
static const char *const sources[] = { "src", "completions", "meson.build", "meson_options.txt",
                                       "VERSION" };

static int take_snapshot(const struct build *build, const char *folder, struct failure *f)
{
    int r = file_make_folders(folder, f);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sources); i++) {
        _cleanup_free_ char *from = text_make("%s/%s", build->request->source, sources[i]);
        _cleanup_free_ char *to = text_make("%s/%s", folder, sources[i]);

        r = from && to ? snapshot_update(from, to, f)
                       : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    return r;
}

/* A folder that is not configured to the end, because a build was killed, is started anew. */
static int configure(const struct tool *tool, const char *build_folder, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS(
        "meson", "setup", "--wipe", "/run/build", "/run/source", "-Dfactory=false", "--prefix=/usr",
        "--libdir=lib", "--buildtype=plain", "-Doptimization=2", "-Ddebug=false");
    _cleanup_free_ char *configured = text_make("%s/build.ninja", build_folder);

    if (!configured)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_exists(configured) ? 0 : tool_run(tool, &arguments, f);
}

static int compile(const struct build *build, const struct tool *tool, struct failure *f)
{
    struct arguments arguments = ARGUMENTS("ninja", "-C", "/run/build");
    char jobs[JOBS_TEXT_SIZE];

    if (build->request->jobs > 0) {
        (void)snprintf(jobs, sizeof(jobs), "-j%llu", (unsigned long long)build->request->jobs);
        arguments_add(&arguments, jobs);
    }
    return tool_run(tool, &arguments, f);
}

static int install(const struct tool *tool, struct failure *f)
{
    const struct arguments arguments =
        ARGUMENTS("env", "DESTDIR=/run/out/tree", "meson", "install", "-C", "/run/build",
                  "--no-rebuild", "--strip", "--quiet");
    const struct arguments set_apart =
        ARGUMENTS("mv", "/run/out/tree/usr/lib/broch/broch-stage1", "/run/out/stage1");
    int r = tool_run(tool, &arguments, f);

    return r < 0 ? r : tool_run(tool, &set_apart, f);
}

/* Writes down what the dynamic loader would load for stage 1: of lines "NAME => PATH (ADDRESS)" and
 * "\tPATH (ADDRESS)" the paths. */
static int pick_libraries(const char *listing, struct text *ret, struct failure *f)
{
    struct cursor cursor = cursor_make(listing, strlen(listing));
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        const char *path = memchr(line, '/', length);
        const char *end = path ? memmem(path, (size_t)(line + length - path), " (", 2) : NULL;

        if (memmem(line, length, "not found", 9))
            return failure_set(f, CODE_STEP_FAILED, -ENOENT, "stage 1 lacks a library: %.*s",
                               (int)length, line);
        if (end) /* the kernel's own vdso has no file */
            text_addf(ret, "%.*s\n", (int)(end - path), path);
    }
    return text_status(ret) == 0 ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int list_libraries(const struct tool *tool, const char *folder, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS("ldd", "/run/out/stage1");
    _cleanup_free_ char *listing = NULL, *path = text_make("%s/libraries", folder);
    _cleanup_text_ struct text libraries = TEXT_INIT;
    size_t size;
    int r = path ? tool_capture(tool, &arguments, LDD_OUTPUT_MAX, &listing, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = pick_libraries(listing, &libraries, f);
    return r < 0 ? r : file_write(path, libraries.data, libraries.length, 0644, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    struct tool tool = tool_make(&build->tree, "programs", build->supply.lock.date);
    _cleanup_free_ char *home = NULL, *build_folder = NULL, *source_folder = NULL;
    char digits[DIGEST_TEXT_SIZE];
    int r = cache_path(&home, f, "programs/%s", digest_text(&build->tree.digest, digits));

    if (r < 0)
        return r;
    build_folder = text_make("%s/build", home);
    source_folder = text_make("%s/source", home);
    if (!build_folder || !source_folder)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_make_folders(build_folder, f);
    if (r == 0)
        r = take_snapshot(build, source_folder, f);
    if (r < 0)
        return r;
    tool_bind(&tool, source_folder, "/run/source", true);
    tool_bind(&tool, build_folder, "/run/build", false);
    tool_bind(&tool, folder, "/run/out", false);
    r = configure(&tool, build_folder, f);
    if (r == 0)
        r = compile(build, &tool, f);
    if (r == 0)
        r = install(&tool, f);
    return r < 0 ? r : list_libraries(&tool, folder, f);
}

int build_programs(struct build *build, struct failure *f)
{
    step_init(&build->programs, "programs");
    step_input_digest(&build->programs, "tools", &build->tree.digest);
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", build->request->source, sources[i]);
        struct digest digest;
        int r = path ? digest_tree(path, &digest, f)
                     : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

        if (r < 0)
            return r;
        step_input_digest(&build->programs, sources[i], &digest);
    }
    return step_do(&build->programs, &build->shared, run, build, f);
}
