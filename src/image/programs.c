/* Step "programs": our own programs, compiled in the tools tree against the libraries of the image.
 * The source and the build folder have the same paths in every sandbox, and the build folder is
 * kept, so that one changed file is one compilation. */
#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/tool.h"
#include "sys/file.h"

enum { JOBS_TEXT_SIZE = 24 };

static const char *const sources[] = { "src", "meson.build", "meson_options.txt", "VERSION" };

static int configure(const struct tool *tool, const char *build_folder, struct failure *f)
{
    const struct arguments arguments =
        ARGUMENTS("meson", "setup", "/run/build", "/run/source", "-Dfactory=false", "--prefix=/usr",
                  "--libdir=lib", "--buildtype=plain", "-Doptimization=2", "-Ddebug=false");
    _cleanup_free_ char *configured = text_make("%s/build.ninja", build_folder);

    if (!configured)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_exists(configured) ? 0 : tool_run(tool, &arguments, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    struct tool tool = tool_make(&build->tree, "programs", build->supply.lock.date);
    _cleanup_free_ char *build_folder = NULL;
    char digits[DIGEST_TEXT_SIZE], jobs[JOBS_TEXT_SIZE];
    struct arguments compile = ARGUMENTS("ninja", "-C", "/run/build");
    const struct arguments install =
        ARGUMENTS("env", "DESTDIR=/run/out/tree", "meson", "install", "-C", "/run/build",
                  "--no-rebuild", "--strip", "--quiet");
    int r = cache_path(&build_folder, f, "programs/%s", digest_text(&build->tree.digest, digits));

    if (r == 0)
        r = file_make_folders(build_folder, f);
    if (r < 0)
        return r;
    tool_bind(&tool, build->request->source, "/run/source", true);
    tool_bind(&tool, build_folder, "/run/build", false);
    tool_bind(&tool, folder, "/run/out", false);
    if (build->request->jobs > 0) {
        (void)snprintf(jobs, sizeof(jobs), "-j%llu", (unsigned long long)build->request->jobs);
        arguments_add(&compile, jobs);
    }
    r = configure(&tool, build_folder, f);
    if (r == 0)
        r = tool_run(&tool, &compile, f);
    if (r == 0)
        r = tool_run(&tool, &install, f);
    return r;
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
