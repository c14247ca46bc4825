/* The lines that stage 1 prints, in logfmt: a contract with everything that reads a console
 * (docs/reference/markers.md). Pure; each function replaces the content of `ret`, which holds
 * MARKER_SIZE bytes, and always leaves a whole line: what is too long is shortened inside its
 * value. */
#pragma once

#include <stdint.h>

#include "base/code.h"

enum { MARKER_SIZE = 960, MARKER_DETAIL_MAX = 256 };

/* broch stage1 step=<step> status=ok us=<us> */
void marker_ok(const char *step, uint64_t us, char ret[static MARKER_SIZE]);

/* broch stage1 step=<step> status=fail us=<us> code=<BR-...> detail="<detail>" */
void marker_fail(const char *step, uint64_t us, enum code code, const char *detail,
                 char ret[static MARKER_SIZE]);

/* broch stage1 <key>="<value>": something worth knowing that is neither. */
void marker_note(const char *key, const char *value, char ret[static MARKER_SIZE]);

/* broch stage1 end=reboot|other|halt code=<BR-...> poweroff-s=<seconds>; the last line of a failed
 * boot.
 */
void marker_end(const char *end, enum code code, uint64_t poweroff_s, char ret[static MARKER_SIZE]);
