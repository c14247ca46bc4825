/* Two slots: a damaged one leads to the other one, which says why; two damaged ones end in a halt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "two_slots.h"

#define IMAGE "EFI/broch/system.erofs"

/* In the first block of the image: stage 1 makes the device, and the mount reads it. */
enum { OFFSET_OF_SUPERBLOCK = 1024 };

static void use_two_slots(struct place *place)
{
    place->config.secure_boot = false;
    place->config.keys = NULL;
    place->config.tpm = false;
    assert_int_equal(vm_open(&place->config, &place->vm, &place->f), 0);
    two_slots_entries(place, place_path(place, "machine/variables-setup.fd"));
}

/* Waits for the first of these texts, and fails unless it is this one. Returns its line. */
static const char *await_first(struct place *place, const char *wanted, const char *other)
{
    const char *const texts[] = { wanted, other };
    struct vm_match match = { .index = ARRAY_SIZE(texts) };

    assert_int_equal(
        vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f), 0);
    if (match.index != 0)
        fail_msg("expected '%s', got: %s", wanted, match.line);
    return match.line;
}

static void expect_slot_b(struct place *place, const char *reason)
{
    const char *line = await_first(place, "broch ready ", "status=fail");

    assert_non_null(strstr(line, "slot=B"));
    login(place);
    expect(place, false, "grep last_failure /run/broch/boot.json", reason);
    expect(place, false, "broch status --last-failure", reason);
}

/* A file that is not there: stage 1 finds out, so one restart is enough. */
static void test_missing_image(void **state)
{
    struct place *place = *state;

    two_slots_fill_b(place, artifact("linux.efi"));
    slot_remove(place, IMAGE);
    use_two_slots(place);
    start(place);
    expect_refusal(place, "BR-BOOT-IMAGE-MISSING");
    (void)await_first(place, "end=other", "end=");
    expect_slot_b(place, "slot=A BR-BOOT-IMAGE-MISSING step=image");
    assert_int_equal(vm_counts(place->vm).guest_resets, 1);
}

/* A block that is not what was signed: dm-verity restarts the machine and asks nobody. Two such
 * starts are enough. */
static void test_damaged_image(void **state)
{
    struct place *place = *state;
    const char *image = copy_artifact(place, "system.erofs");

    two_slots_fill_b(place, artifact("linux.efi"));
    flip(place, image, OFFSET_OF_SUPERBLOCK);
    slot_put(place, image, IMAGE);
    use_two_slots(place);
    start(place);
    (void)await_first(place, "is corrupted", "broch ready ");
    (void)await_first(place, "step=cmdline status=ok", "broch ready ");
    (void)await_first(place, "is corrupted", "broch ready ");
    expect_slot_b(place, "slot=A BR-BOOT-ATTEMPTS step=attempts");
    expect(place, false, "broch status", "panic before dm-verity device corrupted");
    assert_int_equal(vm_counts(place->vm).guest_resets, 2);
}

static void test_both_damaged(void **state)
{
    struct place *place = *state;
    const char *line;

    two_slots_fill_b(place, artifact("linux.efi"));
    slot_remove(place, IMAGE);
    place->slot = SLOT_B;
    slot_remove(place, IMAGE);
    use_two_slots(place);
    start(place);
    (void)await_first(place, "end=other", "end=reboot");
    (void)await_first(place, "starting Boot0B0B", "starting Boot0A0A");
    line = await_first(place, "end=halt", "broch ready ");
    assert_non_null(strstr(line, "BR-BOOT-IMAGE-MISSING"));
    assert_int_equal(vm_counts(place->vm).guest_resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
        TEST(test_missing_image),
        TEST(test_damaged_image),
        TEST(test_both_damaged),
#undef TEST
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
