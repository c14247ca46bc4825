/* Judges the running generation, once for each start: is it the one that was just written, is it
 * good, and which slot does the firmware start by itself. update/trial.h has the decisions. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/number.h"
#include "base/options.h"
#include "disk/persist.h"
#include "node/attempts.h"
#include "node/end.h"
#include "node/facts.h"
#include "node/kernel_log.h"
#include "node/pstore.h"
#include "programs/broch-verdict/checks.h"
#include "programs/broch-verdict/epoch.h"
#include "sys/attribute.h"
#include "sys/efivars.h"
#include "sys/lockfile.h"
#include "sys/spawn.h"
#include "sys/watchdog.h"
#include "update/confirm.h"
#include "update/trial.h"
#include "work/await.h"

enum { TIMEOUT_S_DEFAULT = 180, TIMEOUT_S_MAX = 3600, CHECKS_S_MIN = 60 };

struct verdict {
    struct facts facts;
    struct slot_devices slots;
    struct trial trial, former; /* as decided, and as read */
    struct confirm confirm;
    uint64_t deadline_ns;
    uint64_t timeout_s;
};

static void say(const char *key, const char *value)
{
    char text[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(text, sizeof(text));

    line_add(&l, "broch verdict");
    line_add_pair(&l, key, value);
    kernel_log(KERNEL_LOG_WARNING, text);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool all_ready(const struct snapshot *snapshot, void *context)
{
    (void)context;
    return !snapshot_unready(snapshot, NULL);
}

static int wait_for_services(const struct verdict *v, struct failure *f)
{
    static struct snapshot snapshot;
    const struct await await = { .path = SNAPSHOT_PATH,
                                 .holds = all_ready,
                                 .timeout_ns = v->timeout_s * NS_PER_S };
    int r = await_snapshot(&await, &snapshot, f);

    if (r == -ETIMEDOUT)
        return failure_set(f, CODE_UPDATE_CHECK, r, "service '%s' is not ready after %llu s",
                           snapshot_unready(&snapshot, NULL), (unsigned long long)v->timeout_s);
    return r;
}

/* Slow services must not cost the checks the time that they need. */
static uint64_t deadline_of_checks(const struct verdict *v)
{
    uint64_t least = now_ns() + CHECKS_S_MIN * NS_PER_S;

    return v->deadline_ns > least ? v->deadline_ns : least;
}

static int judge(const struct verdict *v, struct failure *f)
{
    int r;

    /* A machine whose disk does not open for this generation must not keep it. */
    if (!v->facts.persist_open)
        return failure_set(f, CODE_UPDATE_CHECK, -ENODATA, "the encrypted disk is not open");
    r = wait_for_services(v, f);
    return r < 0 ? r : checks_run(deadline_of_checks(v), f);
}

/* What the other slot and stage 1 will read. */
static void keep_reason(const struct verdict *v, const char *reason)
{
    if (efivars_write(v->confirm.efivars_fd, EFIVARS_REASON, reason, strlen(reason)) < 0)
        say("reason-not-kept", reason);
}

/* With its end a trial no longer needs the snapshots of before it: another one takes its own. */
static int write_trial(const struct verdict *v, struct failure *f)
{
    if (!v->trial.pending && unlink("/var/lib/broch/" PERSIST_SNAPSHOTS_FOR) < 0 && errno != ENOENT)
        say("snapshots-not-released", strerror(errno));
    return trial_write(TRIAL_PATH, &v->trial, f);
}

static int restart(struct failure *f)
{
    sync();
    if (kill(1, end_action_signal(END_REBOOT)) < 0)
        return failure_set(f, CODE_HALT, -errno, "cannot tell PID 1");
    return 0;
}

/* --- What was done to the machine --- */

/* Why the start before this one ended, if that was a start of the other slot: this slot counts its
 * own, and this is the first. */
static void find_crash(const struct verdict *v, char ret[static TRIAL_REASON_SIZE])
{
    struct line l = line_make(ret, TRIAL_REASON_SIZE);
    char words[PSTORE_PANIC_SIZE];

    if (v->facts.attempts != 1)
        return;
    if (attribute_read_line(AT_FDCWD, PSTORE_PANIC_PATH, words, sizeof(words)) > 0)
        line_addf(&l, "%s %s", code_entry(CODE_UPDATE_PANIC)->id, words);
    else if (watchdog_has_bitten(WATCHDOG_CLASS))
        line_addf(&l, "%s the watchdog restarted the machine", code_entry(CODE_UPDATE_BITE)->id);
}

/* Takes the lock and reads the state. One that cannot be read is what was known before: better no
 * memory than a machine that cannot be confirmed. */
static int take_state(struct verdict *v, int *ret_lock_fd, struct failure *f)
{
    struct failure unread = FAILURE_NONE;
    int r = lockfile_take(TRIAL_LOCK, true, ret_lock_fd, f);

    if (r == 0 && trial_read(TRIAL_PATH, &v->trial, &unread) < 0)
        say("state-ignored", unread.text);
    return r;
}

static int decide(struct verdict *v, enum trial_act *ret_act, int *ret_lock_fd, struct failure *f)
{
    char crash[TRIAL_REASON_SIZE] = "", id[TRIAL_BOOT_SIZE];
    const struct trial_boot boot = { .slot = v->facts.slot[0],
                                     .generation = v->facts.generation,
                                     .confirmed = confirm_is_first(&v->confirm),
                                     .remembers = v->facts.persist_open,
                                     .reason = v->facts.last_failure,
                                     .id = id,
                                     .crash = crash };
    int r = take_state(v, ret_lock_fd, f);

    if (r < 0)
        return r;
    find_crash(v, crash);
    trial_boot_id(id);
    v->former = v->trial;
    *ret_act = trial_decide(&v->trial, &boot);
    return 0;
}

static int confirm(const struct verdict *v, struct failure *f)
{
    struct failure ticket = FAILURE_NONE;
    int r = confirm_slot(&v->confirm, &ticket, f);

    if (ticket.cause < 0)
        say("ticket-not-made", ticket.text);
    return r;
}

static int keep_good(struct verdict *v, struct failure *f)
{
    int r = confirm(v, f);

    if (r < 0)
        return r;
    trial_end(&v->trial, NULL);
    r = write_trial(v, f);
    if (r == 0)
        say("good", v->facts.generation);
    return r;
}

static int leave_bad(struct verdict *v, const struct failure *bad, struct failure *f)
{
    char reason[EFIVARS_REASON_MAX + 1];
    struct line l = line_make(reason, sizeof(reason));

    line_addf(&l, "slot=%s %s %s", v->facts.slot, code_entry(bad->code)->id, bad->text);
    keep_reason(v, reason);
    trial_end(&v->trial, reason);
    if (write_trial(v, f) < 0)
        say("state-not-kept", f->text); /* the variable tells the other slot */
    say("bad", reason);
    return restart(f);
}

/* Judging takes minutes, in which somebody may have decided by hand: then it stays so. */
static int run_trial(struct verdict *v, struct failure *f)
{
    _cleanup_close_ int lock = -1;
    struct failure bad = FAILURE_NONE;
    enum trial_act act;
    int judged, r;

    say("trial", v->trial.generation);
    judged = judge(v, &bad);
    r = decide(v, &act, &lock, f);
    if (r < 0)
        return r;
    if (act != TRIAL_ACT_JUDGE) {
        say("decided-by-hand", v->facts.generation);
        return 0;
    }
    return judged < 0 ? leave_bad(v, &bad, f) : keep_good(v, f);
}

/* A firmware that lost its variables would take the slot on trial for the one that it starts by
 * itself. */
static int retry(struct verdict *v, struct failure *f)
{
    int r = write_trial(v, f);

    say("interrupted", v->trial.generation);
    if (r == 0)
        r = confirm_own_entry(&v->confirm, f);
    if (r == 0)
        r = confirm_start_other(&v->confirm, f);
    return r < 0 ? r : restart(f);
}

static int take_over(struct verdict *v, struct failure *f)
{
    int r = confirm(v, f);

    if (r == 0)
        r = write_trial(v, f);
    if (r == 0)
        say("fell-back", v->trial.last_reason);
    return r;
}

/* The count of attempts ends with the services being ready, whatever becomes of missing entries: a
 * firmware that takes no more of them must not cost a machine that is well. A trial that was
 * ordered meanwhile has the entries as they are. */
static int keep_order(struct verdict *v, struct failure *f)
{
    int r = confirm_attempts(&v->confirm, false, f);

    if (r == 0 && !v->trial.pending && confirm_is_first(&v->confirm) &&
        !confirm_is_settled(&v->confirm))
        r = confirm(v, f);
    return r;
}

/* How a trial ended is kept at once; what says that this slot is well has to wait. */
static int act_at_once(struct verdict *v, enum trial_act *ret_act, struct failure *f)
{
    _cleanup_close_ int lock = -1;
    int r = decide(v, ret_act, &lock, f);

    if (r < 0 || *ret_act == TRIAL_ACT_JUDGE || *ret_act == TRIAL_ACT_CONFIRM)
        return r;
    if (*ret_act == TRIAL_ACT_RETRY)
        return retry(v, f);
    if (memcmp(&v->former, &v->trial, sizeof(v->former)) == 0)
        return 0;
    say(trial_result_name(v->trial.last), v->trial.last_reason);
    return write_trial(v, f);
}

static int act(struct verdict *v, struct failure *f)
{
    _cleanup_close_ int lock = -1;
    enum trial_act act;
    int r = act_at_once(v, &act, f);

    if (r < 0 || act == TRIAL_ACT_RETRY)
        return r;
    if (act == TRIAL_ACT_JUDGE)
        return run_trial(v, f);
    r = wait_for_services(v, f);
    if (r == 0)
        r = act == TRIAL_ACT_CONFIRM ? decide(v, &act, &lock, f) : take_state(v, &lock, f);
    if (r < 0)
        return r;
    return act == TRIAL_ACT_CONFIRM ? take_over(v, f) : keep_order(v, f);
}

/* Only the confirmed slot asks: what is still on trial, or ended it badly, may be gone again. What
 * cannot be asked for now is asked for at the next start. */
static void ask_for_epoch(const struct verdict *v)
{
    struct failure f = FAILURE_NONE;
    int r;

    if (!confirm_is_first(&v->confirm))
        return;
    r = epoch_ask(&v->facts, &f);
    if (r != 0)
        say(r < 0 ? "epoch-not-asked-for" : "epoch-asked-for",
            r < 0 ? f.text : v->facts.generation);
}

/* Mounts of slots are nobody else's business, and end with this process. */
static int part_mounts(struct failure *f)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return failure_set(f, CODE_UPDATE_CONFIRM, -errno, "no mounts of its own");
    return 0;
}

/* Starts are counted all the same: from a medium without partitions, or with one slot. */
static int without_slot(const struct verdict *v, struct failure *f)
{
    int r = wait_for_services(v, f);

    return r < 0 ? r : attempts_clear(EFIVARS_FOLDER, f);
}

/* What kept a verdict from being made is one: nobody else would lead a slot on trial back. One that
 * the firmware starts by itself by now, or that is no trial, has nowhere to go. */
static int give_up(struct verdict *v, const struct failure *bad, struct failure *f)
{
    _cleanup_close_ int lock = -1;
    struct failure undecided = FAILURE_NONE;
    enum trial_act act;

    if (confirm_is_first(&v->confirm) ||
        (decide(v, &act, &lock, &undecided) == 0 && act != TRIAL_ACT_JUDGE)) {
        *f = *bad;
        return f->cause;
    }
    return leave_bad(v, bad, f);
}

static int act_or_give_up(struct verdict *v, struct failure *f)
{
    int r = act(v, f);

    if (r == 0) {
        ask_for_epoch(v);
    } else {
        struct failure bad = *f;

        r = give_up(v, &bad, f);
    }
    return r;
}

/* In a process of its own: one that crashes, or is killed for its memory, is a verdict, too. The
 * child goes its own way to the end of main(). */
static int act_apart(struct verdict *v, struct failure *f)
{
    struct failure bad = FAILURE_NONE;
    const pid_t guard = getpid();
    pid_t pid = fork();
    int status;

    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != guard))
        return failure_set(f, CODE_INTERNAL, -ESRCH, "the verdict's guard is gone");
    if (pid <= 0) /* without a guard as well */
        return act_or_give_up(v, f);
    status = spawn_wait(pid);
    if (status == 0)
        return 0;
    if (status < 128) /* it has told why */
        return failure_set(f, CODE_UPDATE_CHECK, -EPROTO, "no verdict was made");
    (void)failure_set(&bad, CODE_UPDATE_CHECK, -EPROTO, "the verdict was ended by signal %d",
                      status - 128);
    return give_up(v, &bad, f);
}

