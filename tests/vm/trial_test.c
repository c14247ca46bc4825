/* Trials, on a machine with firmware, Secure Boot and TPM: how each of them may end, what the
 * machine says of it, and that the firmware's list stays in order. The machine's own check waits
 * for a word, so that a trial stays pending until this test decides how it ends. BROCH_SOAK=1 runs
 * everything, else a sample; BROCH_ROW names one row of the bad trials. docs/update-matrix.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "offered.h"
#include "sys/file.h"
#include "vm/command.h"
#include "vm/variables.h"

#define CHECK_FILE "/var/lib/broch/checks/judge"
#define WORD_FILE  "/run/word"
#define FEEDER     "kill -STOP $(s6-svstat -o pid /run/service/watchdog)"
#define GOVERNOR   "/sys/class/watchdog/watchdog0/pretimeout_governor"

/* Ends with the number that somebody writes into WORD_FILE of this start. */
static const char make_check[] =
    "mkdir -p $(dirname " CHECK_FILE "); printf '#!/bin/sh\\nuntil [ -s " WORD_FILE
    " ]; do sleep 1; done\\nexit $(cat " WORD_FILE ")\\n' >" CHECK_FILE "; chmod 755 " CHECK_FILE
    "; sync";

/* "Broch A,Broch B,": the firmware's entries of ours, by what they are called. */
#define ENTRIES                                                                                    \
    "cat /sys/firmware/efi/efivars/Boot0* | tr -d '\\0' | grep -a -o 'Broch [AB]' | sort | tr "    \
    "'\\n' ,"

static void expect_two_entries(struct place *place)
{
    await_as(place, true, ENTRIES, "Broch A,Broch B,", true);
    expect_not(place, true, ENTRIES, "Broch A,Broch A,");
    expect_not(place, true, ENTRIES, "Broch B,Broch B,");
}

/* A required service of the machine's own that becomes ready with the former generation only. */
#define NEVER_READY "/etc/broch/services/never.toml"
static const char make_never_ready[] =
    "printf 'name = \"never\"\ndescription = \"Not ready on trial\"\nrequired = true\n"
    "run = [\"/usr/bin/bash\", \"-c\", \"grep -q v99 /usr/lib/os-release || echo >&3; "
    "exec sleep 1000000\"]\n[ready]\nkind = \"notify\"\nwithin = \"1h\"\n' >" NEVER_READY "; sync";

/* A byte of the first block of the other slot's image, which is read when it is mounted. */
static const char damage_image[] =
    "mkdir -p /run/other; mount /dev/vda2 /run/other; "
    "printf X | dd of=/run/other/EFI/broch/system.erofs bs=1 seek=1024 conv=notrunc; "
    "umount /run/other; sync";

/* What the virtual machine's watchdog did meanwhile. A kernel that panics because nobody feeds it
 * has 15 seconds for its last words, and an emulated one is not always that quick. */
enum bite { FED, UNFED, BITES };

/* One of the offered release's. */
static const struct row {
    const char *name;
    const char *before; /* done to the machine before the trial starts; NULL */
    const char *inside; /* while it is pending; NULL: it never says that it is ready ... */
    const char *ends;   /* ... but this */
    const char *status; /* what the former slot then says */
    enum bite bite;
    bool soak;
} rows[] = {
    { "panic", NULL, "echo c >/proc/sysrq-trigger", NULL, "failed: slot=B BR-UPDATE-PANIC sysrq",
      FED, false },
    { "check fails", NULL, "echo 3 >" WORD_FILE, NULL,
      "failed: slot=B BR-UPDATE-CHECK check 'judge' ended with 3", FED, true },
    /* Nobody feeds the watchdog: the kernel panics before it bites, and says why. */
    { "hang", NULL, FEEDER, NULL, "failed: slot=B BR-UPDATE-PANIC watchdog pretimeout event", UNFED,
      true },
    /* The same without those last words, as where the kernel hangs as well. */
    { "bite", NULL, "modprobe pretimeout_noop; echo noop >" GOVERNOR "; " FEEDER, NULL,
      "failed: slot=B BR-UPDATE-BITE", BITES, true },
    { "damaged after it was read back", damage_image, NULL, "is corrupted",
      "failed: slot=B BR-UPDATE-PANIC dm-verity device corrupted", FED, true },
    { "verdict is killed", NULL, "pkill -9 -n -x verdict", NULL,
      "failed: slot=B BR-UPDATE-CHECK the verdict was ended by signal 9", FED, true },
    { "service never ready", make_never_ready, NULL, "broch verdict bad=",
      "failed: slot=B BR-UPDATE-CHECK service 'never' is not ready after 180 s", FED, true },
};

