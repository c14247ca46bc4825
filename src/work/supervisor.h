/* How to talk to s6: what s6-supervise writes about a service, and what it and s6-svscan take as
 * commands. Both are done in place instead of by s6-svstat and s6-svc, because each of those is a
 * process, and a boot would start several for each service.
 *
 * Commands are the letters of s6-svc(8) and s6-svscanctl(8), written to supervise/control of the
 * service and .s6-svscan/control. The status is the file that s6-svstat(8) reads, supervise/status,
 * replaced by rename at each change (s6 2.13: 43 bytes, big-endian):
 *
 *     12  when the last process began or ended, TAI64N
 *     12  when it became ready, TAI64N
 *      8  process id, 0 for none
 *      8  process group
 *      2  wait status of the last process that ended
 *      1  flags: 1 paused, 2 finishing (the process is ./finish), 4 wanted up, 8 ready
 *
 * The packages' lock pins the version of s6; a file of another size is refused. */
#pragma once

#include <stddef.h>

#include "base/failure.h"
#include "work/supervise.h"

#define SUPERVISOR_SCAN "/run/service"

enum { SUPERVISOR_STATUS_SIZE = 43 };

/* Returns 0, or -EBADMSG (*ret untouched). */
MUST_USE int supervisor_status_parse(const void *bytes, size_t size, struct supervise_status *ret);

/* Reads the status of `scan`/`name`. -ENOENT as long as no supervisor has begun with it. */
MUST_USE int supervisor_status_read(const char *scan, const char *name,
                                    struct supervise_status *ret, struct failure *f);

/* Sends one letter: to the supervisor of a service, or to that of all with a NULL name. -ENXIO or
 * -ENOENT when nobody listens. */
MUST_USE int supervisor_tell(const char *scan, const char *name, char letter, struct failure *f);
