/* Takes the machine down. One program under several names: poweroff, reboot and halt for people,
 * and the supervisor's signal and finish scripts (node/end.h has the roles). */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "node/end.h"
#include "node/kernel_log.h"
#include "node/scan.h"
#include "programs/broch-halt/stop.h"
#include "sys/file.h"

static int request(enum end_action action, bool force, struct failure *f)
{
    /* On any other machine the signal would mean something else to PID 1. */
    if (!file_exists(SCAN_TARGET "/.s6-svscan/finish"))
        return failure_set(f, CODE_VERB_ELSEWHERE, -EINVAL, "this is not a running Broch machine");
    if (geteuid() != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot %s the machine",
                           action == END_POWEROFF ? "power off" : end_action_name(action));
    if (force)
        return failure_set(f, CODE_HALT, end_now(action), "the kernel did not %s",
                           end_action_name(action));
    if (kill(1, end_action_signal(action)) < 0)
        return failure_set(f, CODE_HALT, -errno, "cannot tell PID 1");
    return 0;
}

static int run_request(const struct end_call *call, int argc, char **argv, struct failure *f)
{
    bool force = false;
    const struct option_spec specs[] = {
        { "force", OPTION_FLAG, &force, NULL, "at once, without stopping services" },
    };
    struct options options = {
        .program = call ? call->name : "broch-halt",
        .synopsis = call ? "[options]" : "poweroff|reboot|halt [options]",
        .purpose = "Stops all services in order, unmounts, and takes the machine down.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_min = call ? 0 : 1,
        .operand_max = call ? 0 : 1,
    };
    struct operands operands;
    int r = options_parse(&options, argc, argv, &operands, f);

    if (r > 0) {
        options_help(&options, stdout);
        return 0;
    }
    if (r < 0)
        return r;
    if (!call)
        call = end_call_find(operands.list[0]);
    if (!call || call->role != END_REQUEST)
        return failure_set(f, CODE_USAGE, -EINVAL, "unknown action '%s'", operands.list[0]);
    return request(call->action, force, f);
}

int main(int argc, char **argv)
{
    const struct end_call *call = argc > 0 ? end_call_find(argv[0]) : NULL;
    struct failure f = FAILURE_NONE;
    int r;

    if (call && call->role == END_FINISH) {
        if (getpid() != 1)
            return EXIT_CODE_USAGE;
        finish_machine(call->name);
    }
    if (call && call->role == END_STOP)
        r = stop_services(call->action, &f);
    else
        r = run_request(call, argc, argv, &f);
    return r < 0 ? (int)failure_print(&f, "broch-halt", stderr) : EXIT_CODE_DONE;
}
