/* broch-factory: the verbs of the developer's side that make things. `broch` starts it as
 * "broch-factory VERB ...". */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/code.h"
#include "base/failure.h"
#include "base/nearest.h"
#include "base/options.h"
#include "base/text.h"
#include "image/build.h"
#include "image/key_change.h"
#include "image/keys.h"
#include "image/release.h"
#include "trust/manifest.h"
#include "sys/progress.h"
#include "image/supply.h"
#include "node/config.h"
#include "sys/file.h"
#include "work/manifest.h"

#define NO_FD UINT64_MAX /* --progress-fd was not given */

/* Result of a verb that is not a failure: an exit code, or negative with *f set. */
typedef int (*verb_run)(int argc, char **argv, struct failure *f);

/* Shows --help or passes a failure on. Returns 1 when the verb is to end with exit code 0. */
static int parse(const struct options *options, int argc, char **argv, struct operands *operands,
                 struct failure *f)
{
    int r = options_parse(options, argc, argv, operands, f);

    if (r == 1)
        options_help(options, stdout);
    return r;
}

static int find_source(const char *given, char **ret, struct failure *f)
{
    const char *variable = getenv("BROCH_SOURCE");
    _cleanup_free_ char *path = realpath(given ? given : variable ? variable : ".", NULL);
    _cleanup_free_ char *mark = path ? text_make("%s/profiles", path) : NULL;

    if (!mark || !file_exists(mark))
        return failure_set(f, CODE_PROFILE_UNKNOWN, -EINVAL,
                           "this folder is not Broch's source: it has no profiles/");
    *ret = take_ptr(path);
    return 0;
}

static void print_build_json(const char *folder, const char *live)
{
    char buffer[FAILURE_TEXT_MAX * 4];
    struct line line = line_make(buffer, sizeof(buffer));

    line_add(&line, "{\"folder\":");
    line_add_json_string(&line, folder);
    if (live) {
        line_add(&line, ",\"iso\":");
        line_add_json_string(&line, live);
    }
    line_add(&line, "}");
    (void)puts(buffer);
}

static int verb_build(int argc, char **argv, struct failure *f)
{
    struct build_request request = { .profile = "node" };
    uint64_t progress_fd = NO_FD;
    const char *source = NULL, *until = NULL;
    bool json = false, quiet = false;
    const struct option_spec specs[] = {
        { "kernel", OPTION_TEXT, &request.kernel, "KIND", "kernel instead of the profile's" },
        { "out", OPTION_TEXT, &request.out, "DIR", "where the generation's folder goes (out/)" },
        { "keys", OPTION_TEXT, &request.keys, "DIR", "signing keys (default: development keys)" },
        { "version", OPTION_TEXT, &request.version, "X.Y.Z",
          "name the release (default: VERSION)" },
        { "iso", OPTION_FLAG, &request.live, NULL,
          "a live medium as well: CD and USB stick in one" },
        { "jobs", OPTION_NUMBER, &request.jobs, "N", "compile N files at once" },
        { "until", OPTION_TEXT, &until, "STEP", "stop after a step and print its folder" },
        { "explain", OPTION_FLAG, &request.explain, NULL, "say why each step runs" },
        { "offline", OPTION_FLAG, &request.offline, NULL, "fetch nothing" },
        { "production", OPTION_FLAG, &request.production, NULL, "refuse development keys" },
        { "json", OPTION_FLAG, &json, NULL, "print the result as JSON" },
        { "quiet", OPTION_FLAG, &quiet, NULL, "print nothing but the result" },
        { "progress-fd", OPTION_NUMBER, &progress_fd, "FD", "JSON lines of progress" },
        { "source", OPTION_TEXT, &source, "DIR", "Broch's source (default: this folder)" },
    };
    const struct options options = { "broch build",
                                     "[PROFILE] [options]",
                                     "Forges a profile into a signed generation.",
                                     "broch build node --keys ~/keys --production",
                                     specs,
                                     ARRAY_SIZE(specs),
                                     0,
                                     1 };
    _cleanup_free_ char *source_path = NULL, *folder = NULL, *live = NULL;
    struct progress progress;
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    if (until && request.live)
        return failure_set(f, CODE_USAGE, -EINVAL, "--iso needs the whole generation, not --until");
    r = find_source(source, &source_path, f);
    if (r < 0)
        return r;
    request.source = source_path;
    if (operands.count > 0)
        request.profile = operands.list[0];
    progress_start(&progress, progress_fd == NO_FD ? -1 : (int)progress_fd, quiet);
    r = until ? build_until(&request, until, &progress, &folder, f)
              : build_run(&request, &progress, &folder, &live, f);
    if (r < 0)
        return r;
    if (json) {
        print_build_json(folder, live);
        return EXIT_CODE_DONE;
    }
    (void)puts(folder);
    if (live)
        (void)puts(live);
    return EXIT_CODE_DONE;
}

