/* watchdog: from here on a machine that hangs restarts. It stays armed across the hand-over: a
 * service opens it again and keeps it alive. */
#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "boot/stage1.h"

#define WATCHDOG_DEVICE "/dev/watchdog0"

/* One step of stage 1 (30 s of waiting for disks at most) or one part of a long one, and the start
 * of user space until its watchdog service runs, on a slow machine, twice over. */
enum { WATCHDOG_TIMEOUT_S = 120 };

/* A hang that leaves a record is told apart from a power cut (update/trial.h). Without it the
 * device bites all the same. */
static void panic_before(struct stage1 *s)
{
    struct failure f = FAILURE_NONE;
    int r;

    if (devices_request(&s->devices, INITRD_REQUEST_PRETIMEOUT, &f) < 0) {
        stage1_note(s, "module-refused", f.text);
        return;
    }
    r = watchdog_panic_before(&s->watchdog, WATCHDOG_GOVERNOR);
    if (r < 0)
        stage1_note(s, "watchdog-without-record", strerror(-r));
}

int step_watchdog(struct stage1 *s, struct failure *f)
{
    struct line l = line_make(s->facts.watchdog, sizeof(s->facts.watchdog));
    int r = watchdog_open(WATCHDOG_DEVICE, WATCHDOG_TIMEOUT_S, &s->watchdog);

    /* The last resort costs two modules, for which a directly started kernel has no time. */
    if (r == -ENOENT && !s->devices_partial) {
        if (devices_request(&s->devices, INITRD_REQUEST_WATCHDOG, f) < 0)
            stage1_note(s, "module-refused", f->text);
        r = watchdog_open(WATCHDOG_DEVICE, WATCHDOG_TIMEOUT_S, &s->watchdog);
    }
    if (r < 0) {
        /* A machine without one boots, and says so in the facts. */
        s->watchdog.fd = -1;
        stage1_note(s, "watchdog-missing", strerror(-r));
        return 0;
    }
    if (!s->devices_partial)
        panic_before(s);
    line_add(&l, s->watchdog.identity);
    s->facts.watchdog_timeout_s = s->watchdog.timeout_s;
    return 0;
}
