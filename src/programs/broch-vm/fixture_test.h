/* What the tests of `broch run` share: folders for state and cache, and small generations. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

struct place {
    char folder[64]; /* everything of one test; state and cache lie in it too */
    char *out;       /* where generations are */
};

extern struct failure f; /* of the last call that failed */

int make_place(void **state);
int free_place(void **state);

void write_in(const char *folder, const char *name, const void *bytes, size_t size);

/* out/broch-NAME, whose kernel is the guest of vm/guest_test.h. */
void make_generation(const char *out, const char *name, const char *profile);