static int judge_start(uint64_t timeout_s, struct failure *f)
{
    static struct verdict v;
    _cleanup_close_ int efivars_fd = open(EFIVARS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = facts_read(FACTS_PATH, &v.facts, f);

    if (r < 0)
        return r;
    v.timeout_s = timeout_s;
    if (efivars_fd < 0 || v.facts.partuuid[0] == '\0')
        return without_slot(&v, f);
    v.deadline_ns = now_ns() + timeout_s * NS_PER_S;
    v.confirm = (struct confirm){ .slots = &v.slots,
                                  .efivars_fd = efivars_fd,
                                  .mount_at = "/run/broch/slot",
                                  .tpm = strcmp(v.facts.tpm, "on") == 0 };
    r = part_mounts(f);
    if (r == 0)
        r = slot_devices_find(v.facts.partuuid, &v.slots, f);
    if (r == -ENODEV && f->code == CODE_UPDATE_NO_SLOT) {
        say("alone", f->text); /* a disk with one slot has nothing to fall back to */
        return without_slot(&v, f);
    }
    return r < 0 ? r : act_apart(&v, f);
}

static uint64_t arg_timeout_s = TIMEOUT_S_DEFAULT;

static int run(const struct operands *operands, struct failure *f)
{
    (void)operands; /* there are none */
    return judge_start(arg_timeout_s, f);
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        { "timeout", OPTION_NUMBER, &arg_timeout_s, "SECONDS", "how long the services may take", 1,
          TIMEOUT_S_MAX },
    };
    const struct options options = {
        .program = "broch-verdict",
        .synopsis = "[options]",
        .purpose = "Judges the generation that runs, and confirms or leaves its slot.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
