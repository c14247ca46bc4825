/* The firmware's list of what it may start: Boot#### with BootOrder and BootNext (UEFI 2.10, 3.1),
 * as far as it is about slots. Reads and writes efivarfs; never allocates, blocks on firmware.
 *
 * A slot's entry is one that starts BOOT_MANAGER_FILE of a GPT partition. Entries of others are
 * never changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/boot_entry.h"

#define BOOT_MANAGER_FILE "\\EFI\\broch\\linux.efi"

enum { BOOT_MANAGER_ENTRIES_MAX = 128, BOOT_MANAGER_ORDER_MAX = 256 };

struct boot_manager_entry {
    uint16_t number;
    bool is_slot; /* starts our file; then what follows is known */
    bool active;
    struct boot_partition partition;
    char description[BOOT_ENTRY_TEXT_SIZE];
};

struct boot_manager {
    size_t count;
    struct boot_manager_entry entries[BOOT_MANAGER_ENTRIES_MAX]; /* by number, ascending */
    size_t order_count;
    uint16_t order[BOOT_MANAGER_ORDER_MAX];
};

/* Reads all of it from the mounted efivarfs. An entry that cannot be understood is somebody else's.
 * Returns 0, -ERANGE when there are more entries than fit, -EBADMSG for a malformed BootOrder, or
 * another negative errno. */
MUST_USE int boot_manager_read(int efivars_fd, struct boot_manager *ret);

/* The slot's entry with the lowest place in BootOrder, else with the lowest number; NULL when the
 * partition has none. */
const struct boot_manager_entry *boot_manager_find(const struct boot_manager *manager,
                                                   const uint8_t guid[static BOOT_ENTRY_GUID_SIZE]);

/* Which of two slots the firmware starts by itself: 0 for `a`, 1 for `b`, by the first of their
 * active entries in BootOrder (it passes over one that a person switched off in its menu); -1 when
 * it has none of them. */
int boot_manager_first(const struct boot_manager *manager,
                       const uint8_t a[static BOOT_ENTRY_GUID_SIZE],
                       const uint8_t b[static BOOT_ENTRY_GUID_SIZE]);

/* Writes the slot's entry under this number, and reads it back. Returns 0 or a negative errno. */
MUST_USE int boot_manager_write_entry(int efivars_fd, uint16_t number, const char *description,
                                      const struct boot_partition *partition);

/* Writes BootOrder, or BootNext: what the firmware starts once, at its next start. Returns 0 or a
 * negative errno. An order has at least one number. */
MUST_USE int boot_manager_write_order(int efivars_fd, const uint16_t *numbers, size_t count);
MUST_USE int boot_manager_write_next(int efivars_fd, uint16_t number);
