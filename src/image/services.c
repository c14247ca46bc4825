#include "image/services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "image/users.h"
#include "sys/file.h"
#include "work/s6dir.h"

/* Of the user that writes all logs; beside those that follow from services' names. */
enum { LOG_USER_ID = SERVICE_UID_MIN - 1 };

void services_done(struct services *services)
{
    for (size_t i = 0; i < services->count; i++)
        service_manifest_done(&services->manifests[i]);
    services->count = 0;
}

/* --- Reading --- */

static int refuse_unknown(const char *wanted, const struct service_names *there, const char *where,
                          struct failure *f)
{
    const char *list[SERVICES_MAX], *nearest;

    for (size_t i = 0; i < there->count; i++)
        list[i] = there->names[i];
    nearest = nearest_name(wanted, list, there->count);
    return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT, "%s '%s', which has no manifest%s%s%s",
                       where, wanted, nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static bool is_there(const struct service_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return true;
    }
    return false;
}

/* A file whose name is none of a service would be passed over on the machine. */
static int judge_file_name(const char *folder, const char *name, void *context, struct failure *f)
{
    const struct service_names *names = context;
    char stem[SERVICE_NAME_MAX + 1];
    size_t length = strlen(name);

    if (length > 5 && strcmp(name + length - 5, ".toml") == 0 && length - 5 <= SERVICE_NAME_MAX) {
        (void)snprintf(stem, sizeof(stem), "%.*s", (int)(length - 5), name);
        if (is_there(names, stem))
            return 0;
    }
    return failure_set(f, CODE_SCHEMA, -EINVAL,
                       "'%s/%s' is no manifest: its name must be that of a service, and end with "
                       "'.toml'",
                       folder, name);
}

/* Manifests that are not enabled are in the image as well: they must be good, too. */
static int judge_others(const char *folder, struct service_names *names, struct failure *f)
{
    const struct service_folders folders = { .image = folder };
    int r = file_exists(folder) ? file_list(folder, judge_file_name, names, f) : 0;

    for (size_t i = 0; r == 0 && i < names->count; i++) {
        _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };

        r = service_manifest_load(&folders, names->names[i], &manifest, f);
    }
    return r;
}

static int read_enabled(const struct profile *profile, const char *folder,
                        const struct service_names *names, struct services *services,
                        struct failure *f)
{
    const struct service_folders folders = { .image = folder };
    const struct schema_list *enable = &profile->services.enable;

    for (size_t i = 0; i < enable->count; i++) {
        _cleanup_free_ char *where =
            text_make("%s/profile.toml: 'services.enable' names", profile->folder);
        const char *name = enable->items[i];
        int r;

        if (!where)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        for (size_t j = 0; j < i; j++) {
            if (strcmp(enable->items[j], name) == 0)
                return failure_set(f, CODE_SCHEMA, -EEXIST, "%s '%s' twice", where, name);
        }
        if (!is_there(names, name))
            return refuse_unknown(name, names, where, f);
        r = service_manifest_load(&folders, name, &services->manifests[services->count], f);
        if (r < 0)
            return r;
        services->count++;
    }
    return 0;
}

/* On a machine a name in `before` that is not there means nothing; here it is a slip of the pen. */
static int judge_before(const struct services *services, const struct service_names *names,
                        struct failure *f)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct service_manifest *m = &services->manifests[i];

        for (size_t j = 0; j < m->before.count; j++) {
            _cleanup_free_ char *where =
                text_make("%s:%u: 'before' names", m->path, m->lines.before);

            if (!where)
                return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
            if (!is_there(names, m->before.items[j]))
                return refuse_unknown(m->before.items[j], names, where, f);
        }
    }
    return 0;
}

