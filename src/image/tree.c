#include "image/tree.h"

#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/pool.h"
#include "image/supply.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "sys/sandbox.h"
#include "sys/spawn.h"

void tree_done(struct tree *tree)
{
    free(tree->path);
    tree->path = NULL;
    lock_done(&tree->lock);
}

static int make_include(const struct lock *lock, char **ret)
{
    _cleanup_text_ struct text list = TEXT_INIT;

    text_add(&list, "--include=");
    for (size_t i = 0; i < lock->package_count; i++)
        text_addf(&list, "%s%s", i > 0 ? "," : "", lock->packages[i].name);
    *ret = text_take(&list);
    return *ret ? 0 : -ENOMEM;
}

static int build_tar(const struct lock *lock, const char *folder, const char *tar,
                     struct failure *f)
{
    _cleanup_free_ char *include = NULL, *archive = text_make("%s/archive", folder);
    _cleanup_free_ char *source = text_make("deb [trusted=yes] copy://%s/archive ./", folder);
    _cleanup_free_ char *log_path = text_make("%s/log", folder);
    _cleanup_close_ int log_fd = -1;
    struct arguments arguments;
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    int r;

    if (make_include(lock, &include) < 0 || !archive || !source || !log_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = pool_archive(lock, archive, f);
    if (r < 0)
        return r;
    log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (log_fd < 0)
        return file_failure(f, errno, "write", log_path);
    /* The packages were checked against the lock, so the archive made of them is trusted. */
    arguments = ARGUMENTS("mmdebstrap", geteuid() == 0 ? "--mode=root" : "--mode=unshare",
                          "--variant=essential", "--format=tar", include,
                          "--dpkgopt=path-exclude=/usr/share/man/*",
                          "--dpkgopt=path-exclude=/usr/share/doc/*",
                          "--dpkgopt=path-exclude=/usr/share/locale/*", "", tar, source);
    spawn.output_fd = spawn.error_fd = log_fd;
    r = spawn_run(&spawn, f);
    if (r < 0 && f->code == CODE_STEP_FAILED)
        failure_prefix(f, "cannot make the tools tree (log: %s)", log_path);
    return r;
}

static int unpack(const char *tar, const char *target, struct failure *f)
{
    const struct arguments arguments =
        ARGUMENTS("tar", "--extract", "--file", tar, "--directory", target, "--exclude=./dev/*",
                  "--no-same-owner", "--delay-directory-restore");
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };

    return spawn_run(&spawn, f);
}

static int make_tree(const struct lock *lock, const char *path, struct failure *f)
{
    _cleanup_free_ char *work = text_make("%s.work", path),
                        *tar = text_make("%s.work/tree.tar", path);
    _cleanup_free_ char *fresh = text_make("%s.work/tree", path);
    int r;

    if (!work || !tar || !fresh)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_remove_tree(work, f);
    if (r == 0)
        r = file_make_folders(fresh, f);
    if (r == 0)
        r = cache_judge_space(build_tar(lock, work, tar, f), f);
    if (r == 0)
        r = cache_judge_space(unpack(tar, fresh, f), f);
    if (r == 0 && rename(fresh, path) < 0)
        r = file_failure(f, errno, "rename", fresh);
    return r < 0 ? r : file_remove_tree(work, f);
}

/* Where the tree of this lock lives. */
static int locate(const struct supply *supply, char **path, struct failure *f)
{
    char digits[DIGEST_TEXT_SIZE];

    free(take_ptr(*path));
    return cache_path(path, f, "trees/%s", digest_text(&supply->digest, digits));
}

/* Fills the pool, which may change the lock, and makes the tree unless it turns out to be there. */
static int supply_tree(const struct supply_request *request, struct progress *progress,
                       struct supply *supply, char **path, struct failure *f)
{
    _cleanup_free_ char *guard = NULL;
    _cleanup_close_ int lock_fd = -1;
    int r = supply_fill(request, progress, supply, f);

    if (r == 0)
        r = locate(supply, path, f);
    if (r == 0)
        r = file_make_parent(*path, f);
    if (r == 0 && !(guard = text_make("%s.guard", *path)))
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = lockfile_take(guard, true, &lock_fd, f); /* another build may be making it */
    if (r == 0 && !file_exists(*path))
        r = make_tree(&supply->lock, *path, f);
    return r;
}

/* Hands over path and supply. */
static void fill_in(char **path, struct supply *supply, struct tree *ret)
{
    ret->path = take_ptr(*path);
    ret->digest = supply->digest;
    ret->unlocked = supply->unlocked;
    ret->lock = supply->lock;
    supply->lock = (struct lock)LOCK_INIT;
}

static int open_supply(const struct tree_request *request, char **ret_folder,
                       struct supply_request *ret_wanted, struct supply *ret, struct failure *f)
{
    *ret_folder = text_make("%s/%s", request->source, request->name);
    *ret_wanted = (struct supply_request){ .folder = *ret_folder,
                                           .kernel = "none",
                                           .offline = request->offline,
                                           .renew = request->renew };
    return *ret_folder ? supply_open(ret_wanted, ret, f)
                       : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

int tree_find(const struct tree_request *request, struct tree *ret, struct failure *f)
{
    _cleanup_free_ char *folder = NULL, *path = NULL;
    _cleanup_(supply_done) struct supply supply = SUPPLY_INIT;
    struct supply_request wanted;
    int r = open_supply(request, &folder, &wanted, &supply, f);

    if (r == 0)
        r = locate(&supply, &path, f);
    if (r == 0)
        fill_in(&path, &supply, ret);
    return r;
}

int tree_ensure(const struct tree_request *request, struct progress *progress, struct tree *ret,
                struct failure *f)
{
    _cleanup_free_ char *folder = NULL, *path = NULL;
    _cleanup_(supply_done) struct supply supply = SUPPLY_INIT;
    struct supply_request wanted;
    const char *status = "cached";
    int r = sandbox_possible(f);

    /* There is a step "kernel" as well. */
    progress_step(progress,
                  strcmp(request->name, TREE_KERNEL) == 0 ? "kernel-tree" : request->name);
    if (r == 0)
        r = open_supply(request, &folder, &wanted, &supply, f);
    if (r == 0)
        r = locate(&supply, &path, f);
    if (r == 0 && !file_exists(path)) {
        status = "done";
        r = supply_tree(&wanted, progress, &supply, &path, f);
    }
    progress_end(progress, r < 0 ? "failed" : status);
    if (r == 0)
        fill_in(&path, &supply, ret);
    return r;
}
