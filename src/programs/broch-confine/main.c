/* What s6's run scripts are: becomes the service that its manifest describes. Ends only when that
 * cannot be done; the supervisor then sees a service that died, and the log says why.
 *
 * A run script is the line "#!/usr/lib/broch/confine NAME", so that nothing has to be executed
 * before this program; the kernel adds the script's path, and s6-supervise the name again. */
#include <errno.h>
#include <unistd.h>

#include "base/options.h"
#include "node/kernel_log.h"
#include "work/confine.h"
#include "work/confine_names.h"
#include "work/in_force.h"

static const char program[] = "broch-confine";

static int become(const char *name, struct failure *f)
{
    static const struct service_folders folders = {
        .image = SERVICE_FOLDER_IMAGE,
        .machine = SERVICE_FOLDER_MACHINE,
    };
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    int r = service_manifest_load(&folders, name, &manifest, f);

    if (r == 0 && manifest.tier != WORK_TIER_NODE)
        r = failure_set(f, CODE_CONFINE, -ENOTSUP, "service '%s' is not of tier node", name);
    return r < 0 ? r : confine_run(&manifest, f);
}

/* Every service as the kernel sees it, as docs/hardening.md has it. */
static int print_in_force(struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = in_force_add_table(&t, f);

    text_add(&t, "\n");
    confine_syscall_add_table(&t);
    if (r == 0)
        (void)fputs(text_string(&t), stdout);
    return r;
}

int main(int argc, char **argv)
{
    bool in_force = false;
    const struct option_spec specs[] = {
        { "in-force", OPTION_FLAG, &in_force, NULL,
          "become nothing; print what holds for the services that run, and the groups of system "
          "calls" },
    };
    const struct options options = {
        .program = program,
        .synopsis = "SERVICE [SCRIPT [NAME]]",
        .purpose = "Becomes a service: sets up what its manifest says, and executes it.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_max = 3,
    };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && geteuid() != 0)
        r = failure_set(&f, CODE_USAGE, -EPERM, "only root becomes a service");
    if (r == 0 && in_force) {
        r = print_in_force(&f);
        return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
    }
    if (r == 0 && operands.count == 0)
        r = failure_set(&f, CODE_USAGE, -EINVAL, "name a service");
    /* A log gets what a service says, wherever it says it. */
    if (r == 0 && operands.count > 1 && dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        r = failure_set(&f, CODE_INTERNAL, -errno, "cannot join errors with output");
    if (r == 0)
        r = become(operands.list[0], &f);
    CHECK(r < 0);
    return (int)failure_print(&f, program, stderr);
}