static int verb_lock(int argc, char **argv, struct failure *f)
{
    const char *source = NULL;
    bool tools = false, kernel = false;
    const struct option_spec specs[] = {
        { "tools", OPTION_FLAG, &tools, NULL, "the tools tree's lock instead of a profile's" },
        { "kernel", OPTION_FLAG, &kernel, NULL, "the lock of the kernel's source and compiler" },
        { "source", OPTION_TEXT, &source, "DIR", "Broch's source (default: this folder)" },
    };
    const struct options options = { "broch lock",
                                     "PROFILE | --tools | --kernel",
                                     "Pins the packages of a profile to what the mirror has now.",
                                     "broch lock node",
                                     specs,
                                     ARRAY_SIZE(specs),
                                     0,
                                     1 };
    _cleanup_free_ char *source_path = NULL, *folder = NULL;
    struct profile profile = { .name = NULL };
    struct lock lock = LOCK_INIT;
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    if (tools + kernel + operands.count != 1)
        return failure_set(f, CODE_USAGE, -EINVAL, "name a profile, or give --tools or --kernel");
    r = find_source(source, &source_path, f);
    if (r == 0 && operands.count == 1)
        r = profile_read(source_path, operands.list[0], &profile, f);
    if (r < 0)
        return r;
    folder = profile.folder ? strdup(profile.folder)
                            : text_make("%s/%s", source_path, tools ? TREE_TOOLS : TREE_KERNEL);
    r = folder ? supply_lock(folder, profile.folder ? profile.kernel : "none", &lock, f)
               : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        (void)printf("%s: %zu packages\n", folder, lock.package_count);
    lock_done(&lock);
    profile_done(&profile);
    return r < 0 ? r : EXIT_CODE_DONE;
}

/* A signed change of Secure Boot's keys, as a file for machines. */
struct keys_order {
    const char *folder, *out;
    struct key_addition addition;
};

static int write_change(const struct keys_order *order, const char *folder, struct failure *f)
{
    struct keys keys = KEYS_INIT;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = keys_open(folder, &keys, f);

    if (r == 0)
        r = key_change_make(&keys, &order->addition, &bytes, &size, f);
    if (r == 0)
        r = file_write(order->out, bytes, size, 0644, f);
    if (r == 0)
        (void)printf("%s: adds to %s, signed by '%s'\n", order->out,
                     key_variable_name(order->addition.variable), keys.folder);
    keys_done(&keys);
    return r;
}

static int make_change(struct keys_order *order, struct failure *f)
{
    _cleanup_free_ char *development = NULL;
    int r = 0;

    order->addition.now = (uint64_t)time(NULL);
    if (!order->out)
        return failure_set(f, CODE_USAGE, -EINVAL, "--out FILE is missing");
    if (!order->folder)
        r = keys_development(order->addition.now, &development, f);
    return r < 0 ? r : write_change(order, order->folder ? order->folder : development, f);
}

static int init_keys(const char *folder, struct failure *f)
{
    int r = keys_init(folder, false, (uint64_t)time(NULL), f);

    if (r == 0)
        (void)printf("keys are in %s; keep a copy where no network reaches it\n", folder);
    return r;
}

static int check_keys(const char *folder, struct failure *f)
{
    struct keys keys = KEYS_INIT;
    int r = keys_open(folder, &keys, f);

    if (r == 0)
        (void)printf("%s: complete, %s\n", keys.folder,
                     keys.development ? "development" : "production");
    keys_done(&keys);
    return r;
}

