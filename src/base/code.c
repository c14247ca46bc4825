#include "base/code.h"

#include <string.h>

#include "base/check.h"

static const struct code_entry entries[] = {
#define CODE(symbol, id, exit, meaning, advice)                                                    \
    [CODE_##symbol] = { id, EXIT_CODE_##exit, meaning, advice },
#include "base/code.def"
#undef CODE
};

_Static_assert(ARRAY_SIZE(entries) == CODE_MAX_, "every code has an entry");

const struct code_entry *code_entry(enum code code)
{
    CHECK((size_t)code < ARRAY_SIZE(entries));
    return &entries[code];
}

/* By family, so that a new code asks for its entry by itself. */
const char *code_page(enum code code)
{
    static const struct {
        const char *start, *page;
    } families[] = {
        { "BR-BOOT-", "start" },      { "BR-PERSIST-", "disk" },
        { "BR-REQUEST-", "disk" },    { "BR-UNSEAL-", "tpm" },
        { "BR-TPM-", "tpm" },         { "BR-EVENT-LOG", "tpm" },
        { "BR-UPDATE-", "update" },   { "BR-INIT-", "running" },
        { "BR-READY", "running" },    { "BR-ATTEMPTS", "running" },
        { "BR-WATCHDOG", "running" }, { "BR-SECUREBOOT-", "secureboot" },
    };
    const char *id = code_entry(code)->id;

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        if (strncmp(id, families[i].start, strlen(families[i].start)) == 0)
            return families[i].page;
    }
    return NULL;
}

enum code code_find(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        if (strcmp(entries[i].id, id) == 0)
            return (enum code)i;
    }
    return CODE_MAX_;
}
