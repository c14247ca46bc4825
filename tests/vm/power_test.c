/* The power fails: during a machine's first start, an update, its verdict, or a rollback. Whatever
 * was written until then, the next start is one of the old generation or of the new one, asks
 * nobody, and has the state.
 *
 * One machine lives through all of it once and is recorded (recorded.h). A prefix of the record is
 * what a power cut leaves; writes behind the disk's last flush may be missing, and the last one may
 * be torn. Every prefix of an update is looked at (startable.h); a sample of them is booted, and
 * with BROCH_SOAK=1 as many as BROCH_SOAK_CUTS says. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "boot/attempts.h"
#include "offered.h"
#include "recorded.h"
#include "startable.h"
#include "sys/boot_entry.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "two_slots.h"
#include "vm/block_server.h"
#include "vm/variable_store.h"
#include "walk.h"

#define CANARY "/var/lib/broch/mark"
#define CHECKS "/var/lib/broch/checks"
#define GO     "/run/go"

enum {
    SAMPLE = 1,     /* prefixes of a first start in `make test` */
    SOAK_CUTS = 40, /* booted of each phase, unless BROCH_SOAK_CUTS says otherwise */
    SOAK_CUTS_MAX = 100000,
    LOOK_MS = 250, /* between two looks at the variables of a running machine */
};

/* Parts of the record; a mark is where one begins, and one is at the end. */
enum phase {
    PHASE_FIRST_START,
    PHASE_IDLE,     /* the machine is ready, and gets ready for the update */
    PHASE_APPLY,    /* `broch update apply`, to `broch ready` of the trial */
    PHASE_VERDICT,  /* to the verdict, which confirms slot B */
    PHASE_ROLLBACK, /* `broch update rollback`, to the verdict that confirms slot A */
    PHASE_MAX_
};

static const char *const phase_names[] = { [PHASE_FIRST_START] = "first start",
                                           [PHASE_IDLE] = "idle",
                                           [PHASE_APPLY] = "apply",
                                           [PHASE_VERDICT] = "verdict",
                                           [PHASE_ROLLBACK] = "rollback" };
static const char *const starts_by[] = { [STARTABLE_BY_NEXT] = "BootNext",
                                         [STARTABLE_BY_ORDER] = "BootOrder",
                                         [STARTABLE_BY_DEFAULT] = "BOOTX64.EFI" };

static struct recorded record = RECORDED_NONE;
static struct startable_generation generations[STARTABLE_GENERATIONS];

/* --- Recording --- */

static const uint8_t *map_file(const char *folder, const char *name, size_t *ret_size)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat status;
    const uint8_t *bytes;

    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    *ret_size = (size_t)status.st_size;
    bytes = mmap(NULL, *ret_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    return bytes;
}

static void map_generation(const char *folder, struct startable_generation *ret)
{
    ret->uki = map_file(folder, "linux.efi", &ret->uki_size);
    ret->system = map_file(folder, "system.erofs", &ret->system_size);
}

static void expect_slot(struct place *place, char slot)
{
    const char *ready = expect_ready(place);
    const char *found = strstr(ready, "slot=");

    if (!found || found[strlen("slot=")] != slot)
        fail_msg("expected slot %c, got: %s", slot, ready);
}

