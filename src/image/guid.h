/* GUIDs that follow from what something is made of, so that the same inputs give the same bytes
 * (RFC 9562, version 8: 122 bits of a SHA-256). */
#pragma once

#include "base/text.h"

enum { GUID_TEXT_SIZE = 37 };

/* "xxxxxxxx-xxxx-8xxx-xxxx-xxxxxxxxxxxx" for one purpose of these inputs. */
void guid_derive(const struct text *inputs, const char *purpose, char ret[static GUID_TEXT_SIZE]);
