/* Becomes dhcpcd, with a configuration made from the machine's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "node/dhcpcd.h"
#include "node/network.h"
#include "sys/file.h"

static const char program[] = "broch-network";

static void complain(const struct failure *f, void *context)
{
    (void)context;
    (void)failure_print(f, program, stderr);
}

static int write_configuration(const struct config_network *network, const char *path,
                               struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    dhcpcd_render(network, &t);
    if (text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(path, text_string(&t), t.length, 0644, f);
}

static int prepare(const char *path, struct failure *f)
{
    struct config config = { .hostname = NULL };
    int r = config_load(complain, NULL, &config, f);

    if (r == 0)
        r = write_configuration(&config.network, path, f);
    if (r == 0)
        r = network_update(NETWORK_FOLDER, &config.network, NULL, NULL, f);
    config_done(&config);
    return r;
}

/* Returns only on failure. */
static int become(const char *path, struct failure *f)
{
    char file[256];
    /* What it says goes to standard error; it would send the same to syslog(3) once more. */
    char *const arguments[] = { (char[]){ "dhcpcd" },
                                (char[]){ "--nobackground" },
                                (char[]){ "--logfile" },
                                (char[]){ "/dev/null" },
                                (char[]){ "--config" },
                                file,
                                NULL };

    (void)snprintf(file, sizeof(file), "%s", path);
    (void)execv(DHCPCD_PROGRAM, arguments);
    return failure_set(f, CODE_NETWORK, -errno, "cannot run '" DHCPCD_PROGRAM "'");
}

int main(int argc, char **argv)
{
    const struct options options = {
        .program = program,
        .synopsis = "",
        .purpose = "Runs dhcpcd as the machine's configuration says.",
    };
    const char *scratch = getenv("SCRATCH");
    char path[256];
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 &&
        (!scratch || snprintf(path, sizeof(path), "%s/dhcpcd.conf", scratch) >= (int)sizeof(path)))
        r = failure_set(&f, CODE_USAGE, -EINVAL, "SCRATCH names no folder");
    if (r == 0)
        r = prepare(path, &f);
    if (r == 0)
        r = become(path, &f);
    return (int)failure_print(&f, program, stderr);
}
