/* Markers: the lines that stage 1 and user space print for machines to read,
 * `broch <name> key=value key="quoted value"...` in logfmt (docs/reference/markers.md). Pure. */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include "base/check.h"

enum { MARKER_PAIRS_MAX = 64 };

/* The marker in a console line, which may have a kernel time stamp ("[  1.23] ") before it, as a
 * JSON object: {"marker": name, key: value...}. Values are strings, but "us" is a number. The
 * caller puts it back with json_object_put(). Returns 0, -ENODATA when the line holds no marker, or
 * -EBADMSG when it is one but does not follow its grammar (a key twice, an open quote, a word
 * without '='). */
MUST_USE int marker_parse(const char *line, json_object **ret);
