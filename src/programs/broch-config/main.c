/* `broch config`: shows, checks, compares and applies the configuration of this machine. Only
 * `apply` changes anything. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/options.h"
#include "node/config_text.h"
#include "programs/broch-config/apply.h"
#include "sys/file.h"

static const char program[] = "broch config";

static int print(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

/* --help is answered here and then 1 is returned. */
static int parse(const struct options *options, int argc, char **argv, struct operands *ret,
                 struct failure *f)
{
    int r = options_parse(options, argc, argv, ret, f);

    if (r > 0)
        options_help(options, stdout);
    return r;
}

/* A layer that is left out does not keep the others from being shown. */
static void complain(const struct failure *f, void *context)
{
    (void)context;
    (void)failure_print(f, program, stderr);
}

struct view {
    struct config_layers layers;
    struct config image, machine;
};

static void view_done(struct view *view)
{
    config_done(&view->image);
    config_done(&view->machine);
    config_layers_done(&view->layers);
}

static int view_read(struct view *view, struct failure *f)
{
    int r = config_layers_read("", complain, NULL, &view->layers, f);

    if (r == 0)
        r = config_layers_merge(&view->layers, CONFIG_LAYER_IMAGE, &view->image, f);
    if (r == 0)
        r = config_layers_merge(&view->layers, CONFIG_LAYER_MACHINE, &view->machine, f);
    return r;
}

static int refuse_key(const char *key, struct failure *f)
{
    const char *nearest = config_nearest_key(key);

    return failure_set(f, CODE_USAGE, -EINVAL, "there is no key '%s'%s%s%s", key,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static int run_show(int argc, char **argv, struct failure *f)
{
    _cleanup_(view_done) struct view view = { .layers.count = 0 };
    _cleanup_text_ struct text t = TEXT_INIT;
    bool origin = false;
    const struct option_spec specs[] = {
        { "origin", OPTION_FLAG, &origin, NULL, "file and line behind each value" },
    };
    const struct options options = {
        .program = "broch config show",
        .synopsis = "[KEY] [options]",
        .purpose = "Prints the configuration that holds, or a part of it, as TOML.",
        .example = "broch config show network --origin",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_max = 1,
    };
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : 0;
    if (operands.count > 0 && !config_has_key(operands.list[0]))
        return refuse_key(operands.list[0], f);
    r = view_read(&view, f);
    if (r < 0)
        return r;
    config_text_add(&view.machine, operands.count > 0 ? operands.list[0] : NULL,
                    origin ? &view.layers : NULL, &t);
    return print(&t, f);
}

static int run_diff(int argc, char **argv, struct failure *f)
{
    _cleanup_(view_done) struct view view = { .layers.count = 0 };
    _cleanup_text_ struct text t = TEXT_INIT;
    bool json = false;
    const struct option_spec specs[] = {
        { "json", OPTION_FLAG, &json, NULL, "one JSON object" },
    };
    const struct options options = {
        .program = "broch config diff",
        .synopsis = "[options]",
        .purpose = "Prints what this machine has different from its image.",
        .example = "broch config diff",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : 0;
    r = view_read(&view, f);
    if (r < 0)
        return r;
    if (json)
        config_text_add_difference_json(&view.image, &view.machine, &view.layers, &t);
    else
        config_text_add_difference(&view.image, &view.machine, &view.layers, &t);
    return print(&t, f);
}

/* The first refusal is kept to be the program's own; the others are printed as they come. */
struct verdict {
    size_t refused;
    struct failure first;
};

static void refuse(const struct failure *f, void *context)
{
    struct verdict *verdict = context;

    if (verdict->refused++ == 0)
        verdict->first = *f;
    else
        (void)failure_print(f, program, stderr);
}

static int validate_file(const char *path, struct verdict *verdict, struct failure *f)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, CONFIG_FILE_SIZE_MAX, &bytes, &size, f);

    if (r == 0)
        r = config_layers_add(&layers, CONFIG_LAYER_MACHINE, path, bytes, size, f);
    if (r < 0) {
        refuse(f, verdict);
        return r;
    }
    (void)printf("%s: good\n", path);
    return 0;
}

static int validate_layers(struct verdict *verdict, struct failure *f)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    int r = config_layers_read("", refuse, verdict, &layers, f);

    if (r < 0)
        return r;
    for (size_t i = 0; i < layers.count; i++)
        (void)printf("%s: good\n", toml_name(layers.list[i].document));
    return 0;
}

static int run_validate(int argc, char **argv, struct failure *f)
{
    const struct options options = {
        .program = "broch config validate",
        .synopsis = "[FILE...]",
        .purpose = "Checks all layers of the configuration, or these files, and changes nothing.",
        .example = "broch config validate new.toml",
        .operand_max = OPTIONS_OPERANDS_MAX,
    };
    struct verdict verdict = { .refused = 0 };
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : 0;
    for (size_t i = 0; i < operands.count; i++)
        (void)validate_file(operands.list[i], &verdict, f); /* the verdict knows */
    if (operands.count == 0)
        r = validate_layers(&verdict, f);
    if (r < 0 || verdict.refused == 0)
        return r;
    *f = verdict.first;
    return f->cause;
}

static int run_apply(int argc, char **argv, struct failure *f)
{
    const struct options options = {
        .program = "broch config apply",
        .synopsis = "",
        .purpose = "Makes the configuration effective: what it touches is restarted.",
        .example = "doas broch config apply",
    };
    struct operands operands;
    int r = parse(&options, argc, argv, &operands, f);

    if (r != 0)
        return r < 0 ? r : 0;
    return apply_configuration(f);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct failure *f);
    const char *help;
} actions[] = {
    { "show", run_show, "[KEY] [--origin]   the configuration that holds" },
    { "diff", run_diff, "[--json]           what differs from the image" },
    { "validate", run_validate, "[FILE...]      check all layers, or these files" },
    { "apply", run_apply, "                  make it effective" },
};

static void print_help(FILE *stream)
{
    (void)fprintf(stream, "usage: broch config ACTION ...\n\n"
                          "The configuration of this machine: " CONFIG_MACHINE_PATH
                          " and " CONFIG_FOLDER_PATH "/*.toml\nover the image's " CONFIG_IMAGE_PATH
                          ".\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        (void)fprintf(stream, "  %s %s\n", actions[i].name, actions[i].help);
    (void)fprintf(stream, "\nexample: broch config show --origin\n");
}

static int run(int argc, char **argv, struct failure *f)
{
    const char *names[ARRAY_SIZE(actions)], *nearest;

    if (argc < 3)
        return failure_set(f, CODE_USAGE, -EINVAL, "say what to do: show, diff, validate or apply");
    if (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        names[i] = actions[i].name;
        if (strcmp(argv[2], actions[i].name) == 0)
            return actions[i].run(argc - 2, argv + 2, f);
    }
    nearest = nearest_name(argv[2], names, ARRAY_SIZE(names));
    return failure_set(f, CODE_USAGE, -EINVAL, "unknown action '%s'%s%s%s", argv[2],
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;

    if (run(argc, argv, &f) < 0)
        return (int)failure_print(&f, program, stderr);
    return fflush(stdout) == 0 ? EXIT_CODE_DONE : EXIT_CODE_ERROR;
}
