#include "two_slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hex.h"
#include "boot/attempts.h"
#include "sys/efivars.h"
#include "vm/variables.h"

void two_slots_fill_b(struct place *place, const char *uki)
{
    place->slot = SLOT_B;
    slot_make_folder(place, "EFI");
    slot_make_folder(place, "EFI/broch");
    slot_put(place, artifact("system.erofs"), "EFI/broch/system.erofs");
    slot_put(place, uki, "EFI/broch/linux.efi");
    place->slot = 0;
}

static void set_entry(struct place *place, const char *store, uint16_t number, unsigned slot,
                      struct attempts *attempts)
{
    static const char *const descriptions[] = { "Broch A", "Broch B" };
    struct vm_boot_entry entry = { .number = number,
                                   .description = descriptions[slot],
                                   .partition = attempts->slots[slot].guid,
                                   .partition_number = slot + 1,
                                   .file = "\\EFI\\broch\\linux.efi" };
    uint64_t sector;

    read_partition(place, slot, attempts->slots[slot].guid, &sector);
    assert_int_equal(vm_variables_set_boot_entry(fixture_tree, store, &entry, &place->f), 0);
}

void two_slots_entries(struct place *place, const char *store)
{
    static const uint16_t order[] = { TWO_SLOTS_ENTRY_A, TWO_SLOTS_ENTRY_B };
    struct attempts attempts = { .slots = { { .count = 0 } } };
    uint8_t bytes[ATTEMPTS_SIZE];
    char hex[2 * ATTEMPTS_SIZE + 1];
    const struct vm_variable variable = { EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH,
                                          VM_VARIABLE_NON_VOLATILE | VM_VARIABLE_BOOT |
                                              VM_VARIABLE_RUNTIME,
                                          hex };

    set_entry(place, store, TWO_SLOTS_ENTRY_A, 0, &attempts);
    set_entry(place, store, TWO_SLOTS_ENTRY_B, SLOT_B, &attempts);
    assert_int_equal(vm_variables_set_boot_order(fixture_tree, store, order, 2, &place->f), 0);
    attempts_encode(&attempts, bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    assert_int_equal(vm_variables_set(fixture_tree, store, &variable, &place->f), 0);
}
