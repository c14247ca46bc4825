/* Proves that somebody has the recovery key: it is tried on the header, and nothing is opened. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk/recovery_key.h"
#include "disk/volume.h"
#include "node/recovery_note.h"
#include "programs/broch-disk/actions.h"
#include "programs/broch-disk/state.h"
#include "programs/broch-disk/typed.h"

static int read_key(struct secret *ret, struct failure *f)
{
    char typed[RECOVERY_KEY_TYPED_MAX + 1];
    unsigned group = 0;
    int r = typed_read(STDIN_FILENO, "recovery key (not shown): ", typed, sizeof(typed));

    if (r < 0)
        return failure_set(f, CODE_IO, r, "nothing was typed");
    r = recovery_key_parse(typed, (size_t)r, ret, &group);
    explicit_bzero(typed, sizeof(typed));
    if (r == -EBADMSG)
        return failure_set(f, CODE_PERSIST_KEY, r, "group %u of %d is mistyped or incomplete",
                           group, RECOVERY_KEY_GROUPS);
    return r < 0 ? failure_set(f, CODE_PERSIST_KEY, r, "this is more than a key") : 0;
}

int action_recovery_verify(const struct action_options *options, struct failure *f)
{
    _cleanup_volume_ struct volume *v = NULL;
    _cleanup_secret_ struct secret digits = SECRET_INIT, key = SECRET_INIT;
    struct binding b;
    struct state s;
    int r = state_read(&s, f);

    (void)options;
    if (r == 0)
        r = state_open_volume(&s, &v, f);
    if (r == 0)
        r = volume_binding(v, &b, f);
    /* Where it is refused, the key is in memory that may be swapped; there is no swap. */
    (void)mlockall(MCL_CURRENT);
    if (r == 0)
        r = read_key(&digits, f);
    if (r == 0)
        r = volume_unlock_recovery(v, &digits, &key, f);
    if (r == 0)
        r = recovery_note_write(RECOVERY_NOTE_PATH, s.uuid, f);
    if (r == 0)
        (void)puts("This key opens the disk. Keep it where the machine is not.");
    return r;
}
