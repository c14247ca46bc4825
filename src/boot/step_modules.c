/* modules: drivers for what the kernel knows now; step_slot follows what appears later. */
#include <string.h>

#include "boot/stage1.h"

int step_modules(struct stage1 *s, struct failure *f)
{
    int r = devices_load_always(&s->devices, f);

    if (r < 0)
        return r;
    r = devices_coldplug(&s->devices);
    if (r >= 0)
        r = devices_settle(&s->devices);
    return r < 0 ? failure_set(f, f->code, r, "cannot look for devices: %s", strerror(-r)) : 0;
}
