/* Becomes sshd, with a configuration and authorized keys made from the machine's configuration, and
 * a host key that is made once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "node/sshd.h"
#include "sys/file.h"
#include "sys/spawn.h"

static const char program[] = "broch-ssh";
static const char folder[] = "/run/ssh"; /* of this start; the host key lies in the scratch */
static const char config_path[] = "/run/ssh/sshd_config";

/* sshd parts from itself here, as another user, before it listens to anybody. */
static const char empty_folder[] = "/run/sshd";

static void complain(const struct failure *f, void *context)
{
    (void)context;
    (void)failure_print(f, program, stderr);
}

static int make_folder(const char *path, struct failure *f)
{
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
        return file_failure(f, errno, "make", path);
    return 0;
}

/* Made beside and renamed, so that half a key is never taken for one. */
static int make_host_key(const char *state, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/" SSHD_HOST_KEY_NAME, state);
    _cleanup_free_ char *new_path = text_make("%s.new", path ? path : "");
    const struct arguments arguments =
        ARGUMENTS(SSHD_KEY_PROGRAM, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", new_path);
    const struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    int r;

    if (!path || !new_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (file_exists(path))
        return 0;
    r = file_remove_tree(new_path, f);
    if (r == 0)
        r = spawn_run(&spawn, f);
    if (r == 0 && rename(new_path, path) < 0)
        r = file_failure(f, errno, "make", path);
    return r;
}

static int write_files(const char *state, struct failure *f)
{
    _cleanup_text_ struct text sshd = TEXT_INIT, keys = TEXT_INIT;
    struct config config = { .hostname = NULL };
    int r = config_load(complain, NULL, &config, f);

    if (r < 0)
        return r;
    sshd_render(state, folder, &sshd);
    sshd_render_keys(&config.admin, &keys);
    if (text_status(&sshd) < 0 || text_status(&keys) < 0)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    else if (config.admin.ssh_keys.count == 0)
        r = failure_set(f, CODE_SSH, -ENOENT, "admin.ssh_keys is empty: nobody could log in");
    config_done(&config);
    if (r == 0)
        r = file_write(config_path, text_string(&sshd), sshd.length, 0600, f);
    /* sshd reads it as the user who wants in. */
    return r < 0 ? r
                 : file_write("/run/ssh/" SSHD_AUTHORIZED_NAME, text_string(&keys), keys.length,
                              0644, f);
}

/* Returns only on failure. -D: in the foreground, -e: to standard error. */
static int become(struct failure *f)
{
    char path[sizeof(config_path)];
    char *const arguments[] = {
        (char[]){ SSHD_PROGRAM }, (char[]){ "-D" }, (char[]){ "-e" }, (char[]){ "-f" }, path, NULL
    };

    memcpy(path, config_path, sizeof(path));
    (void)execv(SSHD_PROGRAM, arguments);
    return failure_set(f, CODE_SSH, -errno, "cannot run '" SSHD_PROGRAM "'");
}

int main(int argc, char **argv)
{
    const struct options options = {
        .program = program,
        .synopsis = "",
        .purpose = "Lets admin log in over the network: runs sshd as the configuration says.",
    };
    const char *state = getenv("SCRATCH");
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && !state)
        r = failure_set(&f, CODE_USAGE, -EINVAL, "SCRATCH names no folder");
    if (r == 0)
        r = make_folder(folder, &f);
    if (r == 0)
        r = make_folder(empty_folder, &f);
    if (r == 0)
        r = write_files(state, &f);
    if (r == 0)
        r = make_host_key(state, &f);
    if (r == 0)
        r = become(&f);
    return (int)failure_print(&f, program, stderr);
}
