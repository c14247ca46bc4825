/* What the tests of whole machines share: a place with a copy of the generation's disk, ways to
 * tamper with it, and the three ends that a boot may have.
 *
 * The environment names the generation (BROCH_GENERATION: its folder), the tools tree (BROCH_TREE)
 * and the private keys that signed it (BROCH_KEYS); a missing one fails every test. Functions fail
 * the running test by themselves, so they return nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "trust/manifest.h"
#include "sys/spawn.h"
#include "vm/vm.h"

/* Long enough for an emulated machine that shares its processors; a good boot takes a tenth. */
#define PATIENCE_NS (240 * NS_PER_S)

struct place {
    char *folder;
    char *disk; /* copy of disk.raw */
    char *machine;
    unsigned slot; /* that the functions below are about: 0 is A, 1 is B */
    struct vm_config config;
    struct vm *vm;
    struct failure f;
};

extern const char *fixture_tree;
extern const char *fixture_generation;
extern const char *fixture_keys;
extern struct manifest fixture_manifest;

/* cmocka group setup: reads the environment and the manifest. */
int fixture_start(void **state);

/* A new place; *state of a cmocka setup. The machine has firmware, Secure Boot, TPM and one disk.
 */
int place_setup(void **state);

/* The same with a copy of another disk. */
int place_make(void **state, const char *disk);
int place_teardown(void **state);

/* "<folder>/<name>", freed with the place's process: tests are short. */
const char *place_path(struct place *place, const char *name);

/* Path of an artifact of the generation. */
const char *artifact(const char *name);

/* Runs a program of the tools tree with the place's folder, the generation and the keys at their
 * own paths. */
void in_tree(struct place *place, const struct arguments *arguments);
char *in_tree_output(struct place *place, const struct arguments *arguments);

/* One entry of the disk's partition table: the GUID as it is there, and the first sector. */
void read_partition(const struct place *place, unsigned index, uint8_t ret_guid[static 16],
                    uint64_t *ret_sector);

/* Files of the slot, "EFI/broch/linux.efi": of A unless the place says B. */
void slot_put(struct place *place, const char *file, const char *target);
void slot_take(struct place *place, const char *source, const char *file);
void slot_remove(struct place *place, const char *target);
void slot_make_folder(struct place *place, const char *target);

/* Puts a UKI where the firmware finds it: both names in slot A. */
void slot_put_uki(struct place *place, const char *file);

/* Inverts one bit of a file. */
void flip(struct place *place, const char *file, uint64_t offset);

/* Copies an artifact into the place and returns its path. */
const char *copy_artifact(struct place *place, const char *name);

/* Where `needle` first stands in a file; fails when it does not. */
uint64_t find_bytes(const char *file, const void *needle, size_t size);

/* A boot entry for slot A's linux.efi, first in BootOrder. */
void use_boot_entry(struct place *place, const char *options);

/* Without firmware, Secure Boot and TPM: kernel and initrd with this command line, and a system
 * image as the only disk. */
void use_direct(struct place *place, const char *cmdline, const char *image);

void start(struct place *place);

/* Waits for `broch ready`; another end fails the test. Returns the line. */
const char *expect_ready(struct place *place);

/* Waits for stage 1's refusal with this code; `broch ready` fails the test. */
void expect_refusal(struct place *place, const char *code);

/* Waits for the firmware's refusal; any sign of the kernel fails the test. */
void expect_firmware_refusal(struct place *place);

/* Waits for a restart caused by dm-verity, without `broch ready`. */
void expect_corruption_restart(struct place *place);

/* Logs in as admin on the serial console, runs a command, returns what it printed (freed by the
 * caller). The first call logs in. */
void login(struct place *place);
char *run_inside(struct place *place, const char *command);

/* The same as root: doas is made to ask for admin's password, and gets it. The command is a line
 * for sh; its status is not looked at. */
char *as_root(struct place *place, const char *command);

/* Runs a command, as admin or as root, whose output must hold the text, or must not. */
void expect(struct place *place, bool root, const char *command, const char *text);
void expect_not(struct place *place, bool root, const char *command, const char *text);

/* Asks again and again until the answer holds the text (`there`), or no more: what is awaited
 * happens in the machine, and each question is a round through it. */
void await_as(struct place *place, bool root, const char *command, const char *text, bool there);
