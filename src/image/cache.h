/* The user's cache: packages by digest, trees, results of steps.
 *
 *     packages/<sha256>.deb    trees/<sha256>/    programs/<tree>/{source,build}/
 *     steps/<step>/<key>/
 *
 * ${BROCH_CACHE}, else ${XDG_CACHE_HOME}/broch, else ~/.cache/broch. Everything in it can be made
 * again; removing it is always safe while nothing runs. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

/* The cache folder, made when missing; freed by the caller. CODE_USAGE when no variable names one.
 */
MUST_USE int cache_folder(char **ret, struct failure *f);

/* Judges the failure of what wrote into the cache, right after it: when the cache's disk is full,
 * or the words say so, CODE_NO_SPACE takes the place of CODE_STEP_FAILED and CODE_IO, with the
 * former words behind it. Returns what the caller returns then; `r` when the failure is another
 * one. */
int cache_judge_space(int r, struct failure *f);

/* For a program that cannot be trusted with a full disk: CODE_NO_SPACE unless the cache's disk has
 * so many bytes free. */
MUST_USE int cache_want_room(uint64_t bytes, struct failure *f);

/* "<cache>/<formatted>", freed by the caller. Nothing is made. */
MUST_USE int cache_path(char **ret, struct failure *f, const char *format, ...) PRINTF_LIKE(3, 4);
