#include "boot/persist_wipe.h"

#include "base/line.h"
#include "boot/persist_tpm.h"

/* What is left of the disk afterwards is what a disk is at the beginning of its making. */
static void forget(struct stage1 *s, struct opening *o)
{
    volume_close(o->volume);
    secret_wipe(&o->key);
    *o = (struct opening){ .volume = NULL };
    s->persist.header = (struct luks_header){ .token_count = 0 };
    s->persist.content = PERSIST_UNFINISHED;
    s->persist.token = 0;
    s->facts.persist.enrolled = false;
}

/* For its result, which is written on the new disk. */
static void remember(struct stage1 *s, const char *uuid)
{
    struct line l = line_make(s->persist.wiped, sizeof(s->persist.wiped));

    line_add(&l, uuid);
}

static int destroy(struct stage1 *s, const char *device, struct opening *o, struct failure *f)
{
    int r = persist_mark(device, true, f);

    if (r == 0)
        r = volume_wipe(o->volume, f);
    if (r == 0)
        stage1_note(s, "persist", "wiped");
    return r;
}

int persist_wipe(struct stage1 *s, const char *device, struct opening *o, struct failure *f)
{
    int r = volume_doom(o->volume, f);

    remember(s, volume_uuid(o->volume));
    if (r == 0) {
        persist_tpm_release(s, o);
        r = volume_deactivate(o->volume, f);
        o->mapped = r < 0;
    }
    if (r == 0)
        r = destroy(s, device, o, f);
    forget(s, o);
    return r;
}

/* A header that cannot be used any more is made anew with the rest. */
int persist_wipe_resume(struct stage1 *s, const char *device, struct failure *f)
{
    struct opening o = { .volume = NULL };
    struct failure ignored = FAILURE_NONE;
    int r = volume_open(device, &o.volume, &ignored);

    remember(s, s->persist.header.uuid);
    r = r == 0 ? destroy(s, device, &o, f) : persist_mark(device, true, f);
    forget(s, &o);
    return r;
}
