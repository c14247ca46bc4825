/* The firmware's log of measurements: events lie inside of it, and a replay ends. */
#include "disk/pcr7.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pcr7_change change = { "dbx", "new", 3 };
    const struct pcr7_record record = { .log = data, .size = size };
    uint8_t ret[EVENT_DIGEST_SIZE];
    struct failure f = FAILURE_NONE;
    struct event_log log;
    struct event event;

    if (event_log_open(data, size, &log) == 0) {
        while (event_log_next(&log, &event) > 0)
            CHECK(event.data >= data && event.size <= size - (size_t)(event.data - data));
    }
    if (pcr7_predict(&record, &change, 1, ret, &f) < 0)
        CHECK(f.code == CODE_EVENT_LOG);
    return 0;
}
