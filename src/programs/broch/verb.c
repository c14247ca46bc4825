#include "programs/broch/verb.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/line.h"
#include "base/nearest.h"

enum { VERBS_MAX = 64, VERB_PROGRAM_SIZE = 64, HELP_COLUMN = 36 };

const struct verb verb_table[] = {
    { "status", NULL, VERB_MACHINE, "[--json|--last-failure]",
      "what runs here, and how it was started" },
    { "service", "broch-service", VERB_MACHINE, "ACTION [SERVICE]",
      "list, describe, restart, ... services" },
    { "logs", "broch-service", VERB_MACHINE, "[SERVICE] [-f] [-n N]", "what services said" },
    { "events", "broch-service", VERB_MACHINE, "[-f] [--json]", "what happened to services" },
    { "config", "broch-config", VERB_MACHINE, "ACTION [options]",
      "show, check or apply the configuration" },
    { "update", "broch-update", VERB_MACHINE, "check | apply | status",
      "install a release into the other slot" },
    { "disk", "broch-disk", VERB_MACHINE, "status | enroll | wipe | cancel",
      "what opens the encrypted disk" },
    { "recovery", "broch-disk", VERB_MACHINE, "verify | new",
      "prove that you have the recovery key" },
    { "secureboot", "broch-disk", VERB_MACHINE, "status | apply FILE",
      "what starts here; change Secure Boot's keys" },
    { "screen", "broch-screen", VERB_MACHINE, "", "the status screen, on this terminal" },
    { "support", "broch-support", VERB_MACHINE, "[--out FILE]",
      "one file with what helps to find a fault" },
    { "reboot", "broch-halt", VERB_MACHINE, "[--force]", "restart the machine in order" },
    { "poweroff", "broch-halt", VERB_MACHINE, "[--force]", "switch the machine off in order" },
    { "build", "broch-factory", VERB_DEVELOPER, "PROFILE [options]",
      "forge a profile into a signed generation" },
    { "release", "broch-factory", VERB_DEVELOPER, "GENERATION [--to DIR]",
      "offer a generation to machines" },
    { "run", "broch-vm", VERB_DEVELOPER, "[PROFILE] [options]",
      "boot a generation in a virtual machine" },
    { "inspect", "broch-inspect", VERB_DEVELOPER, "ARTIFACT [--json]",
      "what an artifact is, and what takes the room" },
    { "verify", "broch-inspect", VERB_DEVELOPER, "ARTIFACT [--json]",
      "whether it is what was signed" },
    { "diff", "broch-inspect", VERB_DEVELOPER, "A B [--json]",
      "what differs between two generations" },
    { "lock", "broch-factory", VERB_DEVELOPER, "PROFILE", "renew the list of exact packages" },
    { "keys", "broch-factory", VERB_DEVELOPER, "init|check|allow|forbid",
      "signing keys, changes of Secure Boot's" },
    { "tools", "broch-factory", VERB_DEVELOPER, "", "make the tools tree and print its path" },
    { "errors", "broch-factory", VERB_DEVELOPER, "[--markdown]", "list all error codes" },
    { "schema", "broch-factory", VERB_DEVELOPER, "NAME", "print the schema of a file format" },
    { "help", NULL, VERB_GENERAL, "[VERB]", "this page, or the help of a verb" },
    { "version", NULL, VERB_GENERAL, "", "the version of this program" },
};
const size_t verb_table_count = ARRAY_SIZE(verb_table);
_Static_assert(ARRAY_SIZE(verb_table) <= VERBS_MAX, "verb_nearest() looks at all of them");

static const struct {
    const char *title;
    const char *side;
} groups[] = {
    [VERB_MACHINE] = { "on a machine", "on a machine that Broch booted" },
    [VERB_DEVELOPER] = { "on a developer's host", "on a developer's host, in the source tree" },
    [VERB_GENERAL] = { "everywhere", "everywhere" },
};
_Static_assert(ARRAY_SIZE(groups) == VERB_GROUP_MAX_, "every group is described");

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < verb_table_count; i++) {
        if (strcmp(verb_table[i].name, name) == 0)
            return &verb_table[i];
    }
    return NULL;
}

const char *verb_nearest(const char *name)
{
    const char *names[VERBS_MAX];

    for (size_t i = 0; i < verb_table_count; i++)
        names[i] = verb_table[i].name;
    return nearest_name(name, names, verb_table_count);
}

const char *verb_side(const struct verb *verb)
{
    CHECK(verb->group < VERB_GROUP_MAX_);
    return groups[verb->group].side;
}

void verb_help(FILE *stream)
{
    (void)fprintf(stream, "usage: broch VERB [options]\n\n"
                          "Broch forges one signed image from a profile, and runs it.\n");
    for (enum verb_group group = 0; group < VERB_GROUP_MAX_; group++) {
        (void)fprintf(stream, "\n%s:\n", groups[group].title);
        for (size_t i = 0; i < verb_table_count; i++) {
            const struct verb *verb = &verb_table[i];
            int width;

            if (verb->group != group)
                continue;
            width = fprintf(stream, "  %s %s", verb->name, verb->synopsis);
            (void)fprintf(stream, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "",
                          verb->purpose);
        }
    }
    (void)fprintf(stream, "\nexample: broch status --json\n");
}

int verb_program_path(const char *folder, const char *program, char ret_path[static VERB_PATH_SIZE])
{
    static const char *const places[] = { "/", "/../lib/broch/" };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct line l = line_make(ret_path, VERB_PATH_SIZE);

        line_add(&l, folder);
        line_add(&l, places[i]);
        line_add(&l, program);
        if (l.cut)
            return -ENAMETOOLONG;
        if (access(ret_path, X_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

/* The folder that this program lies in: symbolic links to it are followed by the kernel. */
static int own_folder(char ret_folder[static VERB_PATH_SIZE])
{
    ssize_t length = readlink("/proc/self/exe", ret_folder, VERB_PATH_SIZE - 1);
    char *slash;

    if (length < 0)
        return -errno;
    ret_folder[length] = '\0';
    slash = strrchr(ret_folder, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    return 0;
}

int verb_exec(const struct verb *verb, char **argv, struct failure *f)
{
    char folder[VERB_PATH_SIZE], path[VERB_PATH_SIZE], name[VERB_PROGRAM_SIZE];
    int r = own_folder(folder);

    CHECK(verb->program);
    if (r == 0)
        r = verb_program_path(folder, verb->program, path);
    if (r == -ENOENT)
        return failure_set(f, CODE_VERB_ELSEWHERE, -EINVAL, "'%s' works %s; '%s' is not here",
                           verb->name, verb_side(verb), verb->program);
    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "cannot find '%s'", verb->program);
    /* The program finds its own full name first, wherever it lies, and the verb behind it. */
    (void)snprintf(name, sizeof(name), "%s", verb->program);
    argv[0] = name;
    (void)execv(path, argv);
    return failure_set(f, CODE_TOOL_MISSING, -errno, "cannot run '%s'", path);
}
