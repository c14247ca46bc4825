/* `broch disk` and `broch recovery`: how the encrypted disk opens, whether somebody has its
 * recovery key, and what is asked of stage 1. Nothing here changes the disk: only stage 1 has the
 * volume key. `broch secureboot`: what the firmware lets start, which is half of what the disk is
 * sealed for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/text.h"
#include "programs/broch-disk/actions.h"

static struct action_options arg;

static const struct option_spec json = { "json", OPTION_FLAG, &arg.json, NULL, "one JSON object" };
static const struct option_spec wipe[] = {
    { "yes", OPTION_FLAG, &arg.yes, NULL, "do not ask" },
    { "dry-run", OPTION_FLAG, &arg.dry_run, NULL, "only say what would be done" },
};

static const struct option_spec apply[] = {
    { "without-spare", OPTION_FLAG, &arg.without_spare, NULL,
      "give up the other slot's boot file, if it cannot be read" },
};

static const struct action {
    const char *verb, *name, *purpose;
    const struct option_spec *specs;
    size_t spec_count;
    int (*run)(const struct action_options *options, struct failure *f);
    const char *operand; /* its name; NULL: there is none */
} actions[] = {
    { "disk", "status", "Shows what opens the encrypted disk, and what would break that.", &json, 1,
      action_status },
    { "disk", "enroll", "Asks the next start to make the TPM's way to the disk anew.", NULL, 0,
      action_enroll },
    { "disk", "wipe", "Asks the next start to make everything on the disk unreadable for ever.",
      wipe, ARRAY_SIZE(wipe), action_wipe },
    { "disk", "cancel", "Takes back what was asked of the next start.", NULL, 0, action_cancel },
    { "recovery", "verify",
      "Proves that a recovery key opens the disk; reads it from standard input.", NULL, 0,
      action_recovery_verify },
    { "recovery", "new", "Asks the next start for another recovery key.", NULL, 0,
      action_recovery_new },
    { "secureboot", "status", "Shows what the firmware lets start, and what it does not.", &json, 1,
      action_secureboot_status },
    { "secureboot", "apply", "Makes a signed change of that, once the disk is sealed for it.",
      apply, ARRAY_SIZE(apply), action_secureboot_apply, "FILE" },
};

static int run(const struct action *action, int argc, char **argv, struct failure *f)
{
    char title[64], example[sizeof("doas  change.auth") + 64];
    const size_t operand_count = action->operand ? 1 : 0;
    const struct options options = { .program = title,
                                     .synopsis = action->operand          ? action->operand
                                                 : action->spec_count > 0 ? "[options]"
                                                                          : "",
                                     .purpose = action->purpose,
                                     .example = example,
                                     .specs = action->specs,
                                     .spec_count = action->spec_count,
                                     .operand_min = operand_count,
                                     .operand_max = operand_count };
    struct operands operands;
    int r;

    (void)snprintf(title, sizeof(title), "broch %s %s", action->verb, action->name);
    (void)snprintf(example, sizeof(example), "doas %s%s", title,
                   action->operand ? " change.auth" : "");
    r = options_parse(&options, argc, argv, &operands, f);
    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    if (geteuid() != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot look at the disk");
    arg.operand = operand_count > 0 ? operands.list[0] : NULL;
    return action->run(&arg, f);
}

static void help(const char *verb)
{
    (void)printf("usage: broch %s ACTION [options]\n\n", verb);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(actions[i].verb, verb) == 0)
            (void)printf("  %-8s %s\n", actions[i].name, actions[i].purpose);
    }
    (void)printf("\nexample: doas broch %s %s\n", verb,
                 strcmp(verb, "recovery") == 0 ? "verify" : "status");
}

static int find_and_run(int argc, char **argv, struct failure *f)
{
    bool is_verb = false;

    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(actions); i++) {
        if (strcmp(argv[1], actions[i].verb) != 0)
            continue;
        is_verb = true;
        if (argc > 2 && strcmp(argv[2], actions[i].name) == 0)
            return run(&actions[i], argc - 2, argv + 2, f);
    }
    if (!is_verb)
        return failure_set(
            f, CODE_USAGE, -EINVAL,
            "start this program as 'broch disk', 'broch recovery' or 'broch secureboot'");
    if (argc > 2 && strcmp(argv[2], "--help") == 0) {
        help(argv[1]);
        return 0;
    }
    return failure_set(f, CODE_USAGE, -EINVAL, "'broch %s' has no such action: see broch %s --help",
                       argv[1], argv[1]);
}

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;
    int r = find_and_run(argc, argv, &f);

    return r < 0 ? (int)failure_print(&f, "broch", stderr) : r;
}
