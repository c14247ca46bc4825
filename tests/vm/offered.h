/* A release that a web server of the test offers to machines: the generation in
 * BROCH_NEXT_GENERATION, newer than the one of fixture.h and of the same profile and keys.
 *
 * Like those of fixture.h, these functions fail the running test by themselves. */
#pragma once

#include "fixture.h"
#include "sys/test_server.h"

#define OFFERED_LOG "/run/update.log"

enum offered_file {
    OFFERED_MANIFEST,
    OFFERED_SIGNATURE,
    OFFERED_UKI,
    OFFERED_SYSTEM,
    OFFERED_FILES
};

/* The folder of the newer generation. */
extern const char *offered_generation;

/* What the server answers: offered_prepare() fills it, and tests change bytes of it. */
extern struct test_answer offered_answers[OFFERED_FILES + 1];

/* cmocka group setup: fixture_start(), and the folder. */
int offered_start(void **state);

/* All four files, as they are on the disk. */
void offered_prepare(void);

/* Runs `broch update apply` with these options inside, apart from the console; it writes to
 * OFFERED_LOG, with "status=N" at the end. `server` is what test_server_start() returned. */
void offered_apply(struct place *place, const char *server, const char *options);

/* After a login: waits for the network of a machine with VM_NETWORK_USER. */
void offered_await_network(struct place *place);
