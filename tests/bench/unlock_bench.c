/* What it costs to open an encrypted disk by the TPM: stage 1's own way, and in the same machine
 * systemd-cryptsetup and clevis as Debian ships them. Prints logfmt lines, which
 * tests/bench/guest.py words. A cmocka program because the fixture of the VM tests is one; nothing
 * here judges a time.
 *
 * Guest time of an emulated machine: it runs with the host's clock, because the TPM's emulator is a
 * process of its own that virtual time would not count. So the ratio means something and the
 * milliseconds do not.
 *
 * BROCH_PEERS names an EROFS image with the peers; see guest.py. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "../vm/fixture.h"
#include "../vm/opened.h"

#define RUNS "3"

/* The peers' image, writable through an overlay, with the machine's devices, and a disk of 64 MiB
 * whose first key is a file. Like ours, the keyslots derive little: what is sealed is random. */
static const char prepare[] =
    "mkdir -p /run/peer/lower /run/peer/rw /run/peer/root && "
    "mount -t erofs -o ro /dev/vdb /run/peer/lower && "
    "mount -t tmpfs -o mode=0755,size=200m peer /run/peer/rw && "
    "mkdir /run/peer/rw/up /run/peer/rw/work && "
    "mount -t overlay -o lowerdir=/run/peer/lower,upperdir=/run/peer/rw/up,"
    "workdir=/run/peer/rw/work peer /run/peer/root && "
    "mount --rbind /dev /run/peer/root/dev && mount --rbind /sys /run/peer/root/sys && "
    "mount -t proc proc /run/peer/root/proc && mount -t tmpfs run /run/peer/root/run && "
    "printf '%s' 0123456789abcdef > /run/peer/root/run/first && "
    "modprobe -q loop; truncate -s 64M /run/peer/rw/disk && "
    "loop=$(losetup --find --show /run/peer/rw/disk) && ln -s $loop /run/peer-disk && "
    "chroot /run/peer/root cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 "
    "--pbkdf-force-iterations 1000 --key-file /run/first $loop && echo PREPARED";

static const char enrol_systemd[] =
    "chroot /run/peer/root systemd-cryptenroll --unlock-key-file=/run/first "
    "--tpm2-device=/dev/tpmrm0 --tpm2-pcrs=7 $(readlink /run/peer-disk) && echo ENROLLED";

static const char enrol_clevis[] =
    "chroot /run/peer/root clevis luks bind -y -k /run/first -d $(readlink /run/peer-disk) tpm2 "
    "'{\"pcr_bank\":\"sha256\",\"pcr_ids\":\"7\"}' && echo ENROLLED";

/* Opens and closes it, and once more under a tracer that counts what is written to the TPM: each
 * write is one command. Apart from the console, which has a deadline for each line. */
#define MEASURE(open)                                                                              \
    "(d=$(readlink /run/peer-disk); for i in $(seq " RUNS "); do a=$(date +%s%N); "                \
    "chroot /run/peer/root " open " || echo refused; b=$(date +%s%N); "                            \
    "chroot /run/peer/root cryptsetup close peer; echo us $(((b - a) / 1000)); "                   \
    "done > /run/times 2>&1; chroot /run/peer/root strace -f -y -e trace=write -o "                \
    "/run/trace " open                                                                             \
    "; chroot /run/peer/root cryptsetup close peer; grep -v '^us ' /run/times; "                   \
    "sed -n 's/^us //p' /run/times | sort -n | awk '{v[NR] = $1} END{print \"runs=\" NR, "         \
    "\"min=\" v[1], \"p50=\" v[int((NR + 1) / 2)], \"max=\" v[NR]}'; "                             \
    "echo commands=$(grep -c '/dev/tpm' /run/peer/root/run/trace); echo DONE) "                    \
    "> /run/measured 2>&1 < /dev/null &"

