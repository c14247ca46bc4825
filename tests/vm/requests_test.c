/* What the running system asks of stage 1, from the command to its result after the next start.
 * BROCH_SOAK=1 runs every case, else the one that goes through most of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "disk/volume.h"
#include "image/keys.h"
#include "sys/file.h"
#include "opened.h"

#define REQUESTS "/var/lib/broch/requests"

static void boot(struct place *place)
{
    start(place);
    expect_opened_by_tpm(place);
    (void)expect_ready(place);
    login(place);
}

static void reboot(struct place *place)
{
    free(as_root(place, "sync; broch reboot"));
    (void)expect_ready(place);
    login(place);
}

/* The verdict about this start is there, which the next one is counted by: the count of slot A,
 * behind four bytes of attributes, one of the form, and the slot's GUID. */
static void await_verdict(struct place *place)
{
    await_as(place, true,
             "echo =$(od -An -tu1 -j21 -N1 /sys/firmware/efi/efivars/BrochAttempts-* | tr -d ' ')=",
             "=0=", true);
}

static void expect_line(struct place *place, const char *const *texts, size_t count)
{
    _cleanup_free_ char *output = as_root(place, "broch disk status");

    for (size_t i = 0; i < count; i++) {
        if (!strstr(output, texts[i]))
            fail_msg("no '%s' in: %s", texts[i], output);
    }
}

