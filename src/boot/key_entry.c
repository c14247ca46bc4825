#include "boot/key_entry.h"

#include <string.h>

#include "base/check.h"

enum { ERASE = 0x7f, BACKSPACE = 0x08, CANCEL = 0x03, KILL_LINE = 0x15 };

static enum key_entry_result add(struct key_entry *e, uint8_t digit)
{
    size_t start = e->count - e->count % RECOVERY_KEY_GROUP_DIGITS;

    CHECK(e->count < RECOVERY_KEY_DIGITS);
    e->digits[e->count++] = digit;
    if (e->count - start < RECOVERY_KEY_GROUP_DIGITS)
        return KEY_ENTRY_DIGIT;
    if (!recovery_key_group_fits(e->digits + start)) {
        explicit_bzero(e->digits + start, RECOVERY_KEY_GROUP_DIGITS);
        e->count = start;
        return KEY_ENTRY_BAD_GROUP;
    }
    return e->count == RECOVERY_KEY_DIGITS ? KEY_ENTRY_DONE : KEY_ENTRY_GROUP;
}

static enum key_entry_result erase(struct key_entry *e)
{
    if (e->count == 0)
        return KEY_ENTRY_NOTHING;
    e->digits[--e->count] = 0;
    return KEY_ENTRY_ERASED;
}

enum key_entry_result key_entry_feed(struct key_entry *e, uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return add(e, byte);
    if (byte == ERASE || byte == BACKSPACE)
        return erase(e);
    if (byte == CANCEL || byte == KILL_LINE) {
        key_entry_wipe(e);
        return KEY_ENTRY_CLEARED;
    }
    /* Nothing typed yet and Enter: the end of a paste, or somebody who wants to see the prompt. */
    return byte == '\r' || byte == '\n' ? KEY_ENTRY_SHORT : KEY_ENTRY_NOTHING;
}

unsigned key_entry_group(const struct key_entry *e)
{
    return (unsigned)(e->count / RECOVERY_KEY_GROUP_DIGITS) + 1;
}

void key_entry_wipe(struct key_entry *e)
{
    explicit_bzero(e, sizeof(*e));
}
