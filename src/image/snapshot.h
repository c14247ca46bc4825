/* A private copy of sources, in the cache. It holds nothing but what a step declares as its input,
 * so a forgotten input is a failed build and not a stale one; and only files whose content changed
 * are written, with the time of that moment, because ninja compares times: sources that were
 * unpacked, copied or checked out with old times would pass for unchanged. */
#pragma once

#include "base/failure.h"

/* Makes `copy` equal to `source` (a file, a folder or a link): contents and executable bits. What
 * is only in the copy is removed. Links are copied as links. CODE_IO; CODE_SCHEMA for anything that
 * is neither file, folder nor link. */
MUST_USE int snapshot_update(const char *source, const char *copy, struct failure *f);
