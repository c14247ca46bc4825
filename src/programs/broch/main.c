/* The front command. `status`, `help` and `version` are here; every other verb is a program beside
 * this one, so that a machine carries only what a machine can do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "node/config.h"
#include "node/status.h"
#include "programs/broch/verb.h"

static const char program[] = "broch";

static int print_text(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

/* https://no-color.org: set and not empty. */
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_color && no_color[0] != '\0') && terminal &&
           strcmp(terminal, "dumb") != 0;
}

/* A layer of the configuration that is left out: the reader of the status should know. */
static void note_layer(const struct failure *f, void *context)
{
    text_addf(context, "configuration left out: %s\n", f->text);
}

static int add_configuration(struct text *t, struct failure *f)
{
    struct config config;
    int r = config_load(note_layer, t, &config, f);

    if (r == 0)
        config_done(&config);
    return r;
}

static void add_last_failure(const struct status *status, struct text *t)
{
    const char *reason = status_last_failure(status);

    text_addf(t, "%s\n", reason ? reason : "none known");
}

static int run_status(int argc, char **argv, struct failure *f)
{
    static struct status status; /* too large for comfort on the stack */
    _cleanup_text_ struct text t = TEXT_INIT;
    bool json = false, last_failure = false;
    const struct option_spec specs[] = {
        { "json", OPTION_FLAG, &json, NULL, "one JSON object (docs/reference/status.schema.json)" },
        { "last-failure", OPTION_FLAG, &last_failure, NULL,
          "why the start before this one failed, in whichever slot" },
    };
    const struct options options = {
        .program = "broch status",
        .synopsis = "[options]",
        .purpose = "Shows what runs on this machine and how it was started.",
        .example = "broch status --json",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    struct operands operands;
    int r = options_parse(&options, argc, argv, &operands, f);

    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    r = status_gather(&status, f);
    if (r < 0)
        return r;
    if (last_failure) {
        add_last_failure(&status, &t);
    } else if (json) {
        status_add_json(&status, &t);
    } else {
        status_add_table(&status, wants_colour(), &t);
        r = add_configuration(&t, f);
    }
    return r < 0 ? r : print_text(&t, f);
}

static int run_version(int argc, char **argv, struct failure *f)
{
    const struct options options = {
        .program = "broch version",
        .synopsis = "",
        .purpose = "Prints the version of this program.",
    };
    struct operands operands;
    int r = options_parse(&options, argc, argv, &operands, f);

    if (r > 0)
        options_help(&options, stdout);
    else if (r == 0)
        (void)printf("broch %s\n", BROCH_VERSION);
    return r < 0 ? r : 0;
}

static int run_verb(int argc, char **argv, struct failure *f);

/* `broch help VERB` is `broch VERB --help`. */
static int run_help(int argc, char **argv, struct failure *f)
{
    char *again[] = { argv[0], NULL, (char[]){ "--help" }, NULL };

    if (argc < 2 || argv[1][0] == '-') {
        verb_help(stdout);
        return 0;
    }
    again[1] = argv[1];
    if (strcmp(again[1], "help") == 0)
        return run_help(1, again, f);
    return run_verb(3, again, f);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct failure *f);
} built_in[] = {
    { "status", run_status },
    { "help", run_help },
    { "version", run_version },
};

static int run_verb(int argc, char **argv, struct failure *f)
{
    const struct verb *verb = verb_find(argv[1]);
    const char *nearest = verb ? NULL : verb_nearest(argv[1]);

    for (size_t i = 0; verb && i < ARRAY_SIZE(built_in); i++) {
        if (strcmp(verb->name, built_in[i].name) == 0)
            return built_in[i].run(argc - 1, argv + 1, f);
    }
    if (verb)
        return verb_exec(verb, argv, f);
    if (nearest)
        return failure_set(f, CODE_USAGE, -EINVAL, "unknown verb '%s', did you mean '%s'?", argv[1],
                           nearest);
    return failure_set(f, CODE_USAGE, -EINVAL, "unknown verb '%s'", argv[1]);
}

int main(int argc, char **argv)
{
    static char help[] = "help", version[] = "version";
    struct failure f = FAILURE_NONE;
    int r;

    if (argc < 2) {
        verb_help(stderr);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        argv[1] = help;
    else if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    r = run_verb(argc, argv, &f);
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
