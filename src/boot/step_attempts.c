/* attempts: count this start, show why the last one failed, and learn what the firmware says about
 * itself. */
#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "boot/ending.h"
#include "boot/live.h"
#include "boot/stage1.h"
#include "sys/boot_manager.h"
#include "sys/efivars.h"

static enum facts_switch read_switch(const struct stage1 *s, const char *name)
{
    uint8_t value = 0;
    int r = efivars_read(s->efivars_fd, name, EFIVARS_GUID_GLOBAL, &value, sizeof(value));

    if (r == -ENOENT)
        return FACTS_OFF; /* firmware without Secure Boot has no such variable */
    return r != 1 ? FACTS_UNKNOWN : value == 1 ? FACTS_ON : FACTS_OFF;
}

/* The text is anybody's: only what is printable ASCII is kept. */
static void show_last_failure(struct stage1 *s)
{
    char reason[EFIVARS_REASON_MAX];
    struct line l = line_make(s->facts.last_failure, sizeof(s->facts.last_failure));
    int size =
        efivars_read(s->efivars_fd, EFIVARS_REASON, EFIVARS_GUID_BROCH, reason, sizeof(reason));

    for (int i = 0; i < size; i++)
        line_add_bytes(&l, reason[i] < ' ' || reason[i] > '~' ? "?" : &reason[i], 1);
    if (l.length > 0)
        stage1_note(s, "last-failure", s->facts.last_failure);
}

/* Which partition the loader came from. Without the variable, or with an empty one, it came from no
 * partition: then the GUID is zero. */
static int read_identity(struct stage1 *s, uint8_t ret_guid[static BOOT_ENTRY_GUID_SIZE],
                         struct failure *f)
{
    uint8_t value[2 * (PARTITION_UUID_LENGTH + 1)];
    int r = efivars_read(s->efivars_fd, "LoaderDevicePartUUID", EFIVARS_GUID_LOADER, value,
                         sizeof(value));

    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = partition_uuid_decode(value, (size_t)r, &s->slot_uuid);
    if (r == 0 && live_is_partition(&s->slot_uuid))
        s->slot_uuid.text[0] = '\0'; /* no slot: its image is found as on a CD */
    if (r == 0 && s->slot_uuid.text[0])
        r = boot_entry_guid_parse(s->slot_uuid.text, ret_guid);
    return r < 0 ? failure_set(f, CODE_BOOT_SLOT_MISSING, r, "LoaderDevicePartUUID is malformed")
                 : 0;
}

/* A list of entries that cannot be read is none: then this slot is alone. */
static void look_for_other(struct stage1 *s, const uint8_t *own, const uint8_t *other)
{
    static struct boot_manager manager;
    const struct boot_manager_entry *entry;
    int r;

    if (!other)
        return;
    r = boot_manager_read(s->efivars_fd, &manager);
    if (r < 0) {
        stage1_note(s, "boot-entries-unknown", strerror(-r));
        return;
    }
    entry = boot_manager_find(&manager, other);
    if (entry) {
        s->other_entry = entry->number;
        s->attempts.other_has_entry = true;
    }
    s->attempts.on_trial = boot_manager_first(&manager, own, other) == 1;
}

static int judge(const struct stage1 *s, enum attempts_start start, struct failure *f)
{
    const char *reason = s->facts.last_failure[0] ? s->facts.last_failure : "no reason kept";

    switch (start) {
    case ATTEMPTS_GO:
        break;
    case ATTEMPTS_TOO_MANY:
        return failure_set(f, CODE_BOOT_ATTEMPTS, -EKEYREJECTED,
                           "%u starts without 'broch ready': %s",
                           (unsigned)s->attempts.all.slots[s->attempts.own].count, reason);
    case ATTEMPTS_REDIRECT:
        return failure_set(f, CODE_BOOT_ATTEMPTS, -EKEYREJECTED,
                           "this slot failed, the other one is tried again: %s", reason);
    }
    return 0;
}

/* Without it a third start of this slot would find out the same. */
static void arm(struct stage1 *s)
{
    struct failure f = FAILURE_NONE;
    int r;

    if (!attempts_is_last(&s->attempts))
        return;
    r = boot_manager_write_next(s->efivars_fd, s->other_entry);
    if (r < 0) {
        stage1_note(s, "other-slot-not-next", strerror(-r));
        return;
    }
    s->attempts.armed = true;
    (void)failure_set(&f, CODE_BOOT_ATTEMPTS, -EKEYREJECTED, "%d starts without 'broch ready'",
                      ATTEMPTS_MAX);
    ending_keep_reason(s, "attempts", &f);
}

/* A count that cannot be read or kept is no count: then the first failure halts. */
static int count(struct stage1 *s, const uint8_t guid[static ATTEMPTS_GUID_SIZE], struct failure *f)
{
    uint8_t value[ATTEMPTS_SIZE];
    enum attempts_start start;
    int r = efivars_read(s->efivars_fd, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, value, sizeof(value));

    if (r < 0 && r != -ENOENT && r != -ERANGE) {
        stage1_note(s, "attempts-unknown", strerror(-r));
        return 0;
    }
    attempts_decode(value, r < 0 ? 0 : (size_t)r, &s->attempts.all);
    look_for_other(s, guid, attempts_place(&s->attempts, guid));
    start = attempts_start(&s->attempts);
    attempts_encode(&s->attempts.all, value);
    r = efivars_write(s->efivars_fd, EFIVARS_ATTEMPTS, value, sizeof(value));
    if (r < 0) {
        stage1_note(s, "attempts-unknown", strerror(-r));
        return 0;
    }
    s->attempts.known = true;
    s->facts.attempts = s->attempts.all.slots[s->attempts.own].count;
    if (start == ATTEMPTS_GO)
        arm(s);
    return judge(s, start, f);
}

int step_attempts(struct stage1 *s, struct failure *f)
{
    uint8_t guid[ATTEMPTS_GUID_SIZE] = { 0 };
    struct failure identity = FAILURE_NONE;
    int r;

    if (s->efivars_fd < 0) {
        s->facts.secureboot = FACTS_OFF; /* no EFI, so nothing was verified */
        s->facts.setupmode = FACTS_UNKNOWN;
        return 0;
    }
    s->facts.secureboot = read_switch(s, "SecureBoot");
    s->facts.setupmode = read_switch(s, "SetupMode");
    show_last_failure(s);
    r = read_identity(s, guid, &identity);
    if (count(s, guid, f) < 0)
        return f->cause;
    if (r < 0)
        *f = identity;
    return r;
}
