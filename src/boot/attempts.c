#include "boot/attempts.h"

#include <string.h>

#include "base/cursor.h"

static bool is_zero(const uint8_t guid[static ATTEMPTS_GUID_SIZE])
{
    static const uint8_t zeros[ATTEMPTS_GUID_SIZE];

    return memcmp(guid, zeros, sizeof(zeros)) == 0;
}

/* --- The variable --- */

void attempts_decode(const void *bytes, size_t size, struct attempts *ret)
{
    struct cursor c = cursor_make(bytes, size);
    bool good = size == ATTEMPTS_SIZE && cursor_u8(&c) == ATTEMPTS_SCHEMA;

    for (size_t i = 0; i < ATTEMPTS_SLOTS && good; i++) {
        struct attempts_slot *slot = &ret->slots[i];
        uint8_t failed;

        cursor_copy(&c, slot->guid, sizeof(slot->guid));
        slot->count = cursor_u8(&c);
        failed = cursor_u8(&c);
        slot->failed = failed == 1;
        good = failed <= 1;
    }
    if (!good)
        *ret = (struct attempts){ .slots = { { .count = 0 } } };
}

void attempts_encode(const struct attempts *a, uint8_t ret_bytes[static ATTEMPTS_SIZE])
{
    uint8_t *p = ret_bytes;

    *p++ = ATTEMPTS_SCHEMA;
    for (size_t i = 0; i < ATTEMPTS_SLOTS; i++) {
        memcpy(p, a->slots[i].guid, ATTEMPTS_GUID_SIZE);
        p += ATTEMPTS_GUID_SIZE;
        *p++ = a->slots[i].count;
        *p++ = a->slots[i].failed;
    }
    CHECK(p == ret_bytes + ATTEMPTS_SIZE);
}

int attempts_find(const struct attempts *a, const uint8_t guid[static ATTEMPTS_GUID_SIZE])
{
    for (size_t i = 0; i < ATTEMPTS_SLOTS; i++) {
        if (memcmp(a->slots[i].guid, guid, ATTEMPTS_GUID_SIZE) == 0)
            return (int)i;
    }
    return -1;
}

bool attempts_is_pair(const struct attempts *a)
{
    return !is_zero(a->slots[0].guid) && !is_zero(a->slots[1].guid);
}

void attempts_forget(struct attempts *a)
{
    for (size_t i = 0; i < ATTEMPTS_SLOTS; i++) {
        a->slots[i].count = 0;
        a->slots[i].failed = false;
    }
}

/* --- The policy --- */

static bool other_is_usable(const struct attempts_boot *boot)
{
    return boot->other_has_entry && !boot->all.slots[1 - boot->own].failed;
}

const uint8_t *attempts_place(struct attempts_boot *boot,
                              const uint8_t guid[static ATTEMPTS_GUID_SIZE])
{
    int found = attempts_find(&boot->all, guid);
    const uint8_t *other;

    /* A start from no partition has its place, too, and never another slot. */
    if (found < 0 || (is_zero(guid) && !is_zero(boot->all.slots[1 - found].guid))) {
        boot->all = (struct attempts){ .slots = { { .count = 0 } } };
        memcpy(boot->all.slots[0].guid, guid, ATTEMPTS_GUID_SIZE);
        found = 0;
    }
    boot->own = (size_t)found;
    other = boot->all.slots[1 - found].guid;
    return is_zero(other) ? NULL : other;
}

enum attempts_start attempts_start(struct attempts_boot *boot)
{
    struct attempts_slot *own = &boot->all.slots[boot->own];

    if (own->count >= ATTEMPTS_MAX)
        return ATTEMPTS_TOO_MANY;
    own->count++; /* of a redirection too: the firmware may refuse the other slot, for ever */
    if (own->failed && other_is_usable(boot) && boot->all.slots[1 - boot->own].count > 0) {
        boot->redirected = true;
        return ATTEMPTS_REDIRECT;
    }
    return ATTEMPTS_GO;
}

bool attempts_can_leave(const struct attempts_boot *boot)
{
    return (boot->known || boot->on_trial) && !boot->all.slots[boot->own].failed &&
           other_is_usable(boot);
}

bool attempts_is_last(const struct attempts_boot *boot)
{
    const struct attempts_slot *own = &boot->all.slots[boot->own];

    return own->count >= ATTEMPTS_MAX && !own->failed && other_is_usable(boot);
}

enum attempts_ending attempts_after_failure(struct attempts_boot *boot)
{
    struct attempts_slot *own = &boot->all.slots[boot->own];

    if (!boot->known)
        return attempts_can_leave(boot) ? ATTEMPTS_REBOOT : ATTEMPTS_HALT;
    if (boot->redirected)
        return ATTEMPTS_OTHER;
    if (attempts_can_leave(boot)) {
        own->failed = true;
        own->count = 0;
        return ATTEMPTS_OTHER;
    }
    if (!own->failed && !boot->other_has_entry && own->count < ATTEMPTS_MAX)
        return ATTEMPTS_REBOOT;
    attempts_forget(&boot->all);
    return ATTEMPTS_HALT;
}