static int verb_keys(int argc, char **argv, struct failure *f)
{
    struct keys_order order = { .folder = NULL };
    bool kek = false;
    const struct option_spec specs[] = {
        { "keys", OPTION_TEXT, &order.folder, "DIR", "keys that sign (default: development keys)" },
        { "kek", OPTION_FLAG, &kek, NULL, "allow: a key that changes others (KEK), not one of db" },
        { "out", OPTION_TEXT, &order.out, "FILE", "allow, forbid: where the change goes" },
    };
    const struct options options = { "broch keys",
                                     "init DIR | check DIR | allow CERT | forbid CERT|FILE|HASH",
                                     "Makes signing keys, checks a folder of them, or signs a "
                                     "change of Secure Boot's lists for machines.",
                                     "broch keys forbid old.efi --keys ~/broch-keys --out dbx.auth",
                                     specs,
                                     ARRAY_SIZE(specs),
                                     2,
                                     2 };
    struct operands operands;
    const char *action;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    action = operands.list[0];
    order.addition.what = operands.list[1];
    order.addition.variable = kek ? KEY_VARIABLE_KEK : KEY_VARIABLE_DB;
    if (strcmp(action, "init") == 0)
        r = init_keys(operands.list[1], f);
    else if (strcmp(action, "check") == 0)
        r = check_keys(operands.list[1], f);
    else if (strcmp(action, "allow") == 0)
        r = make_change(&order, f);
    else if (strcmp(action, "forbid") == 0 && !kek) {
        order.addition.variable = KEY_VARIABLE_DBX;
        r = make_change(&order, f);
    } else
        r = failure_set(f, CODE_USAGE, -EINVAL,
                        "broch keys knows init, check, allow and forbid, not '%s'%s", action,
                        kek ? " with --kek" : "");
    return r < 0 ? r : EXIT_CODE_DONE;
}

static int verb_tree(int argc, char **argv, struct failure *f)
{
    const char *source = NULL;
    bool kernel = false;
    struct tree_request request = { .renew = true };
    const struct option_spec specs[] = {
        { "kernel", OPTION_FLAG, &kernel, NULL, "the tree that compiles kernels" },
        { "offline", OPTION_FLAG, &request.offline, NULL, "fetch nothing" },
        { "source", OPTION_TEXT, &source, "DIR", "Broch's source (default: this folder)" },
    };
    const struct options options = { "broch tools",
                                     "[options]",
                                     "Makes the tools tree if it is missing and prints its path.",
                                     "broch tools",
                                     specs,
                                     ARRAY_SIZE(specs),
                                     0,
                                     0 };
    _cleanup_free_ char *source_path = NULL;
    struct tree tree = TREE_INIT;
    struct progress progress;
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    progress_start(&progress, -1, false);
    r = find_source(source, &source_path, f);
    if (r == 0)
        request.source = source_path;
    request.name = kernel ? TREE_KERNEL : TREE_TOOLS;
    if (r == 0)
        r = tree_ensure(&request, &progress, &tree, f);
    if (r == 0)
        (void)puts(tree.path);
    tree_done(&tree);
    return r < 0 ? r : EXIT_CODE_DONE;
}

/* Where the generation lies, unless the caller wants it elsewhere. */
static char *parent_of(const char *folder)
{
    _cleanup_free_ char *path = realpath(folder, NULL);
    char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? text_make("%.*s", slash > path ? (int)(slash - path) : 1, path) : NULL;
}

static int verb_release(int argc, char **argv, struct failure *f)
{
    const char *to = NULL;
    const struct option_spec specs[] = {
        { "to", OPTION_TEXT, &to, "DIR", "folder of releases (default: where GENERATION lies)" },
    };
    const struct options options = {
        "broch release",
        "GENERATION [--to DIR]",
        "Makes the one-file release of a generation and enters it into\n"
        "the index, so that a web server or a stick can offer it.",
        "broch release out/broch-v0.2.0-node-x86_64 --to /srv/www/broch",
        specs,
        ARRAY_SIZE(specs),
        1,
        1
    };
    _cleanup_free_ char *target = NULL, *file = NULL;
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    target = to ? strdup(to) : parent_of(operands.list[0]);
    if (!target)
        return file_failure(f, errno, "find", operands.list[0]);
    r = release_make(operands.list[0], target, &file, f);
    if (r < 0)
        return r;
    (void)puts(file);
    return EXIT_CODE_DONE;
}

