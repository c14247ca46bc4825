#include "node/core_dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* Four of them take an eighth of /var at most. */
#define SHARE         32
#define DUMP_SIZE_MAX (64 * MIB)

uint64_t core_dump_limit(uint64_t filesystem_size)
{
    uint64_t share = filesystem_size / SHARE;

    return share < DUMP_SIZE_MAX ? share : DUMP_SIZE_MAX;
}

/* The program chose its name: it may hold anything, slashes too. */
static void make_safe(const char *name, char *ret, size_t size)
{
    size_t length = 0;

    for (; name[length] != '\0' && length + 1 < size; length++) {
        char c = name[length];
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-' || (c == '.' && length > 0);

        ret[length] = safe ? c : '_';
    }
    ret[length] = '\0';
}

int core_dump_parse(const char *const arguments[static CORE_ARGUMENTS], struct core_dump *ret,
                    struct failure *f)
{
    struct core_dump dump = { .allowed = false };
    uint64_t dumpable;
    uint64_t *const numbers[] = { &dump.pid,    &dump.uid,    &dump.gid,
                                  &dump.signal, &dump.time_s, &dumpable };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (number_parse_text(arguments[i], UINT32_MAX, numbers[i]) < 0)
            return failure_set(f, CODE_CORE, -EBADMSG, "argument %zu of the kernel is no number",
                               i + 1);
    }
    dump.allowed = dumpable == 1; /* 2: a program that changed its rights */
    make_safe(arguments[CORE_ARGUMENTS - 1], dump.program, sizeof(dump.program));
    (void)snprintf(dump.file, sizeof(dump.file), "%010llu-%s-%llu.core",
                   (unsigned long long)dump.time_s, dump.program, (unsigned long long)dump.pid);
    *ret = dump;
    return 0;
}
