/* Apart from state.c, whose test needs no library of volumes. */
#include <errno.h>
#include <string.h>

#include "disk/volume.h"
#include "programs/broch-disk/state.h"

int state_open_volume(const struct state *s, struct volume **ret, struct failure *f)
{
    struct volume *v;
    int r;

    if (!s->open)
        return failure_set(f, CODE_PERSIST_HEADER, -ENOENT, "this machine has no encrypted disk");
    r = volume_open(s->partition, &v, f);
    if (r < 0)
        return r;
    if (strcmp(volume_uuid(v), s->uuid) != 0) {
        volume_close(v);
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                           "%s is not the disk that is open", s->partition);
    }
    *ret = v;
    return 0;
}
