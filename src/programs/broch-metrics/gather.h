/* What the metrics page is made of, read from this machine. */
#pragma once

#include "base/text.h"

#define GATHER_FOLDER "/var/lib/broch/metrics"

/* Makes the whole page. What cannot be read is left out of it. */
void gather_page(struct text *t);
