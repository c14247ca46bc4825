/* The service directory of s6 (skarnet.org/software/s6/servicedir.html) that a manifest becomes:
 *
 *     run              "#!/usr/lib/broch/confine NAME": the program that becomes the service, with
 *                      nothing executed before it
 *     notification-fd  3, for every service: s6 restarts one that said it was ready at once, and
 *                      another only after a second
 *     down             it starts when the orchestrator says so
 *     down-signal      how it is asked to end, timeout-kill when it is made to
 *     finish           only where the restart policy has ends after which it stays down
 *     log/             s6-log as user broch-log, into /var/log/broch/NAME
 *
 * Names and paths only; what the service may do is confine's part. */
#pragma once

#include "base/failure.h"
#include "work/files.h"
#include "work/manifest.h"

#define S6DIR_LOG_USER   "broch-log"
#define S6DIR_LOG_FOLDER "/var/log/broch"

/* Adds the files. Pure. */
void s6dir_render(const struct service_manifest *manifest, struct work_files *ret_files);

/* The parts that s6rc.h shares. */
void s6dir_render_supervision(const struct service_manifest *manifest, const char *folder,
                              struct work_files *ret_files);
void s6dir_render_logger(const struct service_manifest *manifest, const char *folder,
                         struct work_files *ret_files);

/* Puts the service directory into the scan directory `scan`. A new one appears at once and whole;
 * in one that is there each file is replaced, because its supervisor lives in it: a new run script
 * counts from the next start, a new stop signal from the next stop. The caller tells s6-svscan.
 * CODE_INIT_SERVICES. */
MUST_USE int s6dir_write(const struct service_manifest *manifest, const char *scan,
                         struct failure *f);
