/* The configuration that the running system was made with: written at boot and by `broch config
 * apply`, so that apply knows what changed since. */
#pragma once

#include "node/config.h"

#define CONFIG_APPLIED_PATH "/run/broch/config.toml"

MUST_USE int config_applied_write(const char *path, const struct config *config, struct failure *f);

/* -ENOENT when nothing was applied yet. The caller releases *ret with config_done(). */
MUST_USE int config_applied_read(const char *path, struct config *ret, struct failure *f);
