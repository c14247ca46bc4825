/* Kernel uevents, and the same fields as a file: the block device and the partition they name. */
#include <string.h>

#include "boot/partition.h"
#include "fuzz.h"
#include "sys/uevent.h"

static void look(const char *fields, size_t size, char end)
{
    static const char *const keys[] = { "MODALIAS", "SUBSYSTEM", "DEVNAME" };
    char value[64];

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        int r = uevent_value(fields, size, end, keys[i], value, sizeof(value));

        CHECK(r < (int)sizeof(value));
        CHECK(r < 0 || value[r] == '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct partition_uuid uuid;
    struct partition p;
    struct uevent e;

    if (uevent_parse(data, size, &e) == 0) {
        CHECK(e.fields + e.fields_size == text + size);
        look(e.fields, e.fields_size, UEVENT_END_MESSAGE);
    }
    look(text, size, UEVENT_END_FILE);
    if (partition_parse(text, size, &p) == 0)
        CHECK(p.number > 0 && strlen(p.device.name) > 0 && !strchr(p.device.name, '/'));
    if (partition_uuid_decode(data, size, &uuid) == 0)
        CHECK(strlen(uuid.text) == 0 || strlen(uuid.text) == PARTITION_UUID_LENGTH);
    return 0;
}
