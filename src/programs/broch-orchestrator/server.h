/* The socket at which people ask (work/control.h): one request and one reply for each connection.
 */
#pragma once

#include "base/failure.h"
#include "sys/event.h"

/* Replaces a socket that an earlier life left. */
MUST_USE int server_start(struct event_loop *loop, struct failure *f);
