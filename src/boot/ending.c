#include "boot/ending.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/line.h"
#include "boot/clock.h"
#include "boot/marker.h"
#include "sys/console.h"
#include "sys/efivars.h"

enum {
    /* Well below the watchdog's timeout: a halted machine stays halted. */
    HALT_TICK_MS = 15000,
};

/* The same words as the marker's, so that the next boot shows what this one did. */
static void keep_reason(struct stage1 *s, const char *step, const struct failure *f)
{
    char reason[EFIVARS_REASON_MAX + 1], former[EFIVARS_REASON_MAX];
    struct line l = line_make(reason, sizeof(reason));
    int r;

    if (s->efivars_fd < 0)
        return;
    /* That there were too many starts is told by the code; why they failed is worth keeping. */
    if (f->code == CODE_BOOT_ATTEMPTS && s->facts.last_failure[0])
        return;
    line_addf(&l, "%s step=%s %s", code_entry(f->code)->id, step, f->text);
    r = efivars_read(s->efivars_fd, EFIVARS_REASON, EFIVARS_GUID_BROCH, former, sizeof(former));
    /* Flash wears out: the same reason again is not written again. */
    if (r == (int)l.length && memcmp(former, reason, l.length) == 0)
        return;
    r = efivars_write(s->efivars_fd, EFIVARS_REASON, reason, l.length);
    if (r < 0)
        stage1_note(s, "reason-not-kept", strerror(-r));
}

static bool cap(struct stage1 *s)
{
    struct failure f = { .code = CODE_BOOT_PCR };
    char marker[MARKER_SIZE];

    if (s->capped || step_pcr_cap(s, &f) == 0)
        return true;
    marker_fail("pcr-cap", clock_us(), f.code, f.text, marker);
    console_line(s->kmsg_fd, CONSOLE_ERROR, marker);
    return false;
}

/* A halt is seen by a person, whose next try is a fresh one. */
static void clear_attempts(struct stage1 *s)
{
    if (s->efivars_fd >= 0)
        (void)efivars_remove(s->efivars_fd, EFIVARS_ATTEMPTS); /* then the next start halts again */
}

static void wait_and_feed(struct stage1 *s, uint64_t seconds)
{
    for (uint64_t ms = 0; ms < seconds * 1000; ms += HALT_TICK_MS) {
        watchdog_keep_alive(&s->watchdog);
        (void)poll(NULL, 0, HALT_TICK_MS); /* an early end only makes the wait shorter */
    }
}

__attribute__((noreturn)) static void stop(int how)
{
    sync();
    (void)reboot(how);
    /* Neither worked, and PID 1 must not end: that would be a panic, which also restarts. */
    for (;;)
        (void)pause();
}

void ending_fail(struct stage1 *s, const char *step, const struct failure *f)
{
    enum attempts_ending ending = attempts_after_failure(&s->attempts);
    char marker[MARKER_SIZE];
    uint64_t wait_s = STAGE1_HALT_S;

    marker_fail(step, clock_us(), f->code, f->text, marker);
    console_line(s->kmsg_fd, CONSOLE_ERROR, marker);
    /* Something that could still be unsealed must not stand around. */
    if (!cap(s))
        wait_s = 0;
    keep_reason(s, step, f);
    if (ending == ATTEMPTS_HALT)
        clear_attempts(s); /* before the word that makes somebody reach for the switch */
    marker_end(ending == ATTEMPTS_REBOOT ? "reboot" : "halt", f->code,
               ending == ATTEMPTS_REBOOT ? 0 : wait_s, marker);
    console_line(s->kmsg_fd, CONSOLE_ERROR, marker);
    if (ending == ATTEMPTS_REBOOT)
        stop(RB_AUTOBOOT);
    wait_and_feed(s, wait_s);
    stop(RB_POWER_OFF);
}
