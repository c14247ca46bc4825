#include "node/clock_floor.h"

#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "node/os_release.h"
#include "sys/file.h"

/* Where signed 32 bits of seconds end; a larger number is an error of the build. */
#define FLOOR_MAX_S UINT64_C(0x7fffffff)

int clock_floor_parse(const char *text, size_t size, uint64_t *ret_s, struct failure *f)
{
    char value[32];
    int r = os_release_get(text, size, "BROCH_BUILD_DATE", value, sizeof(value));

    if (r == 0)
        r = number_parse_text(value, FLOOR_MAX_S, ret_s);
    return r < 0 ? failure_set(f, CODE_CLOCK, -EBADMSG, "os-release has no date of the image") : 0;
}

int clock_floor_raise(const char *path, bool *ret_raised, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct timespec now, floor = { 0 };
    uint64_t floor_s;
    size_t size;
    int r = file_read(path, OS_RELEASE_SIZE_MAX, &bytes, &size, f);

    if (r == 0)
        r = clock_floor_parse((const char *)bytes, size, &floor_s, f);
    if (r < 0)
        return r;
    floor.tv_sec = (time_t)floor_s;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return failure_set(f, CODE_CLOCK, -errno, "cannot read the clock");
    *ret_raised = now.tv_sec < floor.tv_sec;
    if (*ret_raised && clock_settime(CLOCK_REALTIME, &floor) < 0)
        return failure_set(f, CODE_CLOCK, -errno, "cannot set the clock to the date of the image");
    return 0;
}
