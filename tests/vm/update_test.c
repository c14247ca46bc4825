/* Releases that a machine does not take. What comes after one that it takes is in power_test.c and
 * trial_test.c. BROCH_NEXT_GENERATION names the folder of a newer generation of the same profile
 * and keys. */
#include <fcntl.h>
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
#include "offered.h"
#include "trust/manifest.h"
#include "trust/minisign.h"

static void boot(struct place *place)
{
    place->config.network = VM_NETWORK_USER;
    start(place);
    (void)expect_ready(place);
    login(place);
    offered_await_network(place);
}

/* --- Refused: what there is stays as it is --- */

/* Firmware's entries and the state, as one line of sums. */
#define TOLD                                                                                       \
    "cat /sys/firmware/efi/efivars/Boot[0-9NO]* /sys/firmware/efi/efivars/Broch* "                 \
    "/var/lib/broch/update/state.json 2>/dev/null | sha256sum"
#define FILL "/var/lib/broch/fill"

static void flip_byte(enum offered_file file, size_t at)
{
    ((char *)(uintptr_t)offered_answers[file].body)[at] ^= 1;
}

static void bad_signature(struct place *place)
{
    (void)place;
    flip_byte(OFFERED_MANIFEST, 100);
}

static void changed_file(struct place *place)
{
    (void)place;
    flip_byte(OFFERED_UKI, 5000);
}

static void truncated(struct place *place)
{
    struct test_answer *answer = &offered_answers[OFFERED_UKI];

    (void)place;
    answer->size -= 4096;
    answer->header = text_make("Content-Length: %zu\r\n", answer->size);
    assert_non_null(answer->header);
}

/* Signed by the right key: only what it says is wrong. */
static void sign_again(struct manifest *m)
{
    _cleanup_free_ char *key = text_make("%s/release.key", fixture_keys);
    struct test_answer *const manifest = &offered_answers[OFFERED_MANIFEST];
    struct test_answer *const signature = &offered_answers[OFFERED_SIGNATURE];
    static struct text text;
    struct failure f = FAILURE_NONE;
    char *bytes;

    text_done(&text);
    text = (struct text)TEXT_INIT;
    (void)snprintf(m->name, sizeof(m->name), "%.40s-%.40s-%.40s", m->version, m->profile, m->arch);
    manifest_format(m, &text);
    assert_int_equal(minisign_sign(key, text_string(&text), text.length, "test", &bytes, &f), 0);
    manifest->body = text_string(&text);
    manifest->size = text.length;
    manifest->header = text_make("Content-Length: %zu\r\n", text.length);
    signature->body = bytes;
    signature->size = strlen(bytes);
    signature->header = text_make("Content-Length: %zu\r\n", strlen(bytes));
    assert_true(manifest->header && signature->header);
}

static struct manifest read_offered(void)
{
    const struct test_answer *answer = &offered_answers[OFFERED_MANIFEST];
    struct failure f = FAILURE_NONE;
    struct manifest m;

    assert_int_equal(manifest_parse("offered", (const uint8_t *)answer->body, answer->size, &m, &f),
                     0);
    return m;
}

static void other_profile(struct place *place)
{
    struct manifest m = read_offered();

    (void)place;
    (void)snprintf(m.profile, sizeof(m.profile), "desk");
    sign_again(&m);
}

static void older_epoch(struct place *place)
{
    struct manifest m = read_offered();

    (void)place;
    assert_true(m.epoch > 0);
    m.epoch--;
    sign_again(&m);
}

static void no_space(struct place *place)
{
    free(as_root(place, "fallocate -l $(($(stat -f -c '%a*%S' /var) - 33554432)) " FILL "; sync"));
}