static bool serving;

static const char *serve(void)
{
    serving = true;
    return test_server_start(offered_answers);
}

static void stop_serving(void)
{
    serving = false;
    (void)test_server_stop();
}

static int leave_place(void **state)
{
    if (serving) /* the test failed */
        stop_serving();
    return place_teardown(state);
}

static bool is_asked_for(const struct row *row)
{
    const char *one = getenv("BROCH_ROW");

    return one ? strcmp(one, row->name) == 0 : !row->soak || getenv("BROCH_SOAK");
}

static void boot(struct place *place, const char *slot)
{
    const char *ready = expect_ready(place);

    if (!strstr(ready, slot))
        fail_msg("expected %s: %s", slot, ready);
    login(place);
}

static void write_release(struct place *place, const char *server)
{
    offered_await_network(place);
    offered_apply(place, server, "--force --no-reboot");
    await_as(place, false, "cat " OFFERED_LOG, "system.erofs done", true);
    await_as(place, false, "cat " OFFERED_LOG, "status=10", true);
    /* Asked once more in the same start, the verdict has nothing to say of it. */
    expect(place, true, "broch service restart verdict; echo =$?", "=0");
    await_as(place, false, "broch service status verdict --json", "\"done\"", true);
    expect(place, true, "broch update status", "pending:");
}

/* To a pending trial in this slot, and into it. */
static void begin_trial(struct place *place, const char *server, const char *slot)
{
    write_release(place, server);
    free(as_root(place, "broch reboot"));
    boot(place, slot);
    expect(place, true, "broch update status", ", on trial");
    expect(place, true, "broch update status", "pending:");
}

static void end_well(struct place *place)
{
    free(as_root(place, "echo 0 >" WORD_FILE));
    await_as(place, true, "broch update status", "not on trial", true);
    await_as(place, true, "broch update status", " good", true);
}

/* Typed without waiting for an answer, which there may not be. */
static void do_inside(struct place *place, const char *command)
{
    _cleanup_free_ char *line = text_make("(sleep 2; %s) >/dev/null 2>&1 </dev/null &", command);

    assert_non_null(line);
    free(as_root(place, line));
}

static void await_console(struct place *place, const char *text)
{
    struct vm_match match;

    if (vm_wait_marker(place->vm, &text, 1, PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("no '%s': %s", text, place->f.text);
}

static void run_bad_trial(struct place *place, const char *server, const struct row *row)
{
    const unsigned before = vm_counts(place->vm).watchdogs;
    unsigned bites;

    if (row->inside) {
        begin_trial(place, server, "slot=B");
        do_inside(place, row->inside);
    } else {
        write_release(place, server);
        free(as_root(place, row->before));
        free(as_root(place, "broch reboot"));
        await_console(place, row->ends);
    }
    boot(place, "slot=A");
    await_as(place, true, "broch update status", row->status, true);
    expect(place, true, "broch update status", "refused:  v99.0.0-node-x86_64");
    expect_not(place, true, "broch update status", "pending:");
    expect_two_entries(place);
    bites = vm_counts(place->vm).watchdogs - before;
    assert_true(row->bite == BITES ? bites == 1 : bites <= (row->bite == UNFED));
}

static void test_bad_trials(void **state)
{
    struct place *place = *state;
    const char *server;

    offered_prepare();
    server = serve();
    place->config.network = VM_NETWORK_USER;
    start(place);
    boot(place, "slot=A");
    free(as_root(place, make_check));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!is_asked_for(&rows[i]))
            continue;
        print_message("%s\n", rows[i].name);
        run_bad_trial(place, server, &rows[i]);
    }
    /* It is not taken again unless told to. */
    offered_await_network(place);
    offered_apply(place, server, "");
    await_as(place, false, "cat " OFFERED_LOG, "status=11", true);
    expect(place, false, "cat " OFFERED_LOG, "BR-UPDATE-REFUSED");
    stop_serving();
}

