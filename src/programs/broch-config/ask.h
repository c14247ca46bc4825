/* One request to the orchestrator, over its Unix socket of whole messages: JSON there, JSON back.
 */
#pragma once

#include "base/failure.h"

#define ASK_PATH "/run/broch/orchestrator.sock"

/* Asks for "reload" (service is NULL) or for "restart" of a service, and waits for the answer.
 * -ENOENT or -ECONNREFUSED when nobody listens; -EPROTO with the orchestrator's words when it
 * refuses. Names are checked ones: they are put into the request as they are. */
MUST_USE int ask_orchestrator(const char *path, const char *request, const char *service,
                              struct failure *f);
