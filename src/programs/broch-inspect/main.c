/* `broch inspect`, `broch verify` and `broch diff`: look at what the factory made. Nothing is
 * changed, nothing but files is asked. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/text.h"
#include "image/diff.h"
#include "image/inspect.h"
#include "image/verify.h"

static bool arg_json;
static struct verify_trust arg_trust;

static const struct option_spec look_specs[] = {
    { "json", OPTION_FLAG, &arg_json, NULL, "one JSON object (docs/reference/inspect.md)" },
};
static const struct option_spec verify_specs[] = {
    { "release-key", OPTION_TEXT, &arg_trust.release_key, "FILE",
      "release.pub to believe (default: the one beside the manifest)" },
    { "db", OPTION_TEXT, &arg_trust.certificate, "FILE",
      "db.crt to believe (default: keys/db.crt of the generation)" },
    { "json", OPTION_FLAG, &arg_json, NULL, "one JSON object (docs/reference/inspect.md)" },
};

static int print(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

static int run_inspect(const struct operands *operands, struct failure *f)
{
    _cleanup_artifact_ struct artifact artifact = ARTIFACT_INIT;
    static struct inspect inspect; /* too large for comfort on the stack */
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = artifact_open(operands->list[0], &artifact, f);

    if (r == 0)
        r = inspect_gather(&artifact, &inspect, f);
    if (r == 0 && arg_json)
        inspect_add_json(&inspect, &t);
    else if (r == 0)
        r = inspect_add_table(&inspect, &t, f);
    if (r == 0)
        r = print(&t, f);
    inspect_done(&inspect);
    return r;
}

static int run_verify(const struct operands *operands, struct failure *f)
{
    _cleanup_artifact_ struct artifact artifact = ARTIFACT_INIT;
    static struct verify verify; /* too large for comfort on the stack */
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = artifact_open(operands->list[0], &artifact, f);

    if (r == 0)
        r = verify_run(&artifact, &arg_trust, &verify, f);
    if (r < 0)
        return r;
    if (arg_json)
        verify_add_json(&verify, &t);
    else
        verify_add_table(&verify, &t);
    r = print(&t, f);
    return r < 0 ? r : verify_judge(&verify, f);
}

static int run_diff(const struct operands *operands, struct failure *f)
{
    _cleanup_artifact_ struct artifact before = ARTIFACT_INIT, after = ARTIFACT_INIT;
    _cleanup_diff_ struct diff diff = DIFF_INIT;
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = artifact_open(operands->list[0], &before, f);

    if (r == 0)
        r = artifact_open(operands->list[1], &after, f);
    if (r == 0)
        r = diff_make(&before, &after, &diff, f);
    if (r < 0)
        return r;
    if (arg_json)
        diff_add_json(&diff, &t);
    else
        diff_add_table(&diff, &t);
    return print(&t, f);
}

static const struct {
    const char *name;
    struct options options;
    int (*run)(const struct operands *operands, struct failure *f);
} verbs[] = {
    { "inspect",
      { .program = "broch inspect",
        .synopsis = "ARTIFACT [--json]",
        .purpose = "Shows what an artifact is, who signed it and what takes the room:\n"
                   "a generation's folder, a .broch file, a boot file, a disk, an initrd\n"
                   "or a system image.",
        .example = "broch inspect out/broch-v0.1.0-node-x86_64",
        .specs = look_specs,
        .spec_count = ARRAY_SIZE(look_specs),
        .operand_min = 1,
        .operand_max = 1 },
      run_inspect },
    { "verify",
      { .program = "broch verify",
        .synopsis = "ARTIFACT [options]",
        .purpose = "Checks signatures, sums, dm-verity, PCR 11 and that all of them agree:\n"
                   "a generation's folder, a .broch file, a boot file or a disk.",
        .example = "broch verify out/broch-v0.1.0-node-x86_64 --release-key ~/release.pub",
        .specs = verify_specs,
        .spec_count = ARRAY_SIZE(verify_specs),
        .operand_min = 1,
        .operand_max = 1 },
      run_verify },
    { "diff",
      { .program = "broch diff",
        .synopsis = "A B [--json]",
        .purpose = "Shows what B has that A has not, and the other way round: kernel,\n"
                   "words of the command line, packages, files and their sizes.",
        .example = "broch diff out/broch-v0.1.0-node-x86_64 out/broch-v0.2.0-node-x86_64",
        .specs = look_specs,
        .spec_count = ARRAY_SIZE(look_specs),
        .operand_min = 2,
        .operand_max = 2 },
      run_diff },
};

static int run_verb(int argc, char **argv, struct failure *f)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++) {
        struct operands operands;
        int r;

        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        r = options_parse(&verbs[i].options, argc - 1, argv + 1, &operands, f);
        if (r > 0)
            options_help(&verbs[i].options, stdout);
        return r == 0 ? verbs[i].run(&operands, f) : r;
    }
    return failure_set(f, CODE_USAGE, -EINVAL,
                       "start this program as 'broch inspect', 'broch verify' or 'broch diff'");
}

/* A mapped file that somebody cuts short, or a disk that fails. */
static void end_unreadable(int number)
{
    static const char message[] = "broch: BR-IO: the artifact cannot be read to its end\n"
                                  "  next: Check the path, its permissions and the free space.\n";

    (void)number;
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(EXIT_CODE_ERROR);
}

int main(int argc, char **argv)
{
    struct failure failure = FAILURE_NONE;

    (void)sigaction(SIGBUS, &(const struct sigaction){ .sa_handler = end_unreadable }, NULL);
    return run_verb(argc, argv, &failure) < 0 ? (int)failure_print(&failure, "broch", stderr)
                                              : EXIT_CODE_DONE;
}
