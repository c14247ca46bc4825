/* The table of modules: every name that comes out of it is a plain file's, whatever device asks. */
#include <string.h>

#include "boot/modules.h"
#include "fuzz.h"

static struct modules_table table;

static int check_name(const char *name, void *context)
{
    size_t length = strlen(name), *count = context;

    CHECK(length > 3 && length <= INITRD_NAME_MAX);
    CHECK(strcmp(name + length - 3, ".ko") == 0 && !strchr(name, '/') && !strchr(name, ' '));
    (*count)++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const devices[] = {
        "virtio:d00000002v00001AF4", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01",
        "cpu:type:x86,ven0000fam000Fmod006B:feature:,0000,0001,00A5", INITRD_REQUEST_SLOT, ""
    };
    struct failure f = FAILURE_NONE;
    char pattern[INITRD_PATTERN_MAX + 1];
    size_t count = 0;

    if (modules_parse(data, size, &table, &f) < 0) {
        CHECK(f.code == CODE_BOOT_MODULE && table.load_count == 0 && table.alias_count == 0);
        return 0;
    }
    CHECK(modules_each_load(&table, check_name, &count) == 0 && count == table.load_count);
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        CHECK(modules_each_match(&table, devices[i], check_name, &count) == 0);
    /* Patterns as devices: the worst case for matching. */
    for (size_t i = 0; i < table.alias_count && i < 4; i++) {
        const struct modules_view *p = &table.aliases[i].pattern;

        memcpy(pattern, p->text, p->length);
        pattern[p->length] = '\0';
        CHECK(modules_each_match(&table, pattern, check_name, &count) == 0);
    }
    return 0;
}
