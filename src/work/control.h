/* What people ask the orchestrator for, over a Unix socket of whole messages (SOCK_SEQPACKET): one
 * request, one reply, both JSON (docs/reference/events.md). The kernel says who asks; a table says
 * who may. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "base/text.h"
#include "work/json.h"

#define CONTROL_PATH "/run/broch/orchestrator.sock"

enum {
    CONTROL_NAME_SIZE = 64,
    CONTROL_REQUEST_SIZE_MAX = 1024,
    CONTROL_REPLY_SIZE_MAX = 64 * 1024,
};

enum control_verb {
    CONTROL_START,
    CONTROL_STOP,
    CONTROL_RESTART,
    CONTROL_RELOAD, /* of the machine's own manifests and the configuration */
    CONTROL_VERB_MAX_,
};

struct control_request {
    enum control_verb verb;
    char service[CONTROL_NAME_SIZE]; /* "" for CONTROL_RELOAD */
};

const char *control_verb_name(enum control_verb verb);

/* Parses what a client sent. -EBADMSG (CODE_CONTROL). */
MUST_USE int control_parse(const void *bytes, size_t size, struct control_request *ret,
                           struct failure *f);

/* Whether this user may ask for that: -EPERM (CODE_PRIVILEGE). */
MUST_USE int control_judge(const struct control_request *request, uid_t uid, struct failure *f);

void control_add_request(const struct control_request *request, struct text *t);

/* { "ok": false, "code": ..., "message": ... } */
void control_add_refusal(const struct failure *refusal, struct text *t);

/* Asks the orchestrator and waits for its answer. Returns 0 and *ret_reply, which is put by the
 * caller; a refusal becomes the failure with its own code and -EPROTO. CODE_SUPERVISOR when nobody
 * answers. */
MUST_USE int control_call(const char *path, const struct control_request *request,
                          struct json_object **ret_reply, struct failure *f);
