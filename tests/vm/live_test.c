/* The live medium: the same bytes as a CD and as a USB stick, under Secure Boot; what is damaged on
 * it is found like on a disk; and a computer's own disk and firmware are left alone. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fixture.h"
#include "image/artifact.h"
#include "sys/file.h"

/* Of a disk: both copies of its table, slot A's tables and the start of what would be persist. */
enum { COMPARED = 4 << 20 };

static const char *live_path;

static int live_start(void **state)
{
    int r = fixture_start(state);

    live_path = r == 0 ? text_make("%s.iso", fixture_generation) : NULL;
    return live_path ? 0 : -1;
}

static int live_setup(void **state)
{
    struct place *place;

    if (place_make(state, live_path) < 0)
        return -1;
    place = *state;
    place->config.disks[0].read_only = true;
    place->config.disks[0].interface = VM_DISK_CDROM;
    return 0;
}

static void expect_live(struct place *place)
{
    const char *ready = expect_ready(place);

    assert_non_null(strstr(ready, " slot=live "));
    assert_non_null(strstr(ready, " secureboot=on tpm=on "));
    login(place);
    expect(place, false, "broch status", "state        volatile");
    expect(place, false, "cat /run/broch/boot.json", "\"partuuid\": null");
    /* Another system's counts and reasons may stand there. */
    expect_not(place, true, "ls /sys/firmware/efi/efivars; echo", "BrochAttempts");
    expect(place, true, "broch update rollback; echo =$?", "BR-UPDATE-NO-SLOT");
}

static void test_cd(void **state)
{
    struct place *place = *state;

    start(place);
    expect_live(place);
    expect(place, false, "lsblk -n -o NAME,TYPE", "sr0");
}

static uint8_t *read_start(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = malloc(COMPARED);

    assert_true(fd >= 0 && bytes && read(fd, bytes, COMPARED) == COMPARED);
    return bytes;
}

/* Beside a disk with a generation that was never started, which would make its persist. */
static void test_stick_beside_a_disk(void **state)
{
    struct place *place = *state;
    const char *disk = place_path(place, "other.raw");
    _cleanup_free_ uint8_t *before = NULL, *after = NULL;

    assert_int_equal(file_copy(artifact("disk.raw"), disk, 0600, &place->f), 0);
    before = read_start(disk);
    place->config.disks[0].interface = VM_DISK_USB;
    place->config.disks[0].boot_index = 1;
    place->config.disks[1] =
        (struct vm_disk){ .path = disk, .format = VM_DISK_RAW, .boot_index = 2 };
    start(place);
    expect_live(place);
    free(as_root(place, "sync"));
    after = read_start(disk);
    assert_memory_equal(before, after, COMPARED);
}

/* Where a part of the medium begins in its file. */
static uint64_t part_at(struct place *place, bool system)
{
    struct artifact a;
    uint64_t at;

    assert_int_equal(artifact_open(place->disk, &a, &place->f), 0);
    assert_int_equal(a.kind, ARTIFACT_LIVE);
    at = find_bytes(place->disk, system ? a.pairs[0].system.bytes : a.pairs[0].uki.bytes, 4096);
    artifact_done(&a);
    return at;
}

static void test_flipped_image(void **state)
{
    struct place *place = *state;

    flip(place, place->disk, part_at(place, true) + 1024);
    start(place);
    expect_corruption_restart(place);
}

static void test_flipped_boot_file(void **state)
{
    struct place *place = *state;

    flip(place, place->disk, part_at(place, false) + (1 << 20));
    start(place);
    expect_firmware_refusal(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, live_setup, place_teardown)
        TEST(test_cd),
        TEST(test_stick_beside_a_disk),
        TEST(test_flipped_image),
        TEST(test_flipped_boot_file),
#undef TEST
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, live_start, NULL);
}
