/* The wiring between the state machine of services (work/supervise.h) and the machine: manifests
 * become service directories, what s6 writes becomes events, effects become commands, and after
 * each turn the snapshot and the events are written.
 *
 * After its start nothing here ends the program: what goes wrong is said once, and the rest goes
 * on. Without news from outside it does not wake up. */
#pragma once

#include "base/failure.h"
#include "sys/event.h"
#include "work/catalog.h"
#include "work/control.h"

/* Where everything is; another place for tests. */
extern const struct catalog_places orchestrator_places;

/* Reads manifests and the configuration, makes the service directories, takes over what an earlier
 * life of this program left, and starts what can start. */
MUST_USE int orchestrator_start(struct event_loop *loop, struct failure *f);

/* Carries out a request that was judged; `uid` is for the record. Adds the reply. */
void orchestrator_answer(const struct control_request *request, uid_t uid, struct text *ret_reply);

/* A line in our own log. */
void orchestrator_complain(const struct failure *f);
