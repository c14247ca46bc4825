/* What stage 1 said about the encrypted disk, and what the machine's own notes say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

enum { STATE_WORD_SIZE = 40, STATE_PATH_SIZE = 64 };

struct state {
    bool open;                     /* else /var is volatile, and all the rest is empty */
    char route[STATE_WORD_SIZE];   /* "tpm", "recovery", "new" */
    char refusal[STATE_WORD_SIZE]; /* why the TPM did not open it; empty: it did, or has nothing */
    char unowned[STATE_WORD_SIZE]; /* why the TPM is not this disk's; empty: it is */
    char uuid[STATE_WORD_SIZE];
    char device[STATE_WORD_SIZE];    /* "dm-1" */
    char partition[STATE_PATH_SIZE]; /* "/dev/vda3", what lies below the device */
    bool confirmed;                  /* the recovery key of this disk was typed back */
};

/* Reads stage 1's facts: all but `partition` and `confirmed`. Pure. Returns 0 or -EBADMSG. */
MUST_USE int state_parse(const void *bytes, size_t size, struct state *ret);

/* CODE_FACTS: this machine was not booted by stage 1, or its facts are malformed. */
MUST_USE int state_read(struct state *ret, struct failure *f);

/* The header of the disk that is open; freed by volume_close(). CODE_PERSIST_HEADER,
 * CODE_PERSIST_BINDING when it is another disk by now. */
struct volume;
MUST_USE int state_open_volume(const struct state *s, struct volume **ret, struct failure *f);