/* As docs/how-to/update-a-machine.md has it, with the state of before the last update. */
static void put_state_back(struct place *place)
{
    free(as_root(place, "echo after >/var/lib/after"));
    expect(place, true, "broch update status", "kept:     the state as v0.1.0-node-x86_64 left it");
    free(as_root(place, "mount -o subvolid=5 /dev/mapper/broch-persist /mnt && "
                        "btrfs subvolume snapshot /mnt/@snapshots/v0.1.0-node-x86_64/var "
                        "/mnt/@var.back && mv /mnt/@var /mnt/@var.changed && "
                        "mv /mnt/@var.back /mnt/@var; umount /mnt; broch reboot"));
    boot(place, "slot=B");
    expect(place, true, "cat /var/lib/before /var/lib/after", "before");
    expect_not(place, true, "cat /var/lib/before /var/lib/after", "after\n");
}

/* A to B, to A, to B: entries of ours never multiply. */
static void test_three_updates(void **state)
{
    struct place *place = *state;
    const char *const next = offered_generation;

    place->config.network = VM_NETWORK_USER;
    start(place);
    boot(place, "slot=A");
    free(as_root(place, make_check));
    free(as_root(place, "echo before >/var/lib/before"));
    for (unsigned i = 0; i < 3; i++) {
        offered_generation = i == 1 ? fixture_generation : next;
        offered_prepare();
        begin_trial(place, serve(), i == 1 ? "slot=A" : "slot=B");
        end_well(place);
        expect_two_entries(place);
        stop_serving();
    }
    offered_generation = next;
    put_state_back(place);
}

/* --- A variable store replaced by a fresh one with the keys --- */

static void start_with_fresh_store(struct place *place)
{
    _cleanup_free_ char *name = text_make("machine/%s", vm_variables_name(&place->config));

    assert_non_null(name);
    assert_int_equal(
        vm_variables_create(fixture_tree, fixture_keys, place_path(place, name), &place->f), 0);
    assert_int_equal(vm_start(place->vm, &place->f), 0);
}

static void cut(struct place *place)
{
    free(as_root(place, "sync"));
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
}

/* By way of the confirmed slot, which starts the trial once more and need not become ready. */
static void boot_again_on_trial(struct place *place, const char *slot)
{
    const char *ready = expect_ready(place);

    if (!strstr(ready, slot))
        ready = expect_ready(place);
    if (!strstr(ready, slot))
        fail_msg("expected %s: %s", slot, ready);
    login(place);
    expect(place, true, "broch update status", ", on trial");
}

/* What `broch update apply` leaves, put there while the machine is off. */
static void fill_slot_b(struct place *place)
{
    static const char *const files[] = { "system.erofs", "linux.efi" };

    place->slot = 1;
    slot_make_folder(place, "EFI");
    slot_make_folder(place, "EFI/broch");
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *from = text_make("%s/%s", offered_generation, files[i]);
        _cleanup_free_ char *to = text_make("EFI/broch/%s", files[i]);
        const char *copy = place_path(place, files[i]);

        assert_true(from && to);
        assert_int_equal(file_copy(from, copy, 0600, &place->f), 0);
        slot_put(place, copy, to);
    }
    place->slot = 0;
}

static const char order_by_hand[] =
    "mkdir -p /var/lib/broch/update; printf '{\"schema\":1,\"trial\":{\"slot\":\"B\",\"tries\":1,"
    "\"generation\":\"v99.0.0-node-x86_64\"},\"last\":null,\"refused\":[]}\\n' "
    ">/var/lib/broch/update/state.json";