static const struct refusal {
    const char *name;
    void (*spoil)(struct place *place);
    const char *status, *code;
} refusals[] = {
    { "bad signature", bad_signature, "status=13", "BR-UPDATE-SIGNATURE" },
    { "changed file", changed_file, "status=13", "BR-UPDATE-HASH" },
    { "other profile", other_profile, "status=1", "BR-UPDATE-KIND" },
    { "older epoch", older_epoch, "status=13", "BR-UPDATE-EPOCH" },
    { "truncated", truncated, "status=13", "BR-UPDATE-HASH" },
    { "no space", no_space, "status=12", "BR-UPDATE-SPACE" },
};

/* Whether the other slot on the disk is what it was when the machine was made. */
static bool slot_is_untouched(const struct place *place)
{
    enum { CHUNK = 1 << 20, SECTOR_SIZE = 512 };
    static uint8_t now[CHUNK], former[CHUNK];
    _cleanup_close_ int disk = open(place->disk, O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int pristine = open(artifact("disk.raw"), O_RDONLY | O_CLOEXEC);
    uint64_t first, next;
    uint8_t guid[16];

    assert_true(disk >= 0 && pristine >= 0);
    read_partition(place, 1, guid, &first);
    read_partition(place, 2, guid, &next);
    assert_true(next > first);
    for (uint64_t at = first * SECTOR_SIZE; at + CHUNK <= next * SECTOR_SIZE; at += CHUNK) {
        ssize_t size = pread(pristine, former, CHUNK, (off_t)at);

        assert_int_equal(pread(disk, now, CHUNK, (off_t)at), CHUNK);
        assert_true(size >= 0);
        memset(former + size, 0, (size_t)(CHUNK - size));
        if (memcmp(now, former, CHUNK) != 0)
            return false;
    }
    return true;
}

/* Two updaters at once: the first one waits for a server that says no more. What a person decides
 * does not wait for it. */
static void expect_busy(struct place *place)
{
    const char *server;
    _cleanup_free_ char *command = NULL;

    offered_prepare();
    offered_answers[OFFERED_UKI].cut = 1000;
    offered_answers[OFFERED_UKI].pace = TEST_PACE_STALL;
    server = test_server_start(offered_answers);
    offered_apply(place, server, "--no-reboot");
    await_as(place, false, "cat " OFFERED_LOG, "find", true);
    await_as(place, true, "ls -s /var/lib/broch/update/*/linux.efi.partial", "partial", true);
    command = text_make("broch update apply --from http://10.0.2.2:%s/r; echo status=$?",
                        strrchr(server, ':') + 1);
    expect(place, true, command, "BR-UPDATE-BUSY");
    expect(place, true, "broch update rollback; echo status=$?", "BR-UPDATE-NO-SLOT");
    (void)test_server_stop();
}

static void test_refused(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *told = NULL;
    uint8_t guid[16];
    uint64_t sector;

    boot(place);
    await_as(place, true, "ls /sys/firmware/efi/efivars", "BrochAttempts", true);
    await_as(place, false, "broch service status verdict --json", "\"done\"", true);
    told = as_root(place, TOLD);
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const char *server;

        print_message("%s\n", refusals[i].name);
        offered_prepare();
        refusals[i].spoil(place);
        server = test_server_start(offered_answers);
        offered_apply(place, server, "");
        await_as(place, false, "cat " OFFERED_LOG, refusals[i].status, true);
        expect(place, false, "cat " OFFERED_LOG, refusals[i].code);
        (void)test_server_stop();
    }
    free(as_root(place, "rm " FILL "; sync"));
    expect_busy(place);
    expect(place, true, TOLD, told);
    expect_not(place, true, "echo >>/var/lib/broch/update/state.json; " TOLD, told);
    free(as_root(place, "rm /var/lib/broch/update/state.json"));
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    assert_int_equal(vm_power_cut(place->vm, &place->f), 0);
    assert_true(slot_is_untouched(place));
    read_partition(place, 1, guid, &sector);
    flip(place, place->disk, sector * 512 + 700000); /* one bit would be seen */
    assert_false(slot_is_untouched(place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, place_setup, place_teardown),
    };

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, offered_start, NULL);
}
