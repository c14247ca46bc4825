/* The error catalogue: every refusal of Broch names one of these codes. This table is the only
 * place where codes live; `broch errors --markdown` prints docs/reference/errors.md from it. */
#pragma once

#include <stddef.h>

/* Exit codes of every Broch program (docs/reference/exit-codes.md). */
enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_ERROR = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_REBOOT_NEEDED = 10,
    EXIT_CODE_ROLLED_BACK = 11,
    EXIT_CODE_NO_SPACE = 12,
    EXIT_CODE_VERIFICATION_FAILED = 13,
    EXIT_CODE_LOCKED = 14,
    EXIT_CODE_PARTIAL = 15,
    EXIT_CODE_NOTHING_TO_DO = 77,
};

enum code {
#define CODE(symbol, id, exit, meaning, advice) CODE_##symbol,
#include "base/code.def"
#undef CODE
    CODE_MAX_
};

struct code_entry {
    const char *id;      /* "BR-LOCK-HASH" */
    enum exit_code exit; /* what the program ends with */
    const char *meaning; /* one sentence */
    const char *advice;  /* the next command or step */
};

/* Never NULL for a code of the enumeration. */
const struct code_entry *code_entry(enum code code);

/* The page below docs/what-to-do, without its ending, that has an entry for this code; NULL for one
 * that no machine shows to whoever stands before it. The lint looks for the entry. */
const char *code_page(enum code code);

/* The code with this identifier, or CODE_MAX_. */
enum code code_find(const char *id);