static void test_fresh_stores(void **state)
{
    struct place *place = *state;

    start(place);
    boot(place, "slot=A");
    free(as_root(place, make_check));
    cut(place);
    start_with_fresh_store(place); /* before an update */
    boot(place, "slot=A");
    await_as(place, true, ENTRIES, "Broch A,", true);
    free(as_root(place, order_by_hand));
    cut(place);
    fill_slot_b(place);
    start_with_fresh_store(place); /* after it was written, before the restart */
    boot_again_on_trial(place, "slot=B");
    cut(place);
    start_with_fresh_store(place); /* on trial */
    boot_again_on_trial(place, "slot=B");
    expect_two_entries(place);
    end_well(place);
    cut(place);
    start_with_fresh_store(place); /* confirmed */
    boot(place, "slot=B");
    expect_two_entries(place);
    free(as_root(place, "broch update rollback --no-reboot"));
    cut(place);
    start_with_fresh_store(place); /* on the way back */
    boot_again_on_trial(place, "slot=A");
    end_well(place);
    cut(place);
    start_with_fresh_store(place); /* back */
    boot(place, "slot=A");
    expect_two_entries(place);
}

/* --- Two boot files that a firmware without variables finds --- */

#define OTHER_FILES                                                                                \
    "mkdir -p /run/o; mount -r /dev/vda2 /run/o && ls /run/o/EFI/broch /run/o/EFI/BOOT; "          \
    "umount /run/o"

/* A power cut between BootOrder and the end of the other slot's BOOTX64.EFI leaves both, and
 * firmware that lost its variables would start the wrong one. The next verdict makes it right. */
static void test_two_defaults(void **state)
{
    struct place *place = *state;

    start(place);
    boot(place, "slot=A");
    await_as(place, false, "broch service status verdict --json", "\"done\"", true);
    cut(place);
    fill_slot_b(place);
    place->slot = 1;
    slot_make_folder(place, "EFI/BOOT");
    slot_put(place, place_path(place, "linux.efi"), "EFI/BOOT/BOOTX64.EFI");
    place->slot = 0;
    assert_int_equal(vm_start(place->vm, &place->f), 0);
    boot(place, "slot=A");
    await_as(place, true, OTHER_FILES, "BOOTX64.EFI", false);
    expect(place, true, OTHER_FILES, "linux.efi"); /* nothing else went */
}

/* --- What a trial stands on is not there --- */

static void set_type(struct place *place, unsigned number, const char *type)
{
    _cleanup_free_ char *digits = text_make("%u", number);
    const struct arguments a = ARGUMENTS("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel",
                                         "--part-type", place->disk, digits, type);

    in_tree(place, &a);
}

/* A start that does not find the encrypted disk knows nothing of a trial: the firmware's variables
 * do. The former slot does not find it either, and stays; once it is there again, the trial that is
 * still pending goes on. */
static void test_no_persist(void **state)
{
    static const char linux_data[] = "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
                      luks[] = "CA7D7CCB-63ED-4C53-861C-1742536059CC";
    struct place *place = *state;

    offered_prepare();
    place->config.network = VM_NETWORK_USER;
    start(place);
    boot(place, "slot=A");
    free(as_root(place, make_check));
    write_release(place, serve());
    cut(place);
    set_type(place, 3, linux_data);
    assert_int_equal(vm_start(place->vm, &place->f), 0);
    await_console(place, "broch verdict bad=\"slot=B BR-UPDATE-CHECK the encrypted disk is not");
    boot(place, "slot=A");
    await_as(place, false, "broch service status verdict --json", "\"done\"", true);
    expect_not(place, true, "broch update status", "pending:");
    cut(place);
    set_type(place, 3, luks);
    assert_int_equal(vm_start(place->vm, &place->f), 0);
    boot_again_on_trial(place, "slot=B");
    end_well(place);
    expect_two_entries(place);
    stop_serving();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, leave_place)
    const struct CMUnitTest sample[] = { TEST(test_bad_trials) };
    const struct CMUnitTest all[] = { TEST(test_bad_trials), TEST(test_three_updates),
                                      TEST(test_fresh_stores), TEST(test_two_defaults),
                                      TEST(test_no_persist) };
#undef TEST

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, offered_start, NULL)
                                : cmocka_run_group_tests(sample, offered_start, NULL);
}
