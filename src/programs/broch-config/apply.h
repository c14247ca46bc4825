/* `broch config apply`. */
#pragma once

#include "base/failure.h"

/* Checks all layers, and refuses as long as one of them is bad; then sets the host name and the
 * time zone, and tells the services whose configuration is another one than they were started with.
 * Needs root. */
MUST_USE int apply_configuration(struct failure *f);