#define EXPECT_STATUS(place, ...)                                                                  \
    expect_line(place, (const char *const[]){ __VA_ARGS__ },                                       \
                ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static void verify(struct place *place, const char *key, const char *answer)
{
    _cleanup_free_ char *line = text_make("echo %s | broch recovery verify 2>&1", key);

    assert_non_null(line);
    expect(place, true, line, answer);
}

/* The volume key of saved headers, by a recovery key; false when it does not open them. */
static bool open_headers(struct place *place, const char *file, const char *key, struct secret *ret)
{
    _cleanup_secret_ struct secret digits = SECRET_INIT;
    _cleanup_volume_ struct volume *v = NULL;
    unsigned group;

    assert_int_equal(recovery_key_parse(key, strlen(key), &digits, &group), 0);
    assert_int_equal(volume_open(place_path(place, file), &v, &place->f), 0);
    return volume_unlock(v, &digits, VOLUME_ANY, ret, &place->f) == 0;
}

/* --- From the command to the result --- */

static void ask_for_all(struct place *place)
{
    expect(place, true, "broch disk enroll; echo status=$?", "status=10");
    expect(place, true, "broch recovery new; echo status=$?", "status=10");
    EXPECT_STATUS(place, "asked for     enroll, at the next start",
                  "asked for     recovery-new, at the next start");
    /* One that is none, and one of another disk. */
    free(as_root(
        place, "echo raise it >" REQUESTS "/epoch; "
               "printf 'broch request 1\\nkind=seal-pcr7\\n"
               "disk=01234567-89ab-cdef-0123-456789abcdef\\nvalue=%064d\\nstarts=0\\n' 0 >" REQUESTS
               "/seal-pcr7"));
}

static void see_results(struct place *place)
{
    EXPECT_STATUS(place, "last asked    enroll: done by v", "last asked    recovery-new: done by v",
                  "last asked    epoch: refused by v", "BR-REQUEST-FORM",
                  "last asked    seal-pcr7: refused by v", "BR-REQUEST-DISK", "TPM           1 way",
                  "recovery key  unconfirmed");
    expect(place, true, "ls " REQUESTS " | grep -vc result; echo", "0");
    expect(place, true, "broch disk status --json",
           "{\"kind\":\"enroll\",\"waits\":false,\"last\":{\"result\":\"done\",\"code\":null,");
}

/* How it opens and what is bound, before anything was asked for. */
static void see_status(struct place *place)
{
    EXPECT_STATUS(place, "opened by     the TPM\n", "TPM           1 way\n", ", which it is\n",
                  "epoch         1 in the TPM, 1 of this generation\n", "recovery key  unconfirmed",
                  "bound to      this TPM, Secure Boot's keys",
                  "a thief       of the whole machine", "would break   a cleared or exchanged TPM");
    expect(place, true, "broch disk status --json", "\"route\":\"tpm\",\"refusal\":null,");
    expect(place, true, "broch disk status --json", "\"now\":true}],\"epoch\":{\"tpm\":1,");
    expect(place, false, "broch status", "recovery key unconfirmed: type it back");
    expect(place, false, "broch status --json", "\"recovery\":\"unconfirmed\"");
    verify(place, opened_key, "This key opens the disk.");
    expect(place, false, "broch status", "recovery key confirmed");
}

static void ask_for_wipe(struct place *place)
{
    free(as_root(place, "echo of the old disk >/var/lib/broch/mark; sync"));
    expect(place, true, "broch disk wipe --dry-run; echo status=$?", "status=0");
    expect(place, true, "echo other | broch disk wipe 2>&1; echo status=$?", "status=2");
    expect(place, true, "ls " REQUESTS "/wipe 2>&1", "No such file");
    expect(place, true, "echo broch | broch disk wipe; echo status=$?", "status=10");
    expect(place, true, "broch disk cancel", "wipe is taken back");
    expect(place, true, "broch disk wipe --yes; echo status=$?; sync", "status=10");
}

/* Nothing opens what was there: not the key that opened it, not the TPM. */
static void see_wiped(struct place *place, const char *old_key)
{
    _cleanup_secret_ struct secret before = SECRET_INIT, after = SECRET_INIT;
    char key[RECOVERY_KEY_TEXT_SIZE];

    read_recovery_key(place, key);
    assert_string_not_equal(key, old_key);
    assert_non_null(strstr(vm_console(place->vm), "tpm=released"));
    assert_null(strstr(vm_console(place->vm), "tpm-not-"));
    EXPECT_STATUS(place, "opened by     nobody", "TPM           1 way", "recovery key  unconfirmed",
                  "last asked    wipe: done by v");
    expect(place, true, "ls /var/lib/broch/mark 2>&1", "No such file");
    verify(place, old_key, "BR-PERSIST-KEY");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    save_headers(place, "new-headers");
    assert_true(open_headers(place, "old-headers", old_key, &before)); /* the twin */
    assert_false(open_headers(place, "new-headers", old_key, &after));
    assert_true(open_headers(place, "new-headers", key, &after));
    assert_memory_not_equal(before.bytes, after.bytes, before.size);
}

static void test_asked(void **state)
{
    struct place *place = *state;
    char key[RECOVERY_KEY_TEXT_SIZE];

    boot(place);
    see_status(place);
    ask_for_all(place);
    reboot(place);
    see_results(place);
    read_recovery_key(place, key);
    assert_string_not_equal(key, opened_key);
    verify(place, opened_key, "BR-PERSIST-KEY");
    expect(place, false, "broch status", "recovery key unconfirmed");
    verify(place, key, "This key opens the disk.");
    expect(place, false, "broch status", "recovery key confirmed");
    ask_for_wipe(place);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    save_headers(place, "old-headers");
    restart(place);
    (void)expect_ready(place);
    login(place);
    see_wiped(place, key);
    restart(place);
    expect_opened_by_tpm(place);
}

/* --- The epoch --- */

static void expect_tpm_epoch(struct place *place, const char *wanted)
{
    _cleanup_free_ char *bytes =
        with_tpm(place, "tpm2_nvread " EPOCH_INDEX " | od -An -tx1 | tr -d ' \n'");

    if (!strstr(bytes, wanted))
        fail_msg("expected epoch %s, got %s", wanted, bytes);
}

/* The TPM's is below that of the generation: what a release with a raised one finds. The verdict of
 * a good start asks, and the next start raises it. */
static void test_epoch(void **state)
{
    struct place *place = *state;

    write_epoch(place, 0);
    boot(place);
    await_as(place, true, "broch disk status", "asked for     epoch 1, at the next start", true);
    await_verdict(place);
    reboot(place);
    EXPECT_STATUS(place, "epoch         1 in the TPM, 1 of this generation",
                  "last asked    epoch: done by v");
    /* More than the generation's own would shut it out; nothing that never ends is begun again. */
    free(as_root(place, "cd " REQUESTS " && sed -e 's/^broch result/broch request/' "
                        "-e 's/^value=1/value=2/' -e '/^code=/d;/^generation=/d' "
                        "-e 's/^text=/starts=0/' epoch.result >epoch && "
                        "sed -e s/epoch/enroll/ -e s/value=2/value=-/ -e s/starts=0/starts=3/ "
                        "epoch >enroll"));
    await_verdict(place);
    reboot(place);
    EXPECT_STATUS(place, "epoch         1 in the TPM",
                  "BR-REQUEST-EPOCH: 2 was asked for, this is 1", "last asked    enroll: refused",
                  "BR-REQUEST-STARTS");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    expect_tpm_epoch(place, "0000000000000001");
}

static void wait_line(struct place *place, const char *text)
{
    struct vm_match match = { .index = 1 };
    const char *const texts[] = { text, "broch ready " };

    assert_int_equal(vm_wait_marker(place->vm, texts, 2, PATIENCE_NS, &match, &place->f), 0);
    if (match.index != 0)
        fail_msg("no '%s' before: %s", text, match.line);
}

/* After a start that did not end well the other slot may be needed, which an epoch can shut out: it
 * waits. The twin is the same request after one that did. */
static void test_epoch_waits(void **state)
{
    struct place *place = *state;

    write_epoch(place, 0);
    boot(place);
    await_as(place, true, "broch disk status; sync", "asked for     epoch 1, at the next start",
             true);
    restart(place);
    wait_line(place, "step=attempts status=ok");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    start(place);
    wait_line(place, "request-waits=epoch");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    expect_tpm_epoch(place, "0000000000000000");
    restart(place);
    wait_line(place, "request-done=epoch");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    expect_tpm_epoch(place, "0000000000000001");
}

/* --- A PCR 7 that is coming --- */

static void read_pcr7(struct place *place, char ret[static 65])
{
    _cleanup_free_ char *output =
        run_inside(place, "echo =$(tr A-F a-f </sys/class/tpm/tpm0/pcr-sha256/7)=");
    const char *found = strchr(output, '=');

    assert_non_null(found);
    assert_int_equal(strspn(found + 1, "0123456789abcdef"), 64);
    memcpy(ret, found + 1, 64);
    ret[64] = '\0';
}

static void change_db(struct place *place)
{
    const char *variables = place_path(place, "machine/variables.fd");
    const char *keys = place_path(place, "other-keys");
    _cleanup_free_ char *certificate = text_make("%s/db.crt", keys);
    const struct arguments arguments =
        ARGUMENTS("virt-fw-vars", "--inplace", variables, "--add-db",
                  "a0baa8a3-041d-48a8-bc87-c36d121b5e3d", certificate);

    assert_int_equal(keys_init(keys, false, fixture_manifest.date, &place->f), 0);
    in_tree(place, &arguments);
}

static void copy_in_place(struct place *place, const char *from, const char *to)
{
    _cleanup_free_ char *source = text_make("%s", place_path(place, from));

    assert_int_equal(file_copy(source, place_path(place, to), 0600, &place->f), 0);
}

/* Sealed for another PCR 7 beforehand, the change costs no key; when it has come, one way is left.
 * The twin is the change that comes unannounced, which asks for it. */
static void test_seal_pcr7(void **state)
{
    struct place *place = *state;
    char before[65];
    _cleanup_free_ char *line = NULL;

    boot(place);
    read_pcr7(place, before);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    copy_in_place(place, "machine/variables.fd", "former.fd");
    change_db(place);
    start(place);
    expect_prompt(place, "BR-UNSEAL-PCR7");
    open_by_recovery(place, opened_key);
    (void)expect_ready(place);
    login(place);
    line = text_make("cd /var/lib/broch && mkdir -p requests && printf 'broch request 1\\n"
                     "kind=seal-pcr7\\ndisk=%%s\\nvalue=%s\\nstarts=0\\n' "
                     "$(broch disk status --json | sed 's/.*\"uuid\":\"\\([^\"]*\\)\".*/\\1/') "
                     ">requests/seal-pcr7",
                     before);
    assert_non_null(line);
    free(as_root(place, line));
    reboot(place);
    EXPECT_STATUS(place, "opened by     the TPM", "TPM           2 ways", ", which it is\n",
                  ", which it is not\n", "last asked    seal-pcr7: done by v");
    /* The first still opens, and both stay. */
    reboot(place);
    EXPECT_STATUS(place, "opened by     the TPM", "TPM           2 ways");
    free(as_root(place, "sync"));
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    copy_in_place(place, "former.fd", "machine/variables.fd");
    boot(place);
    EXPECT_STATUS(place, "opened by     the TPM", "TPM           1 way\n", ", which it is\n");
    reboot(place);
    EXPECT_STATUS(place, "opened by     the TPM", "TPM           1 way\n");
}

/* --- A wipe --- */

/* The old header put back: the TPM has nothing for it any more. Whoever has the recovery key of
 * that time opens it, and finds a file system that is not the one of this header. */
static void test_wiped_header(void **state)
{
    struct place *place = *state;

    boot(place);
    expect(place, true, "broch disk wipe --yes; echo status=$?; sync", "status=10");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    save_headers(place, "old-headers");
    restart(place);
    (void)expect_ready(place);
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    restore_headers(place, "old-headers");
    restart(place);
    {
        static const char *const ends[] = { "code=BR-PERSIST-BINDING", "recovery=wanted",
                                            "step=persist status=ok", "broch ready " };
        struct vm_match match = { .index = ARRAY_SIZE(ends) };

        assert_int_equal(
            vm_wait_marker(place->vm, ends, ARRAY_SIZE(ends), PATIENCE_NS, &match, &place->f), 0);
        /* The place in the TPM is empty, or has the new disk's secret, which names another header.
         */
        if (match.index > 1)
            fail_msg("an old header opens: %s", match.line);
    }
}

/* What anybody can write who has the disk: the label alone wipes nothing. */
static void test_label_alone(void **state)
{
    struct place *place = *state;

    boot(place);
    free(as_root(place, "echo kept >/var/lib/broch/mark; sync"));
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    label_headers(place, VOLUME_LABEL_WIPING);
    restart(place);
    expect_opened_by_tpm(place);
    assert_non_null(strstr(vm_console(place->vm), "wipe-refused="));
    (void)expect_ready(place);
    login(place);
    expect(place, true, "cat /var/lib/broch/mark", "kept");
    reboot(place);
    expect(place, true, "broch disk status", "opened by     the TPM");
}

/* The power is cut at each of its steps: every next start ends with the new disk. */
static void cut_at(struct place *place, const char *step)
{
    boot(place);
    free(as_root(place, "echo of the old disk >/var/lib/broch/mark"));
    expect(place, true, "broch disk wipe --yes; echo status=$?; sync", "status=10");
    restart(place);
    wait_line(place, step);
    restart(place);
    (void)expect_ready(place);
    login(place);
    assert_null(strstr(vm_console(place->vm), "recovery=wanted"));
    assert_null(strstr(vm_console(place->vm), "tpm-not-"));
    EXPECT_STATUS(place, "opened by     nobody", "TPM           1 way");
    expect(place, true, "ls /var/lib/broch/mark 2>&1", "No such file");
    restart(place);
    expect_opened_by_tpm(place);
}

static void test_cut_after_release(void **state)
{
    cut_at(*state, "tpm=released");
}

static void test_cut_after_wipe(void **state)
{
    cut_at(*state, "persist=wiped");
}

static void test_cut_while_made(void **state)
{
    cut_at(*state, "persist=\"made anew\"");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, opened_setup, place_teardown)
    const struct CMUnitTest sample[] = { TEST(test_asked) };
    const struct CMUnitTest all[] = {
        TEST(test_asked),
        TEST(test_epoch),
        TEST(test_epoch_waits),
        TEST(test_seal_pcr7),
        TEST(test_wiped_header),
        TEST(test_label_alone),
        TEST(test_cut_after_release),
        TEST(test_cut_after_wipe),
        TEST(test_cut_while_made),
    };

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, opened_start, opened_stop)
                                : cmocka_run_group_tests(sample, opened_start, opened_stop);
}