static void expect_restart(struct place *place)
{
    static const char *const text = "reboot: Restarting system";
    struct vm_match match;

    if (vm_wait_marker(place->vm, &text, 1, PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("no restart: %s", place->f.text);
}

/* Both slots have an entry, and the verdict has ended. The machine gets a check of its own, which
 * waits for the test. */
static void live_first_start(struct place *place)
{
    recorded_mark(&record);
    start(place);
    expect_slot(place, 'A');
    recorded_mark(&record);
    login(place);
    offered_await_network(place);
    await_as(place, true,
             "cat /sys/firmware/efi/efivars/Boot0* | tr -d '\\000' | grep -ac 'Broch B'", "1",
             true);
    await_as(place, true, "cat /proc/[0-9]*/comm | grep -c broch-verdict", "0", true);
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    /* Without root it does not say that there is no slot. */
    expect(place, false, "broch update status", "slot:     A, and the rest is root's to see");
    free(as_root(place, "echo kept >" CANARY "; mkdir -p " CHECKS "; "
                        "printf '#!/bin/sh\\nuntil [ -e " GO " ]; do sleep 1; done\\n' "
                        ">" CHECKS "/wait; chmod 755 " CHECKS "/wait; sync"));
}

static void live_update(struct place *place, const char *server)
{
    recorded_mark(&record);
    offered_apply(place, server, "");
    expect_restart(place);
    expect_slot(place, 'B');
    recorded_mark(&record);
    login(place);
    expect(place, true, "broch update status", "slot:     B (/dev/vda2), on trial");
    expect(place, true, "cat " CANARY, "kept");
    /* What runs on trial does not overwrite the way back. */
    offered_await_network(place);
    offered_apply(place, server, "--force");
    await_as(place, false, "cat " OFFERED_LOG, "status=14", true);
    expect(place, false, "cat " OFFERED_LOG, "BR-UPDATE-TRIAL");
    /* The check ends well, later than services usually have to be ready: the slot is the one that
     * firmware starts by itself. */
    free(as_root(place, "until [ $(cut -d. -f1 /proc/uptime) -ge 60 ]; do sleep 1; done; "
                        "touch " GO));
    await_as(place, true, "broch update status; broch logs verdict",
             "last:     v99.0.0-node-x86_64 good", true);
    expect(place, true, "broch update status", "slot:     B (/dev/vda2), not on trial");
}

/* By hand: what was there before proves itself as well, and then stays. */
static void live_rollback(struct place *place)
{
    _cleanup_free_ char *good = text_make("last:     %s good", fixture_manifest.name);

    recorded_mark(&record);
    free(as_root(place, "broch update rollback"));
    expect_restart(place);
    expect_slot(place, 'A');
    login(place);
    free(as_root(place, "touch " GO));
    await_as(place, true, "broch update status", good, true);
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    expect(place, true, "cat " CANARY, "kept");
    recorded_mark(&record);
}

/* The other slot holds a generation from the beginning: an update overwrites one that firmware has
 * an entry for. */
static void live(struct place *place, const char *folder)
{
    const char *server;

    two_slots_fill_b(place, artifact("linux.efi"));
    assert_int_equal(recorded_start(&record, place, folder), 0);
    offered_prepare();
    server = test_server_start(offered_answers);
    live_first_start(place);
    live_update(place, server);
    (void)test_server_stop();
    live_rollback(place);
    assert_int_equal(recorded_end(&record), 0);
}

static size_t phase_begin(enum phase phase)
{
    return recorded_count(&record, phase);
}

/* BROCH_RECORD names a folder where the record stays for the next run, or is from a former one. */
static int record_or_open(struct place *place)
{
    const char *folder = getenv("BROCH_RECORD");
    int r = folder ? recorded_open(&record, place, folder) : -ENOENT;

    map_generation(fixture_generation, &generations[0]);
    map_generation(offered_generation, &generations[1]);
    if (r != -ENOENT)
        return r;
    recorded_done(&record);
    live(place, folder ? folder : place->folder);
    return 0;
}

static int start_group(void **state)
{
    void *made = NULL;

    if (offered_start(state) < 0 || place_setup(&made) < 0)
        return -1;
    ((struct place *)made)->config.network = VM_NETWORK_USER;
    if (record_or_open(made) < 0)
        return -1;
    for (enum phase i = PHASE_FIRST_START; i < PHASE_MAX_; i++)
        print_message("%s: %zu entries\n", phase_names[i], phase_begin(i + 1) - phase_begin(i));
    return 0;
}

static int end_group(void **state)
{
    void *made = record.place;

    (void)state;
    recorded_done(&record);
    return place_teardown(&made);
}

/* --- A start after a power cut --- */

static void describe(struct cut cut, const char *what)
{
    static const char *const tears[] = {
        [TEAR_NONE] = "", [TEAR_HALF] = ", the last one torn", [TEAR_LOST] = ", unflushed ones lost"
    };

    print_message("after %zu of %zu entries%s: %s\n", cut.count, record.journal.count,
                  tears[cut.tear], what);
}

/* Either of them, and no third: made anew with another key shown (true), or opened by the TPM. */
static bool boot_first(struct cut cut)
{
    static const char *const texts[] = { "step=persist status=ok", "status=fail", "recovery=wanted",
                                         "broch ready ", "Access Denied" };
    struct vm_match match = { .index = ARRAY_SIZE(texts) };
    struct place *place = recorded_place(&record, cut);
    void *made = place;
    bool anew;

    start(place);
    if (vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("after %zu entries: %s: %s", cut.count, code_entry(place->f.code)->id,
                 place->f.text);
    if (match.index != 0)
        fail_msg("after %zu entries: %s", cut.count, match.line);
    assert_null(strstr(vm_console(place->vm), "unseal-refused"));
    anew = strstr(vm_console(place->vm), "made anew") != NULL;
    describe(cut, anew ? "made anew" : "opened");
    assert_int_equal(place_teardown(&made), 0);
    return anew;
}

/* What startable.h says of this very disk and flash. */
static struct startable predict(struct place *place)
{
    struct startable_disk disk;
    struct startable start;
    size_t disk_size, flash_size;
    const uint8_t *bytes = map_file(place->folder, "disk.raw", &disk_size);
    const uint8_t *flash = map_file(place->machine, "variables.fd", &flash_size);

    startable_open(&disk, bytes, disk_size);
    start = startable_look(&disk, generations, flash, flash_size);
    assert_int_equal(munmap((void *)(uintptr_t)bytes, disk_size), 0);
    assert_int_equal(munmap((void *)(uintptr_t)flash, flash_size), 0);
    if (start.wrong)
        fail_msg("%s", start.wrong);
    return start;
}

/* The starts of this slot that firmware counts without a verdict. */
static unsigned starts_counted(struct place *place, size_t slot)
{
    size_t size;
    const uint8_t *flash = map_file(place->machine, "variables.fd", &size);
    uint8_t guid[BOOT_ENTRY_GUID_SIZE];
    struct attempts attempts = { .slots = { { .count = ATTEMPTS_MAX } } };
    struct variable_store store;
    struct variable variable;

    assert_int_equal(boot_entry_guid_parse(EFIVARS_GUID_BROCH, guid), 0);
    attempts.slots[1].count = ATTEMPTS_MAX;
    if (variable_store_open(flash, size, &store) == 0 &&
        variable_store_find(&store, EFIVARS_ATTEMPTS, guid, &variable))
        attempts_decode(variable.data, variable.size, &attempts);
    assert_int_equal(munmap((void *)(uintptr_t)flash, size), 0);
    return attempts.slots[slot].count;
}

static void watch_for(struct place *place, uint64_t ns)
{
    uint64_t until = event_now_ns() + ns;

    while (event_now_ns() < until)
        assert_true(vm_step(place->vm, until, &place->f) >= 0);
}

/* True when the verdict has said this behind *from, which is then behind it. */
static bool said(struct place *place, size_t *from, const char *what)
{
    const char *console = vm_console(place->vm), *found = strstr(console + *from, what);

    if (found)
        *from = (size_t)(found - console) + 1;
    return found != NULL;
}

/* A verdict that starts an interrupted trial again may be quicker than `broch ready`. */
static void expect_start(struct place *place, char slot)
{
    static const char *const texts[] = { "broch ready ",
                                         "broch verdict interrupted=", "status=fail" };
    _cleanup_free_ char *wanted = text_make(" slot=%c ", slot);
    struct vm_match match;

    assert_non_null(wanted);
    if (vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("no start: %s", place->f.text);
    if (match.index == 2 || (match.index == 0 && !strstr(match.line, wanted)))
        fail_msg("expected slot %c, got: %s", slot, match.line);
}

/* The ready line of the start after this one. */
static const char *expect_next_ready(struct place *place)
{
    static const char *const text = "broch stage1 step=pseudo";
    struct vm_match match;

    if (vm_wait_marker(place->vm, &text, 1, PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("no other start: %s", place->f.text);
    return expect_ready(place);
}

/* Waits for the verdict about the start that is going on, which clears the count. On a trial it
 * wants to be told by somebody inside. An interrupted one is started again: then there is a `broch
 * ready` more. Returns the slot that the machine rests on, with somebody logged in. */
static size_t settle(struct place *place, size_t slot)
{
    const uint64_t deadline = event_now_ns() + 2 * PATIENCE_NS;
    size_t from = 0;
    bool inside = false;

    for (;;) {
        bool counted = starts_counted(place, slot) > 0;

        if (event_now_ns() > deadline)
            fail_msg("slot %c never gets its verdict", "AB"[slot]);
        watch_for(place, counted ? LOOK_MS * NS_PER_MS : NS_PER_S);
        if (said(place, &from, "broch verdict interrupted=")) {
            slot = strstr(expect_next_ready(place), "slot=B") ? SLOT_B : 0;
        } else if (!inside && said(place, &from, "broch verdict trial=")) {
            login(place);
            free(as_root(place, "touch " GO));
            inside = true;
        } else if (!counted) {
            break;
        }
    }
    if (!inside)
        login(place);
    return slot;
}

static void apply_again(struct place *place)
{
    static const char *const steps[] = { "linux.efi  done", "system.erofs done", "write      done",
                                         "read back  done", "status=10" };
    const char *server;

    offered_prepare();
    server = test_server_start(offered_answers);
    offered_await_network(place);
    offered_apply(place, server, "--force --no-reboot");
    await_as(place, false, "cat " OFFERED_LOG, "status=", true);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        expect(place, false, "cat " OFFERED_LOG, steps[i]);
    (void)test_server_stop();
}

/* Starts what is predicted, comes to rest by itself, and has the state. Returns where it rests. */
static size_t boot_update(struct cut cut, bool apply)
{
    struct place *place = recorded_place(&record, cut);
    struct startable predicted = predict(place);
    _cleanup_free_ char *line = NULL;
    void *made = place;
    size_t rests;

    start(place);
    expect_start(place, "AB"[predicted.slot]);
    rests = settle(place, (size_t)predicted.slot);
    expect(place, true, "cat " CANARY, "kept");
    expect(place, true, "broch update status", "not on trial");
    expect_not(place, true, "broch update status", "BR-UPDATE-STATE");
    if (apply)
        apply_again(place);
    line = text_make("slot %c by %s, generation %d, rests on %c%s", "AB"[predicted.slot],
                     starts_by[predicted.by], predicted.generation, "AB"[rests],
                     apply ? ", took the next update" : "");
    describe(cut, line);
    assert_int_equal(place_teardown(&made), 0);
    return rests;
}

/* --- First start --- */

static bool ends_with_flush(size_t count)
{
    const struct block_journal_entry *entry = &record.journal.entries[count - 1];

    return count > 0 && entry->kind == BLOCK_JOURNAL_FLUSH && entry->export == BLOCK_SERVER_DISK;
}

/* Prefixes that end with a flush of the disk: how many there are in from..to, and the n-th. */
static size_t flush_prefix(size_t from, size_t to, size_t n, size_t *ret_total)
{
    size_t found = 0, prefix = from;

    for (size_t i = from + 1; i <= to; i++) {
        if (ends_with_flush(i) && found++ == n)
            prefix = i;
    }
    *ret_total = found;
    return prefix;
}

static size_t soak_cuts(void)
{
    const char *text = getenv("BROCH_SOAK_CUTS");
    uint64_t value = SOAK_CUTS;

    if (text && (number_parse_text(text, SOAK_CUTS_MAX, &value) < 0 || value == 0))
        fail_msg("BROCH_SOAK_CUTS is '%s'", text);
    return (size_t)value;
}

static size_t step_of(size_t total)
{
    size_t wanted = getenv("BROCH_SOAK") ? soak_cuts() : SAMPLE;

    return total > wanted ? total / wanted : 1;
}

/* Before anything was written, and after all of it: the two ends differ, or nothing between them
 * would mean anything. */
static void test_nothing_written(void **state)
{
    (void)state;
    assert_true(boot_first((struct cut){ 0, TEAR_NONE }));
}

static void test_all_written(void **state)
{
    (void)state;
    assert_false(boot_first((struct cut){ phase_begin(PHASE_IDLE), TEAR_NONE }));
}

static void test_first_start(void **state)
{
    const size_t end = phase_begin(PHASE_IDLE);
    size_t total;

    (void)state;
    (void)flush_prefix(0, end, 0, &total);
    assert_true(total > SAMPLE);
    for (size_t i = 0; i < total; i += step_of(total))
        (void)boot_first((struct cut){ flush_prefix(0, end, i, &total), TEAR_NONE });
}

/* A write that did not reach the disk as a whole. */
static void test_first_start_torn(void **state)
{
    const size_t end = phase_begin(PHASE_IDLE);
    size_t total, step;

    (void)state;
    (void)flush_prefix(0, end, 0, &total);
    step = getenv("BROCH_SOAK") ? 2 * step_of(total) : total;
    for (size_t i = step / 2; i < total; i += step) {
        size_t count = flush_prefix(0, end, i, &total);

        while (record.journal.entries[count - 1].length == 0)
            count--; /* to the last one that wrote something */
        (void)boot_first((struct cut){ count, TEAR_HALF });
        if (getenv("BROCH_SOAK"))
            (void)boot_first((struct cut){ count, TEAR_LOST });
    }
}

/* --- Update, verdict, rollback --- */

static void print_moment(const struct walk_moment *m)
{
    print_message("  after %zu: %s%s", m->count, starts_by[m->start.by],
                  m->start.next ? " (there is a BootNext)" : "");
    print_message(" starts %c;", m->start.slot < 0 ? '-' : "AB"[m->start.slot]);
    for (size_t i = 0; i < STARTABLE_SLOTS; i++)
        print_message(" %c:%s%s%s generation %d;", "AB"[i], m -> start.entry[i] ? " entry" : "",
                      m->slots[i].files[STARTABLE_UKI].there ? " linux.efi" : "",
                      m->slots[i].files[STARTABLE_DEFAULT].there ? " BOOTX64.EFI" : "",
                      m->slots[i].generation);
    print_message("\n");
}

/* The record, looked at once: by whichever test needs it first. */
static const struct walk *walked(void)
{
    static const int confirmed[] = {
        [PHASE_APPLY] = 0, [PHASE_VERDICT] = SLOT_B, [PHASE_ROLLBACK] = 0
    }; /* at the end of each */
    static struct walk walk;

    if (walk.record)
        return &walk;
    walk_start(&walk, &record, generations, phase_begin(PHASE_APPLY));
    for (enum phase i = PHASE_APPLY; i < PHASE_MAX_; i++) {
        walk_to(&walk, phase_begin(i + 1));
        assert_int_equal(walk.moments[walk.moment_count - 1].start.slot, confirmed[i]);
        print_message("%s: looked at %zu prefixes, %zu torn, %zu without what was not flushed, "
                      "%zu with some of it\n",
                      phase_names[i], walk.counts.whole, walk.counts.torn, walk.counts.lost,
                      walk.counts.some);
    }
    walk_end(&walk);
    for (size_t i = 0; i < walk.moment_count; i++)
        print_moment(&walk.moments[i]);
    return &walk;
}

static void test_every_prefix(void **state)
{
    (void)state;
    assert_int_equal(walked()->wrong_count, 0);
}

/* How many entries there are at the first moment behind `from` of which `is` is true. */
static size_t moment(size_t from, bool (*is)(const struct walk_moment *m))
{
    const struct walk *walk = walked();

    for (size_t i = 0; i < walk->moment_count; i++) {
        if (walk->moments[i].count > from && is(&walk->moments[i]))
            return walk->moments[i].count;
    }
    fail_msg("no such moment in the record");
    return 0;
}

static bool is_empty(const struct walk_moment *m)
{
    return !m->slots[SLOT_B].files[STARTABLE_UKI].there;
}

static bool is_filled(const struct walk_moment *m)
{
    return m->slots[SLOT_B].generation == 1;
}

static bool has_entry(const struct walk_moment *m)
{
    return m->slots[SLOT_B].generation == 1 && m->start.entry[SLOT_B];
}

static bool has_next(const struct walk_moment *m)
{
    return m->start.next;
}

static bool is_confirmed(const struct walk_moment *m)
{
    return m->start.slot == SLOT_B && m->start.by == STARTABLE_BY_ORDER;
}

static bool has_default(const struct walk_moment *m)
{
    return m->slots[SLOT_B].files[STARTABLE_DEFAULT].there;
}

static const char *wrong_at(struct walk *walk)
{
    return startable_look(&walk->prefix_disk, generations, walk->flash.bytes, walk->flash.size)
        .wrong;
}

/* Inverts a byte of the disk. */
static void spoil(struct walk *walk, uint64_t at)
{
    uint8_t byte = walk->prefix.bytes[at] ^ 0xff;

    assert_int_equal(pwrite(walk->prefix.fd, &byte, 1, (off_t)at), 1);
    startable_touch(&walk->prefix_disk, at, 1);
}

/* The twin of the one before: a byte that rots in any of the files that are relied on. */
static void test_damage_is_seen(void **state)
{
    struct walk walk;

    (void)state;
    walk_start(&walk, &record, generations, phase_begin(PHASE_APPLY));
    assert_null(wrong_at(&walk));
    for (size_t i = 0; i < STARTABLE_NAMES; i++) {
        const struct startable_file *file = &walk.prefix_disk.slots[0].files[i];
        uint64_t at = file->first + file->file.size / 2;

        assert_true(file->there);
        spoil(&walk, at);
        assert_non_null(wrong_at(&walk));
        spoil(&walk, at);
        assert_null(wrong_at(&walk));
    }
    walk_end(&walk);
}

/* Half of the new generation is in the slot. */
static void test_in_the_content(void **state)
{
    size_t empty = moment(0, is_empty), filled = moment(empty, is_filled);

    (void)state;
    assert_int_equal(boot_update((struct cut){ empty + (filled - empty) / 2, TEAR_HALF }, true), 0);
}

/* And a machine that tells the firmware before the slot is written. */
static void test_wrong_order_is_seen(void **state)
{
    size_t empty = moment(0, is_empty), next = moment(moment(empty, is_filled), has_next);
    struct walk walk;

    (void)state;
    walk_start(&walk, &record, generations, empty);
    assert_null(wrong_at(&walk));
    assert_int_equal(block_journal_apply(&record.journal, BLOCK_SERVER_VARIABLES, empty, next,
                                         walk.flash.fd, &record.place->f),
                     0);
    assert_non_null(wrong_at(&walk));
    walk_end(&walk);
}

/* Each of the last steps is done, and the next one is not. From where the trial is written down on,
 * the machine goes on with it by itself. */
static void test_between_the_steps(void **state)
{
    size_t filled = moment(0, is_filled), entry = moment(filled, has_entry),
           next = moment(entry, has_next),
           confirmed = moment(phase_begin(PHASE_VERDICT), is_confirmed),
           other = moment(confirmed, has_default);

    (void)state;
    assert_int_equal(boot_update((struct cut){ entry - 1, TEAR_NONE }, false), SLOT_B);
    assert_int_equal(boot_update((struct cut){ next, TEAR_LOST }, false), SLOT_B);
    assert_int_equal(boot_update((struct cut){ other - 1, TEAR_LOST }, false), SLOT_B);
    if (!getenv("BROCH_SOAK"))
        return;
    assert_int_equal(boot_update((struct cut){ filled, TEAR_NONE }, true), 0);
    assert_int_equal(boot_update((struct cut){ next - 1, TEAR_LOST }, false), SLOT_B);
    assert_int_equal(boot_update((struct cut){ confirmed, TEAR_NONE }, true), SLOT_B);
    assert_int_equal(boot_update((struct cut){ other, TEAR_NONE }, true), SLOT_B);
}

/* Flushes of one phase, evenly chosen; every fourth time the machine takes an update afterwards. */
static void soak_phase(enum phase phase)
{
    const size_t from = phase_begin(phase), to = phase_begin(phase + 1);
    size_t total, booted = 0;

    if (!getenv("BROCH_SOAK"))
        return; /* the sample is above */
    (void)flush_prefix(from, to, 0, &total);
    for (size_t i = 0; i < total; i += step_of(total), booted++) {
        size_t count = flush_prefix(from, to, i, &total);

        boot_update((struct cut){ booted % 3 == 0 ? count : count - 1, (enum tear)(booted % 3) },
                    booted % 4 == 0);
    }
    print_message("booted %zu, of %zu flushes\n", booted, total);
}

static void test_apply(void **state)
{
    (void)state;
    soak_phase(PHASE_APPLY);
}

static void test_verdict(void **state)
{
    (void)state;
    soak_phase(PHASE_VERDICT);
}

static void test_rollback(void **state)
{
    (void)state;
    soak_phase(PHASE_ROLLBACK);
}

int main(void)
{
    const char *filter = getenv("BROCH_TEST");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_written),
        cmocka_unit_test(test_all_written),
        cmocka_unit_test(test_first_start),
        cmocka_unit_test(test_first_start_torn),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_wrong_order_is_seen),
        cmocka_unit_test(test_in_the_content),
        cmocka_unit_test(test_between_the_steps),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_rollback),
    };

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, start_group, end_group);
}