/* What stands before the name of a code's entry; the name is its heading as a web page has it. */
static void print_entry_link(const char *before, const struct code_entry *entry, const char *page,
                             const char *behind)
{
    (void)printf("%s%s.md#", before, page);
    for (const char *c = entry->id; *c; c++)
        (void)putchar(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    (void)fputs(behind, stdout);
}

static void print_errors_markdown(void)
{
    (void)puts("# Error catalogue\n\nEvery refusal of Broch names one of these codes. This page is "
               "printed by\n`broch errors --markdown` from `src/base/code.def`.\n");
    (void)puts("| Code | Exit | Meaning | What to do |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < CODE_MAX_; i++) {
        const struct code_entry *entry = code_entry((enum code)i);
        const char *page = code_page((enum code)i);

        (void)printf("| `%s` | %d | %s | %s", entry->id, (int)entry->exit, entry->meaning,
                     entry->advice);
        if (page)
            print_entry_link(" [Step by step](../what-to-do/", entry, page, ").");
        (void)puts(" |");
    }
}

static void print_errors_table(const char *only)
{
    for (size_t i = 0; i < CODE_MAX_; i++) {
        const struct code_entry *entry = code_entry((enum code)i);
        const char *page = code_page((enum code)i);

        if (only && strcmp(entry->id, only) != 0)
            continue;
        (void)printf("%s (exit %d)\n  %s\n  next: %s\n", entry->id, (int)entry->exit,
                     entry->meaning, entry->advice);
        if (page)
            print_entry_link("  more: docs/what-to-do/", entry, page, "\n");
    }
}

static int verb_errors(int argc, char **argv, struct failure *f)
{
    bool markdown = false;
    const struct option_spec specs[] = {
        { "markdown", OPTION_FLAG, &markdown, NULL, "print docs/reference/errors.md" },
    };
    const struct options options = { "broch errors",
                                     "[CODE] [--markdown]",
                                     "Explains error codes.",
                                     "broch errors BR-LOCK-HASH",
                                     specs,
                                     ARRAY_SIZE(specs),
                                     0,
                                     1 };
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    if (operands.count > 0 && code_find(operands.list[0]) == CODE_MAX_)
        return failure_set(f, CODE_USAGE, -EINVAL, "no error has the code '%s'", operands.list[0]);
    if (markdown)
        print_errors_markdown();
    else
        print_errors_table(operands.count > 0 ? operands.list[0] : NULL);
    return EXIT_CODE_DONE;
}

static int verb_schema(int argc, char **argv, struct failure *f)
{
    const struct options options = { "broch schema",
                                     "profile | generation | service | config",
                                     "Prints the JSON Schema of a file format.",
                                     "broch schema profile",
                                     NULL,
                                     0,
                                     1,
                                     1 };
    _cleanup_text_ struct text text = TEXT_INIT;
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    if (strcmp(operands.list[0], "profile") == 0) {
        schema_print_json(&profile_schema, NULL, stdout);
    } else if (strcmp(operands.list[0], "config") == 0) {
        schema_print_json(&config_schema, NULL, stdout);
    } else if (strcmp(operands.list[0], "service") == 0) {
        schema_print_json(&service_manifest_schema, NULL, stdout);
    } else if (strcmp(operands.list[0], "generation") == 0) {
        manifest_print_schema(&text);
        (void)fputs(text_string(&text), stdout);
    } else {
        return failure_set(f, CODE_USAGE, -EINVAL, "there is no schema of '%s'", operands.list[0]);
    }
    return EXIT_CODE_DONE;
}

static const struct {
    const char *name;
    verb_run run;
} verbs[] = {
    { "build", verb_build },   { "release", verb_release }, { "lock", verb_lock },
    { "keys", verb_keys },     { "tools", verb_tree },      { "errors", verb_errors },
    { "schema", verb_schema },
};

static int run_verb(int argc, char **argv, struct failure *f)
{
    const char *names[ARRAY_SIZE(verbs)], *nearest;

    if (argc < 2)
        return failure_set(f, CODE_USAGE, -EINVAL, "usage: broch-factory VERB ...");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1, f);
    }
    nearest = nearest_name(argv[1], names, ARRAY_SIZE(names));
    return failure_set(f, CODE_USAGE, -EINVAL, "unknown verb '%s'%s%s", argv[1],
                       nearest ? ", did you mean " : "", nearest ? nearest : "");
}

int main(int argc, char **argv)
{
    struct failure failure = FAILURE_NONE;
    int r;

    /* Artifacts depend neither on the caller's umask nor on the caller's locale; names in archives
     * are UTF-8. Every glibc since 2.35 has this locale built in. */
    (void)umask(022);
    (void)setlocale(LC_ALL, "C.UTF-8");
    /* A reader of --progress-fd that goes away must not end the build. */
    (void)sigaction(SIGPIPE, &(const struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    r = run_verb(argc, argv, &failure);
    if (r < 0)
        return (int)failure_print(&failure, "broch", stderr);
    if (fflush(stdout) != 0)
        return EXIT_CODE_ERROR;
    return r;
}
