/* in_tree: runs one program of the tools tree for a test, as a build step would: without network,
 * with the tree read-only and the named folders beside it.
 *
 *     in_tree TREE [--ro SOURCE=TARGET | --rw SOURCE=TARGET]... -- PROGRAM [ARGUMENT]...
 *
 * The working folder is /run/work when that is a target, else "/". Ends with the program's status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/code.h"
#include "base/failure.h"
#include "sys/spawn.h"

#define WORK_FOLDER "/run/work"

/* Splits "SOURCE=TARGET" in place. */
static bool add_bind(struct sandbox *sandbox, size_t index, char *text, bool read_only)
{
    char *separator = strchr(text, '=');

    if (!separator || index >= SANDBOX_BINDS_MAX)
        return false;
    *separator = '\0';
    sandbox->binds[index] = (struct sandbox_bind){ text, separator + 1, read_only };
    return true;
}

/* Reads the options; returns the index of the program, or 0 when the line is wrong. */
static int parse(int argc, char **argv, struct sandbox *sandbox)
{
    size_t binds = 0;
    int i = 2;

    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        bool read_only = strcmp(argv[i], "--ro") == 0;

        if ((!read_only && strcmp(argv[i], "--rw") != 0) ||
            !add_bind(sandbox, binds++, argv[i + 1], read_only))
            return 0;
    }
    return i + 1 < argc ? i + 1 : 0;
}

int main(int argc, char **argv)
{
    struct sandbox sandbox = { .tree = argc > 1 ? argv[1] : NULL };
    struct arguments arguments = { .count = 0 };
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments, .sandbox = &sandbox };
    struct failure failure = FAILURE_NONE;
    int program = argc > 1 ? parse(argc, argv, &sandbox) : 0;
    pid_t pid;

    if (program == 0) {
        (void)fputs("usage: in_tree TREE [--ro|--rw SOURCE=TARGET]... -- PROGRAM [ARGUMENT]...\n",
                    stderr);
        return EXIT_CODE_USAGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sandbox.binds) && sandbox.binds[i].source; i++) {
        if (strcmp(sandbox.binds[i].target, WORK_FOLDER) == 0)
            spawn.folder = WORK_FOLDER;
    }
    for (int i = program; i < argc; i++)
        arguments_add(&arguments, argv[i]);
    spawn.input_fd = STDIN_FILENO;
    if (spawn_start(&spawn, &pid, &failure) < 0)
        return (int)failure_print(&failure, "in_tree", stderr);
    return spawn_wait(pid);
}
