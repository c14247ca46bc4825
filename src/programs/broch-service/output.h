/* Writing to standard output, so that nothing a service said reaches the terminal as a command. */
#pragma once

#include <stddef.h>

#include "base/failure.h"
#include "base/text.h"

/* Prints the text as it is. */
MUST_USE int output_text(struct text *t, struct failure *f);

/* Adds a line that somebody else wrote, and a newline: control characters become spaces, bytes that
 * are not UTF-8 '?'. */
void output_add_line(const char *line, size_t length, struct text *t);