int services_read(const struct profile *profile, struct services *ret, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/overlay" SERVICE_FOLDER_IMAGE, profile->folder);
    _cleanup_free_ struct services *services = calloc(1, sizeof(*services));
    struct service_names names;
    int r;

    if (!folder || !services)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = service_names_list(folder, &names, f);
    if (r == 0)
        r = judge_others(folder, &names, f);
    if (r == 0)
        r = read_enabled(profile, folder, &names, services, f);
    if (r == 0)
        r = judge_before(services, &names, f);
    if (r == 0)
        r = service_graph_make(services->manifests, services->count, &services->graph, f);
    if (r < 0)
        services_done(services);
    else
        *ret = *services;
    return r;
}

void services_format_list(const struct services *services, struct text *ret)
{
    for (size_t i = 0; i < services->count; i++)
        text_addf(ret, "%s\n", services->manifests[services->graph.order[i]].name);
}

/* --- The image --- */

/* Programs are looked for below the root of the image, whose paths have no slash in front. */
static const char *program_at(const struct service_manifest *m, size_t index)
{
    if (index == 0)
        return m->run.items[0] + 1;
    return index <= m->checks.count ? m->checks.items[index - 1] + 1 : NULL;
}

int services_watch(struct services *services, struct compose *compose, struct failure *f)
{
    int r = 0;

    for (size_t i = 0; i < services->count; i++) {
        for (size_t j = 0; r == 0 && j < SERVICE_PROGRAMS_MAX; j++) {
            const char *path = program_at(&services->manifests[i], j);

            if (path)
                r = compose_watch(compose, path, &services->found[i][j], f);
        }
    }
    return r;
}

static size_t list_users(const struct services *services, struct user ret[static SERVICES_MAX + 1])
{
    size_t count = 0;

    if (services->count > 0)
        ret[count++] = (struct user){ S6DIR_LOG_USER, LOG_USER_ID };
    for (size_t i = 0; i < services->count; i++) {
        const struct service_manifest *m = &services->manifests[i];

        if (!m->user_is_own)
            continue;
        (void)snprintf(ret[count].name, sizeof(ret[count].name), "%s", m->user);
        ret[count++].id = service_manifest_uid(m->name);
    }
    return count;
}

/* Two names may lead to one number; then one of them has to be another name. */
static int judge_numbers(const struct user *users, size_t count, struct failure *f)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (users[i].id == users[j].id)
                return failure_set(f, CODE_SERVICE_USER, -EEXIST,
                                   "'%s' and '%s' would have one number; rename one of the "
                                   "services, or give it a user",
                                   users[j].name, users[i].name);
        }
    }
    return 0;
}

static int judge_users(const struct services *services, const struct compose_file *file,
                       struct failure *f)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct service_manifest *m = &services->manifests[i];

        if (!m->user_is_own && !users_have(file->bytes, file->size, m->user))
            return failure_set(f, CODE_SERVICE_USER, -ENOENT,
                               "%s:%u: 'user' is '%s', whom the image does not have", m->path,
                               m->lines.user, m->user);
    }
    return 0;
}

int services_add_users(struct services *services, const struct compose_file *file, struct text *ret,
                       struct failure *f)
{
    struct user users[SERVICES_MAX + 1];
    size_t count = list_users(services, users);
    int r = judge_numbers(users, count, f);

    if (r == 0 && strcmp(file->path, "etc/passwd") == 0) {
        services->users_seen = true;
        r = judge_users(services, file, f);
    }
    return r < 0 ? r : users_append(file, users, count, ret, f);
}

int services_judge_image(const struct services *services, struct failure *f)
{
    if (services->count > 0 && !services->users_seen)
        return failure_set(f, CODE_SERVICE_USER, -ENOENT, "the image has no /etc/passwd");
    for (size_t i = 0; i < services->count; i++) {
        const struct service_manifest *m = &services->manifests[i];

        for (size_t j = 0; j < SERVICE_PROGRAMS_MAX; j++) {
            const char *path = program_at(m, j);

            if (path && !services->found[i][j])
                return failure_set(f, CODE_SERVICE_PROGRAM, -ENOENT,
                                   "%s:%u: '%s' names '/%s', which is no program of the image",
                                   m->path, j == 0 ? m->lines.run : m->lines.checks,
                                   j == 0 ? "run" : "checks", path);
        }
    }
    return 0;
}
