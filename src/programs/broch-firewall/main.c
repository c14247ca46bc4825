/* Loads the machine's firewall: the ruleset of node/firewall.h with the openings that services
 * declare and the configuration adds. Done when it is loaded; it stays when this program, or the
 * service, ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "node/notify.h"
#include "programs/broch-firewall/gather.h"
#include "sys/spawn.h"

static const char program[] = "broch-firewall";
static const char loader[] = "/usr/sbin/nft";

static void complain(const struct failure *f)
{
    (void)failure_print(f, program, stderr);
}

static void complain_about_layer(const struct failure *f, void *context)
{
    (void)context;
    complain(f);
}

static int render(struct text *ruleset, size_t *ret_count, struct failure *f)
{
    const struct gather_paths paths = {
        .list = GATHER_LIST_PATH,
        .folders = { .image = SERVICE_FOLDER_IMAGE, .machine = SERVICE_FOLDER_MACHINE },
    };
    _cleanup_free_ struct openings *openings = calloc(1, sizeof(*openings));
    struct config config = { .hostname = NULL };
    int r = openings ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    /* A layer that is wrong opens nothing; a firewall without it is better than none. */
    if (r == 0)
        r = config_load(complain_about_layer, NULL, &config, f);
    if (r == 0)
        r = gather_openings(&paths, &config, complain, openings, f);
    if (r == 0) {
        firewall_render(openings->list, openings->count, ruleset);
        *ret_count = openings->count;
        if (text_status(ruleset) < 0)
            r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    config_done(&config);
    return r;
}

/* The rules in a file that nobody else can reach, as the loader's standard input. */
static int make_file(const struct text *ruleset, int *ret_fd, struct failure *f)
{
    _cleanup_close_ int fd = memfd_create("ruleset", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text_string(ruleset), ruleset->length) != (ssize_t)ruleset->length ||
        lseek(fd, 0, SEEK_SET) < 0)
        return failure_set(f, CODE_FIREWALL, -errno, "cannot write the ruleset");
    *ret_fd = take_fd(&fd);
    return 0;
}

static int load(const struct text *ruleset, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS(loader, "-f", "-");
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    _cleanup_close_ int fd = -1;
    int r = make_file(ruleset, &fd, f);

    if (r < 0)
        return r;
    spawn.input_fd = fd;
    r = spawn_run(&spawn, f);
    if (r < 0)
        f->code = CODE_FIREWALL; /* the loader has said why, line by line */
    return r;
}

int main(int argc, char **argv)
{
    uint64_t notify_fd = NOTIFY_FD_NONE;
    bool print = false;
    const struct option_spec specs[] = {
        { "print", OPTION_FLAG, &print, NULL, "print the ruleset and load nothing" },
        NOTIFY_OPTION(&notify_fd),
    };
    const struct options options = {
        .program = program,
        .synopsis = "[options]",
        .purpose = "Loads the machine's firewall.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    _cleanup_text_ struct text ruleset = TEXT_INIT;
    struct operands operands;
    struct failure f = FAILURE_NONE;
    size_t count = 0;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0)
        r = render(&ruleset, &count, &f);
    if (r == 0 && print && fputs(text_string(&ruleset), stdout) < 0)
        r = failure_set(&f, CODE_IO, -errno, "cannot print");
    if (r == 0 && !print)
        r = load(&ruleset, &f);
    if (r < 0)
        return (int)failure_print(&f, program, stderr);
    if (!print)
        (void)fprintf(stderr, "%s: loaded, %zu openings\n", program, count);
    notify_ready(notify_fd);
    return EXIT_CODE_DONE;
}
