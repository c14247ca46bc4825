/* `broch update`: looks for a release, installs it into the other slot, says how things stand. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/options.h"
#include "base/output.h"
#include "base/text.h"
#include "disk/persist.h"
#include "node/config.h"
#include "node/end.h"
#include "programs/broch-update/machine.h"
#include "sys/attribute.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "update/apply.h"
#include "update/confirm.h"
#include "update/slot_entry.h"

#define NO_FD     UINT64_MAX /* --progress-fd was not given */
#define LOCK_PATH "/run/broch/update.lock"
#define MOUNT_AT  "/run/broch/slot"
#define KEPT_PATH "/var/lib/broch/" PERSIST_SNAPSHOTS_OF

static const char *arg_from;
static bool arg_json, arg_no_reboot, arg_force;
static uint64_t arg_progress_fd = NO_FD;

static int print(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

static void add_json(struct text *t, const char *key, const char *value)
{
    char buffer[FAILURE_TEXT_MAX * 6 + 3];
    struct line line = line_make(buffer, sizeof(buffer));

    line_add_json_string(&line, value);
    text_addf(t, "%s\"%s\":%s", t->length > 1 ? "," : "", key, buffer);
}

/* --- Where releases come from --- */

static int find_source(char **ret, struct failure *f)
{
    struct config config;
    int r;

    if (arg_from) {
        *ret = strdup(arg_from);
        return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    r = config_load(NULL, NULL, &config, f);
    if (r < 0)
        return r;
    *ret = config.update.source;
    config.update.source = NULL;
    config_done(&config);
    return *ret ? 0
                : failure_set(f, CODE_UPDATE_SOURCE, -ENOENT,
                              "no source is configured, and --from is not given");
}

static int take_lock(int *ret, struct failure *f)
{
    int r = lockfile_take(LOCK_PATH, false, ret, f);

    if (r == -EWOULDBLOCK)
        return failure_set(f, CODE_UPDATE_BUSY, r, "another update holds '%s'", LOCK_PATH);
    return r;
}

static int want_root(struct failure *f)
{
    return geteuid() == 0 ? 0 : failure_set(f, CODE_PRIVILEGE, -EPERM, "updates are root's");
}

/* --- check and apply --- */

static void add_offer(const struct apply *apply, const struct machine *machine, int judged,
                      const struct failure *judgement, struct text *t)
{
    const char *code = judged < 0 ? code_entry(judgement->code)->id : NULL;

    if (!arg_json) {
        text_addf(t, "runs:     %s\noffered:  %s\n", machine->generation, apply->manifest.name);
        return;
    }
    text_add(t, "{");
    add_json(t, "running", machine->generation);
    add_json(t, "offered", apply->manifest.name);
    text_addf(t, ",\"epoch\":%llu,\"acceptable\":%s", (unsigned long long)apply->manifest.epoch,
              judged < 0 ? "false" : "true");
    if (code) {
        add_json(t, "code", code);
        add_json(t, "reason", judgement->text);
    }
    text_add(t, "}\n");
}

/* What failed here, in the words that are kept of it. */
static size_t list_refusals(const struct trial *trial,
                            struct release_refusal ret[static TRIAL_REFUSED_MAX])
{
    for (size_t i = 0; i < trial->refused_count; i++) {
        bool is_last =
            strcmp(trial->refused[i], trial->last_generation) == 0 && trial->last_reason[0] != '\0';

        ret[i] = (struct release_refusal){ trial->refused[i],
                                           is_last ? trial->last_reason : "its trial went badly" };
    }
    return trial->refused_count;
}

static struct apply make_apply(const struct machine *machine, const struct trial *trial,
                               struct progress *progress)
{
    static struct release_refusal refusals[TRIAL_REFUSED_MAX];
    struct release_machine release = machine_for_release(machine, arg_force);

    release.refusals = refusals;
    release.refusal_count = list_refusals(trial, refusals);
    return (struct apply){ .machine = release,
                           .trial_path = TRIAL_PATH,
                           .trial_lock = TRIAL_LOCK,
                           .running_uuid = machine->facts.partuuid,
                           .efivars = EFIVARS_FOLDER,
                           .mount_at = MOUNT_AT,
                           .stage_root = STAGE_ROOT,
                           .progress = progress,
                           .source = SOURCE_INIT,
                           .stage = STAGE_INIT };
}

static int run_check(struct apply *apply, const struct machine *machine, const char *from,
                     struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure printing = FAILURE_NONE;
    int r = apply_find(apply, from, f);

    if (!apply->believed)
        return r;
    add_offer(apply, machine, r, f, &t);
    if (print(&t, &printing) < 0) {
        *f = printing;
        return f->cause;
    }
    return r;
}

static int reboot_now(struct failure *f)
{
    /* On any other machine the signal would mean something else to PID 1. */
    if (!file_exists(FACTS_PATH) || kill(1, end_action_signal(END_REBOOT)) < 0)
        return failure_set(f, CODE_HALT, -errno, "cannot tell PID 1 to restart");
    return EXIT_CODE_DONE;
}

static int run_apply(struct apply *apply, const struct machine *machine, const char *from,
                     struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = apply_find(apply, from, f);

    if (r == 0)
        r = apply_install(apply, f);
    if (r < 0)
        return r;
    if (arg_json) {
        text_add(&t, "{");
        add_json(&t, "running", machine->generation);
        add_json(&t, "installed", apply->manifest.name);
        text_addf(&t, ",\"slot\":\"%c\"}\n", apply->slots.other.letter);
    } else {
        text_addf(&t, "%s is in slot %c; the next start tries it\n", apply->manifest.name,
                  apply->slots.other.letter);
    }
    r = print(&t, f);
    if (r < 0)
        return r;
    return arg_no_reboot ? EXIT_CODE_REBOOT_NEEDED : reboot_now(f);
}

static int with_source(int (*run)(struct apply *, const struct machine *, const char *,
                                  struct failure *),
                       struct failure *f)
{
    struct machine machine = { .keys = NULL };
    _cleanup_free_ char *from = NULL;
    static struct apply apply; /* too large for comfort on the stack, as the next one */
    static struct trial trial;
    struct progress progress;
    int r = machine_read(&machine, f);

    progress_start(&progress, arg_progress_fd == NO_FD ? -1 : (int)arg_progress_fd, arg_json);
    if (r == 0)
        r = find_source(&from, f);
    if (r == 0)
        r = trial_read(TRIAL_PATH, &trial, f);
    if (r == 0) {
        apply = make_apply(&machine, &trial, &progress);
        r = run(&apply, &machine, from, f);
        apply_done(&apply);
    }
    machine_done(&machine);
    return r;
}

static int verb_check(struct failure *f)
{
    return with_source(run_check, f);
}

/* One at a time, from before it reads what failed here until the end. */
static int verb_apply(struct failure *f)
{
    _cleanup_close_ int lock = -1;
    int r = want_root(f);

    if (r == 0)
        r = take_lock(&lock, f);
    return r < 0 ? r : with_source(run_apply, f);
}

/* --- status --- */

static void add_slots(const struct slot_devices *slots, bool trial, struct text *t)
{
    if (arg_json) {
        text_addf(t, ",\"slot\":\"%c\",\"device\":\"%s\",\"trial\":%s,\"other\":\"%s\"",
                  slots->running.letter, slots->running.path, trial ? "true" : "false",
                  slots->other.path);
        return;
    }
    text_addf(t, "slot:     %c (%s), %s\nother:    %c (%s)\n", slots->running.letter,
              slots->running.path, trial ? "on trial" : "not on trial", slots->other.letter,
              slots->other.path);
}

/* A machine without slots has a status as well. */
static void try_slots(const struct machine *machine, struct text *t)
{
    _cleanup_close_ int efivars = open(EFIVARS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct slot_devices slots;
    struct failure why = FAILURE_NONE;
    bool trial = false;
    int r;

    /* Where a slot is stands on the disk itself; without it, "there is no such partition" would be
     * said of a machine that is well. */
    if (geteuid() != 0)
        r = failure_set(&why, CODE_PRIVILEGE, -EPERM, "%s, and the rest is root's to see",
                        machine->facts.slot);
    else
        r = slot_devices_find(machine->facts.partuuid, &slots, &why);
    if (r == 0)
        r = slot_entry_is_trial(efivars, &slots, &trial, &why);
    if (r == 0)
        add_slots(&slots, trial, t);
    else if (arg_json)
        add_json(t, "slots_unknown", why.text);
    else
        text_addf(t, "slot:     %s\n", why.text);
}

static void add_trial(const struct trial *trial, struct text *t)
{
    if (arg_json) {
        if (trial->pending)
            add_json(t, "pending", trial->generation);
        add_json(t, "last", trial_result_name(trial->last));
        add_json(t, "last_generation", trial->last_generation);
        add_json(t, "last_reason", trial->last_reason);
        return;
    }
    if (trial->pending)
        text_addf(t, "pending:  %s in slot %c\n", trial->generation, trial->slot);
    if (trial->last != TRIAL_NONE)
        text_addf(t, "last:     %s %s%s%s\n", trial->last_generation,
                  trial_result_name(trial->last), trial->last_reason[0] ? ": " : "",
                  trial->last_reason);
    for (size_t i = 0; i < trial->refused_count; i++)
        text_addf(t, "refused:  %s\n", trial->refused[i]);
}

/* The snapshots of before the last update: whose state they are, and since when. */
static void add_kept(struct text *t)
{
    char name[TRIAL_NAME_SIZE + 1], when[32];
    struct stat status;
    struct tm tm;

    if (attribute_read_line(AT_FDCWD, KEPT_PATH, name, sizeof(name)) <= 0 ||
        stat(KEPT_PATH, &status) < 0 || !gmtime_r(&status.st_mtime, &tm) ||
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return;
    if (arg_json) {
        add_json(t, "kept_of", name);
        add_json(t, "kept_since", when);
    } else {
        text_addf(t, "kept:     the state as %s left it, %s\n", name, when);
    }
}

static int verb_status(struct failure *f)
{
    static struct trial trial; /* too large for comfort on the stack */
    _cleanup_text_ struct text t = TEXT_INIT;
    struct machine machine = { .keys = NULL };
    int r = machine_read(&machine, f);

    if (r < 0)
        return r;
    if (arg_json) {
        text_add(&t, "{");
        add_json(&t, "running", machine.generation);
        text_addf(&t, ",\"epoch\":%llu", (unsigned long long)machine.epoch);
    } else {
        text_addf(&t, "runs:     %s, epoch %llu\n", machine.generation,
                  (unsigned long long)machine.epoch);
    }
    try_slots(&machine, &t);
    r = trial_read(TRIAL_PATH, &trial, f);
    if (r == 0)
        add_trial(&trial, &t);
    add_kept(&t);
    if (arg_json)
        text_add(&t, "}\n");
    machine_done(&machine);
    return r < 0 ? r : print(&t, f);
}

/* --- By hand --- */

struct hand {
    struct machine machine;
    struct trial trial;
    struct slot_devices slots;
    struct confirm confirm;
    int lock, efivars;
};

/* Not with the lock of an update: whoever it fetches from could hold a person's decision up. What
 * it decided before it writes a slot, it asks again then. */

static int open_hand(struct hand *hand, struct failure *f)
{
    int r = want_root(f);

    hand->lock = hand->efivars = -1;
    if (r == 0)
        r = machine_read(&hand->machine, f);
    if (r == 0)
        r = slot_devices_find(hand->machine.facts.partuuid, &hand->slots, f);
    if (r == 0)
        r = trial_take(TRIAL_PATH, TRIAL_LOCK, &hand->trial, &hand->lock, f);
    if (r == 0) {
        hand->efivars = open(EFIVARS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        hand->confirm = (struct confirm){ .slots = &hand->slots,
                                          .efivars_fd = hand->efivars,
                                          .mount_at = MOUNT_AT,
                                          .tpm = strcmp(hand->machine.facts.tpm, "on") == 0 };
        if (hand->efivars < 0)
            r = failure_set(f, CODE_UPDATE_NO_SLOT, -errno, "the firmware has no variables");
    }
    return r;
}

static void close_hand(struct hand *hand)
{
    if (hand->efivars >= 0)
        (void)close(hand->efivars);
    if (hand->lock >= 0)
        (void)close(hand->lock);
    machine_done(&hand->machine);
}

static int mark_good(struct hand *hand, struct failure *f)
{
    struct failure ticket = FAILURE_NONE; /* of which the next start says what it costs */
    int r = confirm_slot(&hand->confirm, &ticket, f);

    if (r < 0)
        return r;
    if (hand->trial.pending && hand->trial.slot == hand->slots.running.letter)
        trial_end(&hand->trial, NULL);
    trial_forgive(&hand->trial, hand->machine.generation);
    return trial_write(TRIAL_PATH, &hand->trial, f);
}

/* What the other slot holds has to prove itself as well; good, it is the one that firmware starts.
 */
static int go_back(struct hand *hand, struct failure *f)
{
    char id[TRIAL_BOOT_SIZE];
    bool exists = false;
    int r = slot_entry_exists(hand->efivars, &hand->slots.other, &exists, f);

    if (r == 0 && !exists)
        r = failure_set(f, CODE_UPDATE_NO_SLOT, -ENOENT, "slot %c holds nothing to go back to",
                        hand->slots.other.letter);
    if (r < 0)
        return r;
    trial_boot_id(id);
    trial_begin(&hand->trial, hand->slots.other.letter, "", id);
    r = confirm_attempts(&hand->confirm, true, f); /* no reason from before is about this trial */
    if (r == 0)
        r = trial_write(TRIAL_PATH, &hand->trial, f);
    if (r == 0)
        r = confirm_start_other(&hand->confirm, f);
    if (r < 0)
        return r;
    return arg_no_reboot ? EXIT_CODE_REBOOT_NEEDED : reboot_now(f);
}

static int mark_bad(struct hand *hand, struct failure *f)
{
    trial_refuse(&hand->trial, hand->machine.generation);
    return go_back(hand, f);
}

static int by_hand(int (*run)(struct hand *, struct failure *), struct failure *f)
{
    static struct hand hand; /* too large for comfort on the stack */
    int r = open_hand(&hand, f);

    if (r == 0)
        r = run(&hand, f);
    close_hand(&hand);
    return r;
}

static int verb_rollback(struct failure *f)
{
    return by_hand(go_back, f);
}

static int verb_mark_good(struct failure *f)
{
    return by_hand(mark_good, f);
}

static int verb_mark_bad(struct failure *f)
{
    return by_hand(mark_bad, f);
}

static const struct {
    const char *name;
    int (*run)(struct failure *f);
} verbs[] = {
    { "check", verb_check },       { "apply", verb_apply },         { "status", verb_status },
    { "rollback", verb_rollback }, { "mark-good", verb_mark_good }, { "mark-bad", verb_mark_bad },
};

static int run_verb(const char *name, struct failure *f)
{
    const char *names[ARRAY_SIZE(verbs)], *nearest;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].run(f);
    }
    nearest = nearest_name(name, names, ARRAY_SIZE(names));
    return failure_set(f, CODE_USAGE, -EINVAL, "broch update does not know '%s'%s%s%s", name,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static int run(int argc, char **argv, struct failure *f)
{
    const struct option_spec specs[] = {
        { "from", OPTION_TEXT, &arg_from, "SOURCE", "folder, URL or .broch file" },
        { "json", OPTION_FLAG, &arg_json, NULL, "one JSON object" },
        { "progress-fd", OPTION_NUMBER, &arg_progress_fd, "FD", "JSON lines of progress" },
        { "no-reboot", OPTION_FLAG, &arg_no_reboot, NULL, "leave the restart to you" },
        { "force", OPTION_FLAG, &arg_force, NULL, "also what is not newer, or failed before" },
    };
    const struct options options = {
        "broch update",
        "check | apply | status | rollback | mark-good | mark-bad [options]",
        "Looks for a release, installs it into the other slot, says how\n"
        "things stand. A release is tried at the next start.",
        "broch update apply --from https://releases.example/broch",
        specs,
        ARRAY_SIZE(specs),
        1,
        1
    };
    struct operands operands;
    int r = options_parse(&options, argc, argv, &operands, f);

    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : EXIT_CODE_DONE;
    return run_verb(operands.list[0], f);
}

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;
    int r;

    (void)sigaction(SIGPIPE, &(const struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    /* "broch-update update apply": the verb comes behind the name. */
    r = argc > 1 && strcmp(argv[1], "update") == 0
            ? run(argc - 1, argv + 1, &f)
            : failure_set(&f, CODE_USAGE, -EINVAL, "start this program as 'broch update'");
    return r < 0 ? (int)failure_print(&f, "broch", stderr) : r;
}
