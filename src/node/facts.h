/* The facts of this boot, written once by stage 1 to /run/broch/boot.json and never changed.
 * Readers take them from here and do not ask firmware or device mapper again, so that everybody
 * tells the same story. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "node/names.h"

#define FACTS_PATH "/run/broch/boot.json"

enum {
    FACTS_FILE_SIZE_MAX = 64 * 1024,
    FACTS_HASH_SIZE = 65, /* SHA-256 in digits and the terminating zero */
    FACTS_SWITCH_SIZE = 8,
    FACTS_UUID_SIZE = 37,
    FACTS_TEXT_SIZE = 257,
    FACTS_SCHEMA_KNOWN = 1, /* the form of the file that this reader understands */
};

struct facts {
    char generation[NAME_SIZE];
    char profile[NAME_SIZE];
    char slot[NAME_SIZE]; /* "A", "B", "direct" or "live" */
    char verity[FACTS_HASH_SIZE];
    char partuuid[FACTS_UUID_SIZE];      /* of the slot's partition; empty: started from none */
    char secure_boot[FACTS_SWITCH_SIZE]; /* "on", "off" or "unknown" */
    char tpm[FACTS_SWITCH_SIZE];         /* likewise */
    char last_failure[FACTS_TEXT_SIZE];  /* what firmware kept of it; empty: nothing. Of anybody */
    bool persist_open;                   /* the encrypted disk */
    char persist_uuid[FACTS_UUID_SIZE];  /* of its header; empty: none is open */
    uint64_t epoch;                      /* of the generation; 0 when it is not told */
    unsigned attempts; /* starts of this slot since its last verdict, this one too; 0: unknown */
};

/* Parses the JSON text. Refuses (-EBADMSG, *ret untouched) anything but one object with every fact
 * of struct facts, of the right type and form, in the known schema; other keys are stage 1's own
 * business (times, PCR values) and are left alone. */
MUST_USE int facts_parse(const char *text, size_t size, struct facts *ret, struct failure *f);

/* Reads and parses the file; -ENOENT when this machine was not booted by stage 1. */
MUST_USE int facts_read(const char *path, struct facts *ret, struct failure *f);
