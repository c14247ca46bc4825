#include "node/config_applied.h"

#include <errno.h>

#include "base/cleanup.h"
#include "node/config_layers.h"
#include "node/config_text.h"
#include "sys/file.h"

int config_applied_write(const char *path, const struct config *config, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    text_add(&t, "# The configuration in use. Written by Broch; changes here change nothing.\n");
    config_text_add(config, NULL, NULL, &t);
    if (text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(path, t.data, t.length, 0644, f);
}

int config_applied_read(const char *path, struct config *ret, struct failure *f)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, CONFIG_FILE_SIZE_MAX, &bytes, &size, f);

    if (r == 0)
        r = config_layers_add(&layers, CONFIG_LAYER_MACHINE, path, bytes, size, f);
    return r < 0 ? r : config_layers_merge(&layers, CONFIG_LAYER_MACHINE, ret, f);
}
