/* modules: drivers for what the kernel knows now; step_slot follows what appears later. */
#include <string.h>

#include "boot/stage1.h"

/* Every module costs a signature check, so a kernel that was started directly loads no more than it
 * needs: when the image is on a virtio disk, nothing else is looked at. With a slot that must not
 * be, because two disks may claim to be it; without one any device that fits will do. The drivers
 * for everything else come from the image. */
static bool find_early(struct stage1 *s)
{
    if (s->slot_uuid.text[0])
        return false;
    devices_coldplug_bus(&s->devices, "virtio");
    return step_slot_find_by_content(s);
}

int step_modules(struct stage1 *s, struct failure *f)
{
    int r;

    /* The processor's own hash instructions first: all signatures after it are checked by them. */
    devices_load_processor(&s->devices);
    r = devices_load_always(&s->devices, f);
    if (r < 0)
        return r;
    s->devices_partial = find_early(s);
    if (s->devices_partial)
        return 0;
    r = devices_coldplug(&s->devices);
    if (r >= 0)
        r = devices_settle(&s->devices);
    return r < 0 ? failure_set(f, f->code, r, "cannot look for devices: %s", strerror(-r)) : 0;
}
