/* What firmware and stage 1 would start of a disk and a variable store, found out without a start:
 * for states of which there are too many to boot each. The tests that do boot some compare.
 *
 * Firmware (UEFI 2.10, 3.1) tries BootNext, then BootOrder; an entry that names no partition of
 * ours stands for \EFI\BOOT\BOOTX64.EFI of the first slot where that can be read (EDK II,
 * BmGetNextLoadOptionBuffer()). What Secure Boot refuses it leaves out. Stage 1 takes system.erofs
 * of the same slot. Both are compared with the generations byte by byte, whenever something of them
 * was written to since the last look. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/fat.h"

enum { STARTABLE_SLOTS = 2, STARTABLE_GENERATIONS = 2, STARTABLE_NONE = -1 };

/* The files of a generation, mapped. */
struct startable_generation {
    const uint8_t *uki, *system;
    size_t uki_size, system_size;
};

/* A file of a slot, compared once. */
struct startable_file {
    bool there;           /* has its name, and as BOOTX64.EFI its clusters */
    bool compared;        /* and nothing of it was written to since */
    struct fat_file file; /* as it was then */
    uint64_t first, end;  /* its bytes, of the disk */
    unsigned same;        /* generations whose file it is, a bit each */
};

enum startable_name { STARTABLE_UKI, STARTABLE_SYSTEM, STARTABLE_DEFAULT, STARTABLE_NAMES };

struct startable_slot {
    uint8_t guid[16];
    uint64_t first, end; /* bytes of the disk */
    bool changed;        /* written to since it was looked at */
    struct startable_file files[STARTABLE_NAMES];
    bool default_good; /* BOOTX64.EFI is the boot file of the generation below */
    int generation;    /* that is there as a whole, by its number; STARTABLE_NONE */
};

/* A disk, mapped. */
struct startable_disk {
    const uint8_t *bytes;
    uint64_t size;
    struct startable_slot slots[STARTABLE_SLOTS];
};

/* Reads where the slots lie; fails the test when there is no such table. */
void startable_open(struct startable_disk *disk, const uint8_t *bytes, uint64_t size);

/* These bytes were changed. */
void startable_touch(struct startable_disk *disk, uint64_t offset, uint64_t length);

enum startable_by { STARTABLE_BY_NEXT, STARTABLE_BY_ORDER, STARTABLE_BY_DEFAULT };

struct startable {
    int slot; /* that is started; STARTABLE_NONE */
    enum startable_by by;
    int generation;
    bool next;                   /* there is a BootNext */
    bool entry[STARTABLE_SLOTS]; /* each slot has an active entry */
    int without_variables;       /* the slot when the variable store is lost; STARTABLE_NONE */
    const char *wrong;           /* a thing that must never be; NULL */
};

/* Looks at the disk with these bytes of flash. */
struct startable startable_look(struct startable_disk *disk,
                                const struct startable_generation *generations,
                                const uint8_t *flash, size_t flash_size);
