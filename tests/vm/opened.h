/* Machines with an encrypted disk: one that was started once and is copied for each test, ways to
 * change its disk and its TPM while it is off, and the ends that opening the disk may have.
 *
 * Like those of fixture.h, these functions fail the running test by themselves. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/recovery_key.h"
#include "fixture.h"

/* cmocka group setup and teardown: fixture_start(), then a machine is started for the first time
 * and its disk, variables and TPM are kept; they go with the group. */
int opened_start(void **state);
int opened_stop(void **state);

/* The recovery key of that machine, as it was shown. */
extern char opened_key[RECOVERY_KEY_TEXT_SIZE];

/* place_setup() with a copy of that machine; ends with place_teardown(). */
int opened_setup(void **state);

/* The recovery key that was shown last on the console of this start. */
void read_recovery_key(struct place *place, char ret[static RECOVERY_KEY_TEXT_SIZE]);

/* Cuts the power and starts again, as if the start before had gone well: what stage 1 counts is
 * cleared. */
void restart(struct place *place);

/* --- Ends --- */

/* The start that follows opens the disk by the TPM: nothing was refused, nobody was asked. */
void expect_opened_by_tpm(struct place *place);

/* Stage 1 asks for the recovery key. `code`: why the TPM did not open the disk, in a marker and on
 * the screen; NULL: there was nothing for it to open. */
void expect_prompt(struct place *place, const char *code);

/* After expect_prompt(): types a key, and stage 1 hands over. */
void open_by_recovery(struct place *place, const char *key);

/* As open_by_recovery(); then the power is cut, and the next start opens by the TPM again. */
void recover_and_expect_tpm(struct place *place);

/* Stage 1 refuses the disk with this code and asks nobody; the TPM is capped before its last word.
 */
void expect_disk_refusal(struct place *place, const char *code);

/* --- The disk while the machine is off --- */

/* Where the encrypted partition begins, in bytes. */
uint64_t persist_offset(const struct place *place);

/* Both headers of persist to or from a file beside the disk. */
enum { PERSIST_HEADERS_SIZE = 16 << 20 };
void save_headers(struct place *place, const char *file);
void restore_headers(struct place *place, const char *file);

/* Replaces `old`, where it stands first behind `after`, in the JSON of both headers, and makes
 * their sums right again: what anybody can do without a key. */
void edit_headers(struct place *place, const char *after, const char *old, const char *new);

/* Writes another label into both headers, likewise. */
void label_headers(struct place *place, const char *label);

/* Overwrites bytes of persist. */
void write_persist(struct place *place, uint64_t offset, const void *bytes, size_t size);

/* --- The TPM while the machine is off --- */

/* A line for sh in the tools tree with this machine's TPM switched on as another system would find
 * it: every tpm2_* program reaches it, and the platform hierarchy has no authorization, as before
 * firmware took it. Prints what the line prints; fails the test when the line ends with another
 * status than 0. Freed by the caller. */
char *with_tpm(struct place *place, const char *line);

/* Writes the epoch, with the owner's authorization: what only stage 1 has otherwise. The recovery
 * key of the first start has to open the disk. */
#define EPOCH_INDEX "0x01800100"
void write_epoch(struct place *place, unsigned epoch);

/* A TPM that has never seen this machine. */
void replace_tpm(struct place *place);
