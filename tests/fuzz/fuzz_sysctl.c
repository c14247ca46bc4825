/* Lines of the list of settings, and the arguments that the kernel hands to the handler of core
 * dumps: a program chose its own name there. */
#include <string.h>

#include "fuzz.h"
#include "node/core_dump.h"
#include "node/sysctl.h"

static void try_line(const char *text, size_t length)
{
    struct failure f = FAILURE_NONE;
    struct sysctl setting;

    if (sysctl_parse_line(text, length, &setting, &f) < 0)
        return;
    CHECK(setting.name[0] != '/' && setting.name[0] != '.' && setting.value[0] != '\0');
    CHECK(!strstr(setting.name, "/.."));
    CHECK(strlen(setting.name) < SYSCTL_NAME_SIZE && strlen(setting.value) < SYSCTL_VALUE_SIZE);
}

/* Seven texts with newlines between; what is missing is empty. */
static void try_core(char *text)
{
    const char *arguments[CORE_ARGUMENTS];
    struct failure f = FAILURE_NONE;
    struct core_dump dump;

    for (size_t i = 0; i < CORE_ARGUMENTS; i++) {
        size_t length = i + 1 < CORE_ARGUMENTS ? strcspn(text, "\n") : strlen(text);
        bool more = text[length] != '\0';

        arguments[i] = text;
        text[length] = '\0';
        text += length + (more ? 1 : 0);
    }
    if (core_dump_parse(arguments, &dump, &f) < 0)
        return;
    CHECK(!strchr(dump.file, '/') && dump.file[0] != '.');
    CHECK(strlen(dump.file) + 1 < CORE_NAME_SIZE && strstr(dump.file, ".core"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[512];

    if (size >= sizeof(text))
        return 0;
    try_line((const char *)data, size);
    memcpy(text, data, size);
    text[size] = '\0';
    try_core(text);
    return 0;
}
