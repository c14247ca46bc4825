#include "work/s6dir.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "sys/file.h"

/* Debian's /usr/bin/execlineb is a script that sets PATH and takes five programs to become the real
 * one; with absolute paths nothing needs it. */
#define EXECLINE "/usr/lib/execline/bin"
#define SHEBANG  "#!" EXECLINE "/execlineb -P\n"

enum { ARCHIVED_FILES = 4 };

/* s6 takes 125 from the finish script to mean: stay down. */
static void render_finish(const struct service_manifest *m, const char *folder,
                          struct work_files *files)
{
    if (m->restart.policy == WORK_RESTART_NEVER)
        work_files_add(files, folder, "finish", 0755, SHEBANG EXECLINE "/exit 125\n");
    else if (m->restart.policy == WORK_RESTART_ON_FAILURE)
        work_files_add(files, folder, "finish", 0755,
                       "#!" EXECLINE "/execlineb -S1\n" EXECLINE "/ifelse -X { " EXECLINE
                       "/eltest ${1} -eq 0 } { " EXECLINE "/exit 125 }\n" EXECLINE "/exit 0\n");
}

void s6dir_render_supervision(const struct service_manifest *m, const char *folder,
                              struct work_files *files)
{
    work_files_add(files, folder, "run", 0755, "#!/usr/lib/broch/confine %s\n", m->name);
    work_files_add(files, folder, "notification-fd", 0644, "3\n");
    work_files_add(files, folder, "down-signal", 0644, "SIG%s\n", m->stop.signal);
    work_files_add(files, folder, "timeout-kill", 0644, "%llu\n",
                   (unsigned long long)(m->stop.within_ns / NS_PER_MS));
    render_finish(m, folder, files);
}

/* -b: what was read is written before more is read, so that a flood fills no memory. s6-log turns
 * to a new file only between two reads of up to 8 KiB, which times before each line make many times
 * longer: S bounds what that comes to. */
void s6dir_render_logger(const struct service_manifest *m, const char *folder,
                         struct work_files *files)
{
    unsigned long long size = (unsigned long long)m->log.size;

    work_files_add(files, folder, "run", 0755,
                   SHEBANG "/usr/bin/s6-setuidgid " S6DIR_LOG_USER
                           "\n/usr/bin/s6-log -b -d 3 -- n%d s%llu S%llu T " S6DIR_LOG_FOLDER
                           "/%s\n",
                   ARCHIVED_FILES, size / ARCHIVED_FILES, size, m->name);
    work_files_add(files, folder, "notification-fd", 0644, "3\n");
}

void s6dir_render(const struct service_manifest *m, struct work_files *files)
{
    s6dir_render_supervision(m, "", files);
    work_files_add(files, "", "down", 0644, "%s", "");
    s6dir_render_logger(m, "log", files);
}

int s6dir_write(const struct service_manifest *manifest, const char *scan, struct failure *f)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    _cleanup_free_ char *folder = text_make("%s/%s", scan, manifest->name);
    int r;

    if (!folder)
        return failure_set(f, CODE_INIT_SERVICES, -ENOMEM, "out of memory");
    s6dir_render(manifest, &files);
    r = file_exists(folder) ? work_files_write(&files, folder, f)
                            : work_files_create(&files, folder, f);
    if (r < 0)
        f->code = CODE_INIT_SERVICES;
    return r;
}
