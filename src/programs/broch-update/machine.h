/* What this machine is, for the judgement of a release: the image's own words, under dm-verity. */
#pragma once

#include "base/failure.h"
#include "node/facts.h"
#include "update/release.h"

enum { MACHINE_WORD_SIZE = 128 };

struct machine {
    char profile[MACHINE_WORD_SIZE];
    char arch[MACHINE_WORD_SIZE];
    char version[MACHINE_WORD_SIZE];
    char generation[MACHINE_WORD_SIZE];
    uint64_t epoch;
    char *keys;         /* release.pub; owned */
    struct facts facts; /* of this boot */
};

#define MACHINE_KEYS "/usr/lib/broch/release.pub"

/* CODE_FACTS when the machine was not started by stage 1, CODE_IO when the image lacks a word. */
MUST_USE int machine_read(struct machine *ret, struct failure *f);
void machine_done(struct machine *machine);

/* The same words, borrowed. */
struct release_machine machine_for_release(const struct machine *machine, bool force);
