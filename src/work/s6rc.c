#include "work/s6rc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "work/s6dir.h"

enum { NAME_SIZE_MAX = SERVICE_NAME_MAX + 16, FOLDER_SIZE_MAX = NAME_SIZE_MAX + 32 };

/* Longer than the kill that s6 sends by itself: then a stop fails only when that did not help. */
static const uint64_t margin_ns = 2 * NS_PER_S;

static bool is_on(const struct s6rc_set *set, size_t index)
{
    return !(set->off >> index & 1);
}

static void add_milliseconds(struct work_files *files, const char *folder, const char *name,
                             uint64_t duration_ns)
{
    work_files_add(files, folder, name, 0644, "%llu\n",
                   (unsigned long long)(duration_ns / NS_PER_MS));
}

static void add_name(struct work_files *files, const char *folder, const char *name)
{
    work_files_add(files, folder, name, 0644, "%s", "");
}

static void render_dependencies(const struct s6rc_set *set, size_t index, struct work_files *files)
{
    char folder[FOLDER_SIZE_MAX];

    (void)snprintf(folder, sizeof(folder), "%s/dependencies.d", set->manifests[index].name);
    for (size_t i = 0; i < set->graph->count; i++) {
        if ((set->graph->needs[index] >> i & 1) && is_on(set, i))
            add_name(files, folder, set->manifests[i].name);
    }
}

static void render_daemon(const struct service_manifest *m, struct work_files *files)
{
    char logger[NAME_SIZE_MAX];

    (void)snprintf(logger, sizeof(logger), "%s-log", m->name);
    work_files_add(files, m->name, "type", 0644, "longrun\n");
    s6dir_render_supervision(m, m->name, files);
    add_milliseconds(files, m->name, "timeout-up", m->ready.within_ns);
    add_milliseconds(files, m->name, "timeout-down", m->stop.within_ns + margin_ns);
    work_files_add(files, m->name, "producer-for", 0644, "%s\n", logger);

    work_files_add(files, logger, "type", 0644, "longrun\n");
    s6dir_render_logger(m, logger, files);
    work_files_add(files, logger, "consumer-for", 0644, "%s\n", m->name);
    work_files_add(files, logger, "pipeline-name", 0644, "%s-pipeline\n", m->name);
}

static void render_once(const struct service_manifest *m, struct work_files *files)
{
    work_files_add(files, m->name, "type", 0644, "oneshot\n");
    work_files_add(files, m->name, "up", 0644, "/usr/lib/broch/confine %s\n", m->name);
    add_milliseconds(files, m->name, "timeout-up", m->ready.within_ns);
}

/* A manifest's name cannot be "default". */
static void render_default(const struct s6rc_set *set, struct work_files *files)
{
    work_files_add(files, "default", "type", 0644, "bundle\n");
    for (size_t i = 0; i < set->graph->count; i++) {
        if (is_on(set, i))
            add_name(files, "default/contents.d", set->manifests[i].name);
    }
}

static int judge_names(const struct s6rc_set *set, struct failure *f)
{
    static const char *const suffixes[] = { "-log", "-pipeline" };

    for (size_t i = 0; i < set->graph->count; i++) {
        const char *name = set->manifests[i].name;

        if (strncmp(name, "s6rc-", 5) == 0 || strncmp(name, "s6-rc-", 6) == 0)
            return failure_set(f, CODE_SCHEMA, -EINVAL, "s6-rc keeps names such as '%s' for itself",
                               name);
        for (size_t j = 0; j < set->graph->count * ARRAY_SIZE(suffixes); j++) {
            char made[NAME_SIZE_MAX];

            (void)snprintf(made, sizeof(made), "%s%s",
                           set->manifests[j / ARRAY_SIZE(suffixes)].name,
                           suffixes[j % ARRAY_SIZE(suffixes)]);
            if (strcmp(name, made) == 0)
                return failure_set(f, CODE_SCHEMA, -EEXIST,
                                   "'%s' is a service and the name of a part of '%s' in s6-rc",
                                   name, set->manifests[j / ARRAY_SIZE(suffixes)].name);
        }
    }
    return 0;
}

int s6rc_render(const struct s6rc_set *set, struct work_files *files, struct failure *f)
{
    int r = judge_names(set, f);

    for (size_t i = 0; r == 0 && i < set->graph->count; i++) {
        const struct service_manifest *m = &set->manifests[i];

        if (m->kind == WORK_KIND_ONCE)
            render_once(m, files);
        else
            render_daemon(m, files);
        render_dependencies(set, i, files);
    }
    if (r == 0)
        render_default(set, files);
    return r;
}

int s6rc_write(const struct s6rc_set *set, const char *folder, struct failure *f)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    int r = s6rc_render(set, &files, f);

    return r < 0 ? r : work_files_create(&files, folder, f);
}
