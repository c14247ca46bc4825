/* attempts: count this start, show why the last one failed, and learn what the firmware says about
 * itself. */
#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "boot/stage1.h"
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

/* A count that cannot be read or kept is no count: then the first failure halts. */
static int count(struct stage1 *s, struct failure *f)
{
    unsigned next;
    uint8_t value = 0;
    int r =
        efivars_read(s->efivars_fd, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, &value, sizeof(value));

    if (r < 0 && r != -ENOENT) {
        stage1_note(s, "attempts-unknown", strerror(-r));
        return 0;
    }
    if (!attempts_start(value, &next)) {
        s->attempts = (struct attempts){ .known = true, .current = value };
        s->facts.attempts = value;
        return failure_set(f, f->code, -EKEYREJECTED, "%u starts without 'broch ready': %s",
                           (unsigned)value,
                           s->facts.last_failure[0] ? s->facts.last_failure : "no reason kept");
    }
    value = (uint8_t)next;
    r = efivars_write(s->efivars_fd, EFIVARS_ATTEMPTS, &value, sizeof(value));
    if (r < 0) {
        stage1_note(s, "attempts-unknown", strerror(-r));
        return 0;
    }
    s->attempts = (struct attempts){ .known = true, .current = next };
    s->facts.attempts = next;
    return 0;
}

/* Which partition the loader came from. Without the variable, or with an empty one, it came from no
 * partition. */
static int read_identity(struct stage1 *s, struct failure *f)
{
    uint8_t value[2 * (PARTITION_UUID_LENGTH + 1)];
    int r = efivars_read(s->efivars_fd, "LoaderDevicePartUUID", EFIVARS_GUID_LOADER, value,
                         sizeof(value));

    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = partition_uuid_decode(value, (size_t)r, &s->slot_uuid);
    return r < 0 ? failure_set(f, CODE_BOOT_SLOT_MISSING, r, "LoaderDevicePartUUID is malformed")
                 : 0;
}

int step_attempts(struct stage1 *s, struct failure *f)
{
    int r;

    if (s->efivars_fd < 0) {
        s->facts.secureboot = FACTS_OFF; /* no EFI, so nothing was verified */
        s->facts.setupmode = FACTS_UNKNOWN;
        return 0;
    }
    s->facts.secureboot = read_switch(s, "SecureBoot");
    s->facts.setupmode = read_switch(s, "SetupMode");
    show_last_failure(s);
    r = count(s, f);
    return r < 0 ? r : read_identity(s, f);
}