static const char open_systemd[] =
    MEASURE("systemd-cryptsetup attach peer $d - tpm2-device=/dev/tpmrm0,headless=1");
static const char open_clevis[] = MEASURE("clevis luks unlock -d $d -n peer");

/* The number that follows `key` in `text`. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    uint64_t value = 0;

    if (!found)
        fail_msg("no '%s'", key);
    found += strlen(key);
    assert_int_equal(number_parse(found, strspn(found, "0123456789"), UINT64_MAX, &value), 0);
    return value;
}

/* When the step ended, in microseconds of the kernel's clock. */
static uint64_t step_end(struct place *place, const char *step)
{
    _cleanup_free_ char *marker = text_make("broch stage1 step=%s status=ok us=", step);

    assert_non_null(marker);
    return number_after(vm_console(place->vm), marker);
}

static void print_ours(struct place *place, const char *ready)
{
    _cleanup_free_ char *facts = run_inside(place, "cat /run/broch/boot.json");
    uint64_t unseal = step_end(place, "unseal");

    (void)printf("unlock opener=broch commands=%" PRIu64 " unseal=%" PRIu64 " cap=%" PRIu64
                 " open=%" PRIu64 " ready=%" PRIu64 "\n",
                 number_after(facts, "\"tpm_commands\": "), unseal - step_end(place, "pcr-enter"),
                 step_end(place, "pcr-cap") - unseal,
                 step_end(place, "persist") - step_end(place, "root"), number_after(ready, " us="));
}

static void expect_word(struct place *place, const char *command, const char *word)
{
    _cleanup_free_ char *said = as_root(place, command);

    if (!strstr(said, word))
        fail_msg("no %s: %s", word, said);
}

static void measure(struct place *place, const char *name, const char *command)
{
    _cleanup_free_ char *said = NULL;
    const char *row, *commands;

    free(as_root(place, command));
    await_as(place, true, "cat /run/measured", "DONE", true);
    said = as_root(place, "cat /run/measured");
    row = strstr(said, "runs=" RUNS);
    commands = strstr(said, "commands=");

    if (!row || !commands)
        fail_msg("%s: no figures: %s", name, said);
    (void)printf("unlock opener=%s %.*s %.*s\n", name, (int)strcspn(row, "\r\n"), row,
                 (int)strcspn(commands, "\r\n"), commands);
}

/* As at a machine's every start: the verdict of the one before has left a ticket. */
static void test_ours(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *ready = NULL;

    start(place);
    (void)expect_ready(place);
    login(place);
    await_as(place, true,
             "grep -q '\"service\":\"verdict\".*\"to\":\"done\"' /run/broch/events.jsonl && "
             "echo SETT''LED",
             "SETTLED", true);
    restart(place);
    expect_opened_by_tpm(place);
    ready = text_make("%s", expect_ready(place));
    assert_non_null(ready);
    login(place);
    print_ours(place, ready);
}

/* The same machine with Secure Boot off: then Broch leaves the TPM without an owner's
 * authorization, without which clevis makes no key. */
static void test_peers(void **state)
{
    struct place *place = *state;

    place->config.secure_boot = false;
    place->config.memory_bytes = 2048ull << 20;
    place->config.disks[1] =
        (struct vm_disk){ .path = getenv("BROCH_PEERS"), .format = VM_DISK_RAW, .read_only = true };
    start(place);
    (void)expect_ready(place);
    login(place);
    expect_word(place, prepare, "PREPARED");
    expect_word(place, enrol_systemd, "ENROLLED");
    measure(place, "systemd-cryptsetup", open_systemd);
    expect_word(place, enrol_clevis, "ENROLLED");
    measure(place, "clevis", open_clevis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ours, opened_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_peers, place_setup, place_teardown),
    };

    if (!getenv("BROCH_PEERS")) {
        (void)fprintf(stderr, "BROCH_PEERS must name the image of the peers\n");
        return 2;
    }
    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, opened_start, opened_stop);
}
