/* The user's cache: packages by digest, trees, results of steps.
 *
 *     packages/<sha256>.deb    trees/<sha256>/    programs/<tree>/{source,build}/
 *     steps/<step>/<key>/
 *
 * ${BROCH_CACHE}, else ${XDG_CACHE_HOME}/broch, else ~/.cache/broch. Everything in it can be made
 * again; removing it is always safe while nothing runs. */
#pragma once

#include "base/failure.h"

/* The cache folder, made when missing; freed by the caller. CODE_USAGE when no variable names one.
 */
MUST_USE int cache_folder(char **ret, struct failure *f);

/* "<cache>/<formatted>", freed by the caller. Nothing is made. */
MUST_USE int cache_path(char **ret, struct failure *f, const char *format, ...) PRINTF_LIKE(3, 4);
