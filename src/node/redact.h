/* Takes secrets out of text before it leaves the machine. Pure.
 *
 * A word of the table ("password", "token", ...) anywhere in a name, followed by '=' or ':', makes
 * what follows a secret: up to the closing quote when it is quoted, else up to the next blank,
 * comma or end of line. After a colon with a blank the rest of the line goes. A private key in PEM
 * goes whole. It can do nothing about a secret that no such name announces. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define REDACT_MARK "(removed)"

/* Whether a name holds one of the table's words, whatever its case. */
bool redact_is_secret(const char *name, size_t length);

/* Appends the text without its secrets. */
void redact_add(struct text *t, const char *bytes, size_t size);
