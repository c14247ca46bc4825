/* The layers of the configuration (config.h) one by one: for those who show where a value comes
 * from, and for the merge itself. */
#pragma once

#include <stddef.h>

#include "node/config.h"

enum {
    CONFIG_FOLDER_MAX = 64, /* files in config.d */
    CONFIG_LAYERS_MAX = CONFIG_FOLDER_MAX + 2,
    CONFIG_FILE_SIZE_MAX = 256 * 1024,
};

enum config_layer_kind { CONFIG_LAYER_IMAGE, CONFIG_LAYER_MACHINE };

struct config_layer {
    enum config_layer_kind kind;
    struct toml *document; /* its name is the path, without a root in front */
};

struct config_layers {
    struct config_layer list[CONFIG_LAYERS_MAX]; /* lowest first */
    size_t count;
};

void config_layers_done(struct config_layers *layers);

/* Parses one layer, checks it alone and puts it on top. `name` stands in messages. Returns 0; or
 * CODE_SYNTAX, CODE_SCHEMA, CODE_INTERNAL with nothing added. */
MUST_USE int config_layers_add(struct config_layers *layers, enum config_layer_kind kind,
                               const char *name, const void *bytes, size_t size, struct failure *f);

/* Reads all layers below `root`; `complain` as for config_load(). A missing file is no layer. */
MUST_USE int config_layers_read(const char *root, config_complaint complain, void *context,
                                struct config_layers *ret, struct failure *f);

/* Merges the layers up to and including those of kind `top`: CONFIG_LAYER_IMAGE gives what the
 * image says, CONFIG_LAYER_MACHINE everything. -ENOMEM only. */
MUST_USE int config_layers_merge(const struct config_layers *layers, enum config_layer_kind top,
                                 struct config *ret, struct failure *f);

/* The value of a dotted key in the topmost layer that has it, and that layer's path; NULL when no
 * layer has it. Both are borrowed from the layers. */
const struct toml_value *config_layers_origin(const struct config_layers *layers, const char *key,
                                              const char **ret_path);
