/* Checks everything that can be checked of an artifact without a machine, a network or a private
 * key. Every part is looked at, also behind one that is bad. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/artifact.h"

enum { VERIFY_CHECKS_MAX = 64, VERIFY_PART_MAX = 96, VERIFY_TEXT_MAX = 512 };

enum verify_result {
    VERIFY_GOOD,
    VERIFY_BAD,
    VERIFY_UNKNOWN, /* what it would be checked with is not there */
    VERIFY_ABSENT,  /* the manifest names it, and it is not here: not an error */
    VERIFY_RESULT_MAX_
};

struct verify_check {
    char part[VERIFY_PART_MAX]; /* "manifest", "slot A: verity" */
    enum verify_result result;
    char text[VERIFY_TEXT_MAX]; /* why */
};

struct verify {
    struct verify_check checks[VERIFY_CHECKS_MAX];
    size_t count;
};

/* Whom to believe: paths, or NULL for what lies in the generation's folder. */
struct verify_trust {
    const char *release_key; /* release.pub */
    const char *certificate; /* db.crt */
};

/* Fills *ret with all checks. Fails only when it cannot look: CODE_IO, CODE_USAGE for an artifact
 * that has nothing to check. */
MUST_USE int verify_run(struct artifact *artifact, const struct verify_trust *trust,
                        struct verify *ret, struct failure *f);

/* 0; CODE_VERIFY_BAD names all parts that are bad; CODE_VERIFY_PARTIAL those that could not be
 * checked. */
MUST_USE int verify_judge(const struct verify *verify, struct failure *f);

void verify_add_table(const struct verify *verify, struct text *t);
void verify_add_json(const struct verify *verify, struct text *t);
