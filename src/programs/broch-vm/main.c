/* broch run: boots a generation in a virtual machine. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/tree.h"
#include "programs/broch-vm/forward.h"
#include "programs/broch-vm/generation.h"
#include "programs/broch-vm/machine.h"
#include "programs/broch-vm/run.h"
#include "sys/file.h"
#include "sys/sandbox.h"

static bool arg_direct, arg_no_secure_boot, arg_snapshot, arg_json, arg_display, arg_until_ready;
static bool arg_emulate, arg_offline;
static uint64_t arg_memory = 1 * GIB, arg_cpus, arg_deadline;
static struct vm_forward forwards[VM_FORWARDS_MAX];
static const char *arg_live;
static const char *arg_log, *arg_machine, *arg_disk, *arg_out, *arg_source, *arg_tree, *arg_forward;

static const struct option_spec specs[] = {
    { "direct", OPTION_FLAG, &arg_direct, NULL, "start the kernel without firmware" },
    { "no-secure-boot", OPTION_FLAG, &arg_no_secure_boot, NULL, "firmware without keys" },
    { "live", OPTION_TEXT, &arg_live, "MEDIUM", "start the live medium, as a cd or as a stick" },
    { "memory", OPTION_SIZE, &arg_memory, "SIZE", "memory (default: 1GiB)" },
    { "cpus", OPTION_NUMBER, &arg_cpus, "N", "processors (default: 1 when emulated, 2 otherwise)" },
    { "snapshot", OPTION_FLAG, &arg_snapshot, NULL, "keep nothing: disk, TPM, variables" },
    { "machine", OPTION_TEXT, &arg_machine, "NAME", "whose state is used (default: PROFILE)" },
    { "disk", OPTION_TEXT, &arg_disk, "FILE", "a further disk, raw or .qcow2" },
    { "forward", OPTION_TEXT, &arg_forward, "PORTS",
      "lead to ports of the machine: tcp/22,udp/53:5353" },
    { "display", OPTION_FLAG, &arg_display, NULL, "a screen, by VNC on a socket" },
    { "emulate", OPTION_FLAG, &arg_emulate, NULL, "do not try /dev/kvm" },
    { "until-ready", OPTION_FLAG, &arg_until_ready, NULL, "stop at 'broch ready'" },
    { "deadline", OPTION_NUMBER, &arg_deadline, "SECONDS",
      "stop then (default: never; 300 with --until-ready)" },
    { "log", OPTION_TEXT, &arg_log, "FILE", "where the console is recorded" },
    { "json", OPTION_FLAG, &arg_json, NULL, "print markers as JSON lines, not the console" },
    { "out", OPTION_TEXT, &arg_out, "DIR", "a generation, or a folder of them (default: out)" },
    { "tree", OPTION_TEXT, &arg_tree, "DIR", "tools tree (default: BROCH_TREE, or the cache)" },
    { "source", OPTION_TEXT, &arg_source, "DIR", "Broch's source (default: this folder)" },
    { "offline", OPTION_FLAG, &arg_offline, NULL, "download nothing" },
};

static const struct options options = {
    .program = "broch run",
    .synopsis = "[PROFILE] [options]",
    .purpose = "Boots the newest generation of PROFILE (default: node) in a virtual machine with\n"
               "UEFI firmware, Secure Boot and a TPM. Ctrl-A X leaves; nothing goes on running.",
    .example = "broch run node --snapshot --until-ready",
    .specs = specs,
    .spec_count = ARRAY_SIZE(specs),
    .operand_max = 1,
};

enum { DEADLINE_SECONDS_DEFAULT = 300, DEADLINE_SECONDS_MAX = 1000000 };

/* An absolute form of a path that need not exist yet. */
static int absolute(const char *path, char **ret, struct failure *f)
{
    char folder[PATH_MAX];

    if (path[0] == '/')
        *ret = strdup(path);
    else if (!getcwd(folder, sizeof(folder)))
        return file_failure(f, errno, "find", ".");
    else
        *ret = text_make("%s/%s", folder, path);
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* The tree that was named, else the factory's. */
static int find_tree(const char *source, char **ret, struct failure *f)
{
    const char *named = arg_tree ? arg_tree : getenv("BROCH_TREE");
    const struct tree_request request = {
        .source = source, .name = TREE_TOOLS, .offline = arg_offline, .renew = true
    };
    struct tree tree = TREE_INIT;
    struct progress progress;
    int r;

    if (named)
        return absolute(named, ret, f);
    progress_start(&progress, -1, arg_json);
    r = tree_ensure(&request, &progress, &tree, f);
    if (r == 0) {
        *ret = take_ptr(tree.path);
        tree_done(&tree);
    }
    return r;
}

static int run(const struct machine_request *wanted, const char *out, const char *profile,
               struct failure *f)
{
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT;
    struct run_request request = { .json = arg_json,
                                   .until_ready = arg_until_ready,
                                   .forwards = forwards,
                                   .throwaway = arg_snapshot };
    bool new_disk;
    int r = generation_find(out, profile, &generation, f);

    if (r == 0)
        r = machine_open(wanted, &generation, &machine, &new_disk, f);
    if (r == 0) {
        request.generation = generation.name;
        request.deadline_ns = arg_deadline > 0 ? arg_deadline * NS_PER_S : EVENT_NEVER;
        if (!arg_json)
            (void)fprintf(stderr,
                          "broch run: %s%s, machine '%s'; Ctrl-A X leaves\n"
                          "broch run: console log: %s\n",
                          generation.name, new_disk ? " on a new disk" : "", wanted->name,
                          vm_console_log(machine.vm));
        r = run_machine(machine.vm, &request, f);
    }
    machine_done(&machine);
    generation_done(&generation);
    return r;
}

static int find_medium(enum machine_medium *ret, struct failure *f)
{
    static const char *const names[] = {
        [MACHINE_DISK] = NULL, [MACHINE_CD] = "cd", [MACHINE_STICK] = "stick"
    };

    *ret = MACHINE_DISK;
    if (!arg_live)
        return 0;
    for (enum machine_medium m = MACHINE_CD; m < ARRAY_SIZE(names); m++) {
        if (strcmp(arg_live, names[m]) == 0)
            *ret = m;
    }
    if (*ret == MACHINE_DISK)
        return failure_set(f, CODE_USAGE, -EINVAL, "--live is 'cd' or 'stick', not '%s'", arg_live);
    return arg_direct
               ? failure_set(f, CODE_USAGE, -EINVAL, "--live starts by firmware, --direct without")
               : 0;
}

/* Makes absolute what the options named, and runs. A live medium is started in a computer of its
 * own: it has no disk of a machine to go with. */
static int prepare(const char *profile, struct failure *f)
{
    _cleanup_free_ char *live_name = text_make("%s-live", profile);
    _cleanup_free_ char *source = NULL, *out = NULL, *tree = NULL, *log = NULL, *disk = NULL;
    _cleanup_free_ char *cache = NULL, *default_out = NULL;
    struct machine_request wanted = { .name = arg_machine ? arg_machine
                                              : arg_live  ? live_name
                                                          : profile,
                                      .memory_bytes = arg_memory,
                                      .cpus = arg_cpus,
                                      .direct = arg_direct,
                                      .secure_boot = !arg_no_secure_boot,
                                      .snapshot = arg_snapshot,
                                      .forwards = forwards,
                                      .display = arg_display,
                                      .emulate = arg_emulate };
    int r = live_name ? find_medium(&wanted.medium, f)
                      : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = absolute(arg_source ? arg_source : ".", &source, f);

    if (r == 0 && !(default_out = text_make("%s/out", source)))
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = absolute(arg_out ? arg_out : default_out, &out, f);
    if (r == 0 && arg_log)
        r = absolute(arg_log, &log, f);
    if (r == 0 && arg_disk)
        r = absolute(arg_disk, &disk, f);
    if (r == 0)
        r = cache_folder(&cache, f);
    if (r == 0)
        r = sandbox_possible(f);
    if (r == 0)
        r = find_tree(source, &tree, f);
    wanted.tree = tree;
    wanted.cache = cache;
    wanted.log = log;
    wanted.disk = disk;
    return r < 0 ? r : run(&wanted, out, profile, f);
}

int main(int argc, char **argv)
{
    struct failure failure = FAILURE_NONE;
    struct operands operands;
    int r;

    /* `broch` passes its verb on. */
    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        argv++;
        argc--;
    }
    r = options_parse(&options, argc, argv, &operands, &failure);
    if (r == 1) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && arg_deadline > DEADLINE_SECONDS_MAX)
        r = failure_set(&failure, CODE_USAGE, -EINVAL, "--deadline is at most %d seconds",
                        DEADLINE_SECONDS_MAX);
    if (r == 0 && arg_forward)
        r = forward_parse(arg_forward, forwards, &failure);
    if (arg_until_ready && arg_deadline == 0)
        arg_deadline = DEADLINE_SECONDS_DEFAULT;
    if (r == 0)
        r = prepare(operands.count > 0 ? operands.list[0] : "node", &failure);
    return r < 0 ? (int)failure_print(&failure, "broch run", stderr) : EXIT_CODE_DONE;
}
