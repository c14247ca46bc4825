/* What the tests of machines share: a folder of their own, small machines, certificates. */
#pragma once

#include "base/failure.h"
#include "vm/config.h"
#include "vm/guest_test.h"

struct place {
    char folder[64]; /* everything of one test */
    char *machine;
    char *keys;
    char *kernel; /* the guest, as a file */
    char *cache;
};

extern const char *tree; /* the tools tree, once fixture_tree() found it */
extern struct failure f; /* of the last call that failed */

/* The tree that BROCH_TREE names; NULL, with a message, when it names none. */
const char *fixture_tree(void);

/* Setup and teardown of one test; the state is a struct place. */
int make_place(void **state);
int free_place(void **state);

/* Emulated: bare firmware without keys, and our guest. */
struct vm_config firmware_machine(const struct place *place);
struct vm_config direct_machine(const struct place *place);

/* PK, KEK and db into place->keys, in both forms. */
void make_keys(const struct place *place);

/* The call must succeed; its failure is shown. */
#define OK(expression)                                                                             \
    do {                                                                                           \
        if ((expression) < 0)                                                                      \
            fail_msg("%s: %s: %s", #expression, code_entry(f.code)->id, f.text);                   \
    } while (0)
