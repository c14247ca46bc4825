/* Requests to stage 1: what the running system wants done to the encrypted disk or the TPM, where
 * only stage 1 can, because the volume key and the TPM owner's authorization exist there alone; and
 * how each of them ended. Pure. docs/reference/requests.md has it in words.
 *
 *     request = "broch request 1" LF
 *               "kind=" kind LF
 *               "disk=" uuid LF                     of the disk that it is for
 *               "value=" value LF                   by the kind, see the table in request.c
 *               "starts=" DIGIT LF                  starts that began with it; 0 when it is written
 *
 *     result  = "broch result 1" LF
 *               "kind=" kind LF
 *               "disk=" uuid LF
 *               "value=" value LF                   as it was asked for
 *               "code=" ( "done" / code ) LF        a code of base/code.def, as a text
 *               "generation=" name LF               whose stage 1 it was
 *               "text=" *PRINT LF                   why not; empty when it is done
 *
 *     uuid    = 8-4-4-4-12 lower-case hexadecimal digits
 *     PRINT   = %x20-7e
 *
 * Lines stand in this order, each once, and nothing else. A request is a file that root of the
 * running system wrote: stage 1 does nothing for it that its kind does not say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/line.h"
#include "disk/seal.h"

/* In the order in which stage 1 carries them out. */
enum request_kind {
    REQUEST_WIPE,         /* everything on the disk is gone for ever, and a new one is made */
    REQUEST_EPOCH,        /* value: number; the TPM's epoch is raised to it */
    REQUEST_RECOVERY_NEW, /* another recovery key, shown on the consoles */
    REQUEST_ENROLL,       /* the TPM's route is made anew, for the machine as it is */
    REQUEST_SEAL_PCR7,    /* value: 64 digits; a second route, for a PCR 7 that is coming */
    REQUEST_KIND_MAX_
};

enum {
    REQUEST_UUID_SIZE = 37,
    REQUEST_STARTS_MAX = 3, /* one that ended none of these is given up */
    REQUEST_SIZE_MAX = 256, /* bytes of the file */
    REQUEST_CODE_SIZE = 32,
    REQUEST_GENERATION_SIZE = 129,
    REQUEST_TEXT_SIZE = 257,
    REQUEST_RESULT_SIZE_MAX = 1024,
};

struct request {
    enum request_kind kind;
    char disk[REQUEST_UUID_SIZE];
    uint64_t epoch;              /* of REQUEST_EPOCH, else 0 */
    uint8_t pcr7[SEAL_PCR_SIZE]; /* of REQUEST_SEAL_PCR7, else zeros */
    unsigned starts;
};

struct request_result {
    struct request request;
    char code[REQUEST_CODE_SIZE]; /* empty: done */
    char generation[REQUEST_GENERATION_SIZE];
    char text[REQUEST_TEXT_SIZE];
};

/* "wipe", "epoch", "recovery-new", "enroll", "seal-pcr7". */
const char *request_kind_name(enum request_kind kind);

/* The kind and value of a request, by the texts of its lines; `value` is "-" where there is none.
 * disk and starts are left empty. 0, -ENOENT for no such kind, -EBADMSG for no such value. */
MUST_USE int request_make(const char *kind, const char *value, struct request *ret);

/* The text of the value, "-" where there is none. */
void request_add_value(const struct request *r, struct line *l);

/* The whole file. CODE_REQUEST_FORM and -EBADMSG for anything that is not one. */
MUST_USE int request_parse(const void *bytes, size_t size, struct request *ret, struct failure *f);
void request_format(const struct request *r, struct line *l);

/* How `r` ended: `why` is the refusal, or NULL when it is done. */
void request_end(const struct request *r, const char *generation, const struct failure *why,
                 struct request_result *ret);

/* The whole file; -EBADMSG for anything that is not one. */
MUST_USE int request_result_parse(const void *bytes, size_t size, struct request_result *ret);
void request_result_format(const struct request_result *result, struct line *l);
