#include "boot/ending.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/line.h"
#include "boot/clock.h"
#include "boot/marker.h"
#include "sys/boot_manager.h"
#include "sys/console.h"
#include "sys/efivars.h"

enum {
    /* Well below the watchdog's timeout: a halted machine stays halted. */
    HALT_TICK_MS = 15000,
};

/* "A" or "B", "-" when it is not known: the reason is read in the other slot, too. Before the slot
 * was found only the list of attempts knows. */
static const char *slot_letter(const struct stage1 *s)
{
    static const char *const letters[ATTEMPTS_SLOTS] = { "A", "B" };

    if (s->slot_uuid.text[0] && attempts_is_pair(&s->attempts.all))
        return letters[s->attempts.own];
    return s->slot_uuid.text[0] && s->facts.slot ? s->facts.slot : "-";
}

static bool reason_is_about(const char *reason, const char *letter)
{
    static const char start[] = "slot=";
    size_t skip = sizeof(start) - 1, length = strlen(letter);

    return strncmp(reason, start, skip) == 0 && strncmp(reason + skip, letter, length) == 0 &&
           reason[skip + length] == ' ';
}

/* The same words as the marker's, so that the next boot shows what this one did. */
void ending_keep_reason(struct stage1 *s, const char *step, const struct failure *f)
{
    char reason[EFIVARS_REASON_MAX + 1], former[EFIVARS_REASON_MAX];
    struct line l = line_make(reason, sizeof(reason));
    int r;

    if (s->efivars_fd < 0)
        return;
    /* That there were too many starts is told by the code; why they failed is worth keeping, if it
     * is about this slot. Who only passes through to the other slot has nothing to say. */
    if (s->attempts.redirected ||
        (f->code == CODE_BOOT_ATTEMPTS && reason_is_about(s->facts.last_failure, slot_letter(s))))
        return;
    line_addf(&l, "slot=%s %s step=%s %s", slot_letter(s), code_entry(f->code)->id, step, f->text);
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

static bool write_attempts(struct stage1 *s)
{
    uint8_t bytes[ATTEMPTS_SIZE];

    attempts_encode(&s->attempts.all, bytes);
    return efivars_write(s->efivars_fd, EFIVARS_ATTEMPTS, bytes, sizeof(bytes)) == 0;
}

/* What was decided is written before the word that makes somebody reach for the switch. BootNext
 * comes first: alone it does no harm. Where it cannot be written, going on could be for ever, but
 * for a slot on trial: the firmware does not start it again by itself. */
static enum attempts_ending carry_out(struct stage1 *s)
{
    const bool leads_away = s->attempts.on_trial && attempts_can_leave(&s->attempts);
    enum attempts_ending ending = attempts_after_failure(&s->attempts);
    bool written = true;

    if (!s->attempts.known) /* what cannot be kept is not changed, either */
        return ending;
    if (ending == ATTEMPTS_OTHER)
        written = boot_manager_write_next(s->efivars_fd, s->other_entry) == 0;
    if (ending != ATTEMPTS_REBOOT && !write_attempts(s))
        written = false;
    return written ? ending : leads_away ? ATTEMPTS_REBOOT : ATTEMPTS_HALT;
}

/* Three wrong keys say nothing against the slot: this start does not count. */
static enum attempts_ending start_again(struct stage1 *s)
{
    struct attempts_slot *own = &s->attempts.all.slots[s->attempts.own];

    if (!s->attempts.known)
        return ATTEMPTS_HALT;
    if (own->count > 0)
        own->count--;
    if (s->attempts.armed && efivars_remove_global(s->efivars_fd, "BootNext") < 0)
        return ATTEMPTS_HALT; /* the other slot would be started */
    return write_attempts(s) ? ATTEMPTS_REBOOT : ATTEMPTS_HALT;
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
    static const char *const words[] = {
        [ATTEMPTS_REBOOT] = "reboot", [ATTEMPTS_OTHER] = "other", [ATTEMPTS_HALT] = "halt"
    };
    enum attempts_ending ending;
    char marker[MARKER_SIZE];
    uint64_t wait_s = STAGE1_HALT_S;

    secret_wipe(&s->persist.sealed); /* a halted machine stands around */
    if (s->persist.key)
        secret_wipe(s->persist.key); /* only a failed check leaves it there */
    marker_fail(step, clock_us(), f->code, f->text, marker);
    console_line(s->kmsg_fd, CONSOLE_ERROR, marker);
    /* Something that could still be unsealed must not stand around. */
    if (!cap(s))
        wait_s = 0;
    ending_keep_reason(s, step, f);
    ending = f->code == CODE_PERSIST_KEY ? start_again(s) : carry_out(s);
    marker_end(words[ending], f->code, ending == ATTEMPTS_HALT ? wait_s : 0, marker);
    console_line(s->kmsg_fd, CONSOLE_ERROR, marker);
    if (ending != ATTEMPTS_HALT)
        stop(RB_AUTOBOOT);
    wait_and_feed(s, wait_s);
    stop(RB_POWER_OFF);
}
