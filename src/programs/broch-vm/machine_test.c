#include "programs/broch-vm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "programs/broch-vm/fixture_test.h"
#include "sys/efivars.h"
#include "sys/file.h"
#include "vm/variables.h"

static const char *tree;

static struct machine_request request(const struct place *place)
{
    return (struct machine_request){ .name = "fake",
                                     .tree = tree,
                                     .cache = place->folder,
                                     .memory_bytes = 128 * MIB,
                                     .emulate = true };
}

/* A generation with a disk to boot from, which is never booted here. */
static void prepare(struct place *place, struct generation *generation)
{
    const struct vm_disk blank = { .path = NULL };
    _cleanup_free_ char *folder = text_make("%s/broch-v1-fake-x86_64", place->out);
    struct vm_disk base = blank;

    make_generation(place->out, "v1-fake-x86_64", "fake");
    assert_int_equal(generation_find(place->out, "fake", generation, &f), 0);
    base.path = generation->system;
    assert_int_equal(vm_disk_overlay(tree, folder, "disk.qcow2", &base, &f), 0);
}

/* The overlay lives as long as the file that it stands on, and not longer. */
static void test_overlay(void **state)
{
    struct place *place = *state;
    struct machine_request wanted = request(place);
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT, second = MACHINE_INIT;
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    bool new_disk = false;

    prepare(place, &generation);
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    assert_true(new_disk);
    assert_true(machine_open(&wanted, &generation, &second, &new_disk, &f) < 0);
    assert_int_equal(f.code, CODE_VM_BUSY);
    machine_done(&machine);
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    assert_false(new_disk);
    machine_done(&machine);
    assert_int_equal(utimensat(AT_FDCWD, generation.disk, times, 0), 0); /* built again */
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    assert_true(new_disk);
    machine_done(&machine);
    machine_done(&machine); /* nothing left to end: fine */
    generation_done(&generation);
}

/* Leaves in the machine what a bad generation leaves: a counted attempt, and secrets in the TPM. */
static void leave_state(const struct machine *machine)
{
    static const struct vm_variable attempts = { EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH,
                                                 VM_VARIABLE_NON_VOLATILE | VM_VARIABLE_BOOT |
                                                     VM_VARIABLE_RUNTIME,
                                                 "02" };
    _cleanup_free_ char *store = text_make("%s/variables-setup.fd", machine->folder);
    _cleanup_free_ char *tpm = text_make("%s/tpm", machine->folder);

    assert_int_equal(vm_variables_set(tree, store, &attempts, &f), 0);
    write_in(tpm, "tpm2-00.permall", "secret", 6);
    write_in(machine->folder, "variables.fd", "of a run with Secure Boot", 25);
}

static void expect_state(const struct machine *machine, bool there)
{
    _cleanup_free_ char *store = text_make("%s/variables-setup.fd", machine->folder);
    _cleanup_free_ char *other = text_make("%s/variables.fd", machine->folder);
    _cleanup_free_ char *secret = text_make("%s/tpm/tpm2-00.permall", machine->folder);
    _cleanup_free_ char *hex = NULL;

    assert_int_equal(vm_variables_get(tree, store, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, &hex, &f),
                     there ? 0 : -ENOENT);
    assert_int_equal(file_exists(other), there);
    assert_int_equal(file_exists(secret), there);
}

/* What the machine remembers belongs to its disk: attempts counted by a bad generation must not
 * halt the first boot of the next one. */
static void test_new_disk_new_machine(void **state)
{
    struct place *place = *state;
    struct machine_request wanted = request(place);
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT;
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    _cleanup_free_ char *note = NULL;
    bool new_disk;

    prepare(place, &generation);
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    expect_state(&machine, false);
    leave_state(&machine);
    note = text_make("%s/disk.base", machine.folder);
    machine_done(&machine);
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    expect_state(&machine, true);
    machine_done(&machine);
    assert_int_equal(utimensat(AT_FDCWD, generation.disk, times, 0), 0); /* built again */
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    expect_state(&machine, false);
    leave_state(&machine);
    machine_done(&machine);
    assert_int_equal(unlink(note), 0); /* killed while the disk was made */
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    expect_state(&machine, false);
    machine_done(&machine);
    generation_done(&generation);
}

/* A live medium beside the generation's folder; the machine has no disk of its own. */
static void test_live(void **state)
{
    struct place *place = *state;
    struct machine_request wanted = request(place);
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT;
    bool new_disk;

    prepare(place, &generation);
    wanted.medium = MACHINE_CD;
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), -ENOENT);
    assert_int_equal(f.code, CODE_VM_GENERATION);
    assert_non_null(strstr(f.text, "broch build --iso"));
    assert_int_equal(file_write(generation.live, "medium", 6, 0600, &f), 0);
    for (wanted.medium = MACHINE_CD; wanted.medium <= MACHINE_STICK; wanted.medium++) {
        assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
        assert_false(new_disk);
        assert_false(file_exists(machine.overlay));
        machine_done(&machine);
    }
    generation_done(&generation);
}

static void test_snapshot_keeps_nothing(void **state)
{
    struct place *place = *state;
    struct machine_request wanted = request(place);
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT, second = MACHINE_INIT;
    _cleanup_free_ char *folder = NULL;
    bool new_disk;

    wanted.snapshot = true;
    prepare(place, &generation);
    assert_int_equal(machine_open(&wanted, &generation, &machine, &new_disk, &f), 0);
    folder = text_make("%s", machine.folder);
    assert_true(machine_open(&wanted, &generation, &second, &new_disk, &f) < 0);
    assert_int_equal(f.code, CODE_VM_BUSY);
    assert_true(file_exists(folder)); /* the refused one did not remove it */
    machine_done(&machine);
    assert_false(file_exists(folder));
    generation_done(&generation);
}

static void test_refusals(void **state)
{
    static const char longest[] = "0123456789012345678901234567890123456789012345678901234567890123"
                                  "4";
    static const char *const names[] = { "", ".", "..", "a/b", "a b", "a.b", longest };
    struct place *place = *state;
    struct machine_request wanted = request(place);
    struct generation generation = GENERATION_INIT;
    struct machine machine = MACHINE_INIT;
    bool new_disk;

    prepare(place, &generation);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        wanted.name = names[i];
        assert_true(machine_open(&wanted, &generation, &machine, &new_disk, &f) < 0);
        assert_int_equal(f.code, CODE_USAGE);
    }
    wanted.name = "fake";
    wanted.cpus = (uint64_t)UINT32_MAX + 2; /* would be 1 as an unsigned */
    assert_true(machine_open(&wanted, &generation, &machine, &new_disk, &f) < 0);
    assert_int_equal(f.code, CODE_USAGE);
    wanted.cpus = 1;
    wanted.disk = "/no/such/disk";
    assert_true(machine_open(&wanted, &generation, &machine, &new_disk, &f) < 0);
    wanted.disk = NULL;
    assert_int_equal(unlink(generation.disk), 0);
    assert_true(machine_open(&wanted, &generation, &machine, &new_disk, &f) < 0);
    assert_null(machine.vm);
    generation_done(&generation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_overlay),  TEST(test_new_disk_new_machine),
        TEST(test_live),     TEST(test_snapshot_keeps_nothing),
        TEST(test_refusals),
    };

    tree = getenv("BROCH_TREE");
    if (!tree) {
        print_error("BROCH_TREE does not name the tools tree\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
