/* For tests: a TPM (swtpm) of its own for each test, switched on under Secure Boot and measured up
 * to unsealing, and what is sealed to it. Failures end the test. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/code.h"
#include "base/secret.h"
#include "disk/seal.h"
#include "sys/test_tpm.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

#define TEST_SEAL_WORD "enter-initrd"

enum { TEST_SEAL_POLICIES = 2 };

/* Policies for PCR 11 after TEST_SEAL_WORD alone: the numbers of src/image/pcr_test.c. */
struct test_seal_policy {
    uint64_t epoch;
    const char *approved;
};
extern const struct test_seal_policy test_seal_policies[TEST_SEAL_POLICIES];

/* What one test works on; made by test_seal_start(). */
extern struct test_seal {
    struct test_tpm tpm;
    struct secret owner, lockout, content;
    struct seal_policy policy; /* the first one */
    struct seal_blob blob;
    struct seal_ticket ticket; /* size 0: none yet */
    struct failure f;
} t;

/* Set-up and tear-down: a TPM as it is bought, or one that is ours with t.blob sealed to it. */
int test_seal_start(void **state);
int test_seal_start_enrolled(void **state);
int test_seal_stop(void **state);

#define TEST_SEAL_FRESH(test) cmocka_unit_test_setup_teardown(test, test_seal_start, test_seal_stop)
#define TEST_SEAL_ENROLLED(test)                                                                   \
    cmocka_unit_test_setup_teardown(test, test_seal_start_enrolled, test_seal_stop)

/* test_seal_policies[which], signed by the key of this run. */
struct seal_policy test_seal_make_policy(size_t which);

/* What the firmware measures of Secure Boot, and stage 1's word, into a TPM just switched on. */
void test_seal_boot(const char *secure_boot, const char *word);

/* Off, on, and booted as before. */
void test_seal_boot_again(void);

/* The same from now on, with a TPM whose commands can be made to fail (test_tpm_break). */
void test_seal_make_breakable(void);

void test_seal_fill(struct secret *s, int byte, size_t size);
void test_seal_read_pcr7(uint8_t ret[static 1][TPM_PCR_SIZE]);

/* Makes the TPM ours; and seals t.content at place 0 as well. */
void test_seal_provision(void);
void test_seal_enrol(void);

/* Seals t.content as whoever has this authorization (NULL: the empty one): 0 or a negative errno.
 */
int test_seal_seal(const uint8_t *pcr7, unsigned place, const struct secret *owner,
                   struct seal_blob *ret);

/* Opens, with t.ticket when there is one, and keeps a new one there. Returns the number of
 * commands, or the negative errno. */
int test_seal_open_it(const struct seal_policy *policy, const struct seal_blob *blob);

/* The same, with t.policy and t.blob. */
int test_seal_open_now(void);

/* Opening is refused with this code. */
void test_seal_refused(enum code code);

/* A handle of the epoch's NV index, for seal_close(). */
ESYS_TR test_seal_find_index(void);

/* Whether there is an NV index of this number. */
bool test_seal_has_index(TPM2_HANDLE number);
