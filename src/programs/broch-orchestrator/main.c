/* Starts the services of this machine in the order of their needs and keeps an eye on them
 * (docs/guide/06-init-and-services.md). s6 supervises; this program decides. */
#include <errno.h>

#include "base/options.h"
#include "node/notify.h"
#include "programs/broch-orchestrator/orchestrator.h"
#include "programs/broch-orchestrator/server.h"
#include "work/s6rc.h"

static int orchestrate(uint64_t notify_fd, struct failure *f)
{
    struct event_loop *loop = NULL;
    int r = event_loop_new(&loop);

    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "cannot make the event loop");
    r = orchestrator_start(loop, f);
    if (r == 0)
        r = server_start(loop, f);
    if (r < 0)
        return r;
    notify_ready(notify_fd);
    for (;;) {
        struct failure warning = FAILURE_NONE;

        r = event_loop_step(loop, EVENT_NEVER);
        if (r >= 0)
            continue;
        (void)failure_set(&warning, CODE_INTERNAL, r, "the event loop failed, going on");
        orchestrator_complain(&warning);
    }
}

static void count_complaint(const char *name, const struct failure *f, void *context)
{
    unsigned *count = context;

    (*count)++;
    orchestrator_complain(f);
}

/* Reads everything as a start would, and says what is wrong; with a folder, writes s6-rc's form. */
static int check(const char *s6rc_folder, struct failure *f)
{
    static struct catalog catalog;
    const struct s6rc_set set = { .manifests = catalog.manifests, .graph = &catalog.graph };
    unsigned complaints = 0;
    int r = catalog_load(&orchestrator_places, count_complaint, &complaints, &catalog, f);

    if (r < 0)
        return r;
    if (s6rc_folder)
        r = s6rc_write(&set, s6rc_folder, f);
    if (r == 0 && complaints > 0)
        r = failure_set(f, CODE_SCHEMA, -EBADMSG, "%u manifests are left out", complaints);
    if (r == 0)
        (void)printf("%zu services are good\n", catalog.count);
    catalog_done(&catalog);
    return r;
}

static uint64_t arg_notify_fd = NOTIFY_FD_NONE;
static const char *arg_s6rc_folder;
static bool arg_check;

static int run(const struct operands *operands, struct failure *f)
{
    (void)operands; /* there are none */
    return arg_check || arg_s6rc_folder ? check(arg_s6rc_folder, f) : orchestrate(arg_notify_fd, f);
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        NOTIFY_OPTION(&arg_notify_fd),
        { "check", OPTION_FLAG, &arg_check, NULL, "read all manifests and say what is wrong" },
        { "write-s6-rc", OPTION_TEXT, &arg_s6rc_folder, "DIR",
          "check, and write the set in s6-rc's source format" },
    };
    const struct options options = {
        .program = "broch-orchestrator",
        .synopsis = "[options]",
        .purpose = "Starts the services of this machine in order, by readiness.",
        .example = "/usr/lib/broch/orchestrator --check",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
