/* Two layers of a configuration, cut at a zero byte. What is accepted merges; what is shown of the
 * merge is read back to the same; and the upper layer wins wherever it speaks. */
#include <string.h>

#include "fuzz.h"
#include "node/config_layers.h"
#include "node/config_text.h"

static void add(struct config_layers *layers, const void *bytes, size_t size)
{
    struct failure f = FAILURE_NONE;

    if (config_layers_add(layers, CONFIG_LAYER_MACHINE, "f", bytes, size, &f) < 0)
        CHECK((f.code == CODE_SYNTAX || f.code == CODE_SCHEMA) && strncmp(f.text, "f:", 2) == 0);
}

static void show(const struct config_layers *layers, struct text *t)
{
    struct failure f = FAILURE_NONE;
    struct config config;

    CHECK(config_layers_merge(layers, CONFIG_LAYER_MACHINE, &config, &f) == 0);
    config_text_add(&config, NULL, NULL, t);
    CHECK(text_status(t) == 0);
    config_done(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
    size_t first = zero ? (size_t)(zero - data) : size;
    struct config_layers layers = { .count = 0 }, again = { .count = 0 };
    _cleanup_text_ struct text shown = TEXT_INIT, second = TEXT_INIT;

    add(&layers, data, first);
    if (zero)
        add(&layers, zero + 1, size - first - 1);
    show(&layers, &shown);
    add(&again, text_string(&shown), shown.length);
    CHECK(again.count == 1);
    /* Laid over anything, the whole of a configuration is that configuration. */
    show(&again, &second);
    CHECK(strcmp(text_string(&shown), text_string(&second)) == 0);
    config_layers_done(&layers);
    config_layers_done(&again);
    return 0;
}
