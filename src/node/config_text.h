/* The configuration in words: as TOML that would be read back to the same, and as the list of what
 * a machine changed. Pure. */
#pragma once

#include "base/text.h"
#include "node/config.h"
#include "node/config_layers.h"

/* Adds the configuration as TOML, or only the part under the dotted `key` when it is not NULL. With
 * `layers`, every line ends in a comment that says which file and line the value is from. A value
 * that is not set is left out. */
void config_text_add(const struct config *config, const char *key,
                     const struct config_layers *layers, struct text *t);

/* Adds what differs between two configurations: for each key a line "- key = value" with the old
 * value and a line "+ key = value" with the new one, where it is from behind it. Nothing when they
 * are equal. */
void config_text_add_difference(const struct config *from, const struct config *to,
                                const struct config_layers *layers, struct text *t);

/* The same as JSON: {"differences": [{"key", "image", "machine", "file", "line"}, ...]}. */
void config_text_add_difference_json(const struct config *from, const struct config *to,
                                     const struct config_layers *layers, struct text *t);

/* Whether the two differ under the dotted `key`, a table or a single one. */
MUST_USE int config_text_differ(const struct config *from, const struct config *to, const char *key,
                                bool *ret);
