/* For tests: a real TPM of its own for each test, emulated by swtpm. Failures end the test. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { TEST_TPM_FOLDER_MAX = 64 };

struct test_tpm {
    char folder[TEST_TPM_FOLDER_MAX]; /* its state */
    const char *record; /* file that gets every byte on the wire from the next start on, or NULL */
    bool breakable;     /* from the next start on, test_tpm_break() works */
    unsigned *fail_in;  /* shared with the relay */
    pid_t tpm, relay;   /* 0: not running */
};

/* A new TPM, switched on and opened (tpm_open_fd). */
void test_tpm_make(struct test_tpm *t);

/* Closes it, switches it off and removes its state. */
void test_tpm_remove(struct test_tpm *t);

/* Switches it on, with TPM2_Startup(CLEAR), and opens it. */
void test_tpm_start(struct test_tpm *t);

/* Shuts it down in order, closes it and switches it off. */
void test_tpm_stop(struct test_tpm *t);

/* Off and on again: PCRs and sessions are gone, what is persistent stays. */
void test_tpm_reset(struct test_tpm *t);

/* Lets the n-th command from now on, counted from 1, fail for want of memory. 0: none. */
void test_tpm_break(struct test_tpm *t, unsigned n);

/* True when that command was sent. */
bool test_tpm_broke(const struct test_tpm *t);

/* TPM2_Clear with platform authorization, as the firmware's menu does. */
void test_tpm_clear(void);

/* Only these two banks, or one of them, from the next reset on. */
void test_tpm_banks(bool sha1, bool sha256);

/* Transient objects and sessions that are loaded. */
uint32_t test_tpm_loaded(void);
