#include "node/config_layers.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

static const char suffix[] = ".toml";

void config_layers_done(struct config_layers *layers)
{
    for (size_t i = 0; i < layers->count; i++)
        toml_free(layers->list[i].document);
    layers->count = 0;
}

int config_layers_add(struct config_layers *layers, enum config_layer_kind kind, const char *name,
                      const void *bytes, size_t size, struct failure *f)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct config config = { .hostname = NULL };
    int r = toml_parse(name, bytes, size, &document, f);

    if (r == 0)
        r = schema_bind(&config_schema, document, &config, f);
    if (r < 0)
        return r;
    config_done(&config);
    CHECK(layers->count < CONFIG_LAYERS_MAX);
    layers->list[layers->count++] = (struct config_layer){ kind, take_ptr(document) };
    return 0;
}

struct reader {
    const char *root;
    config_complaint complain;
    void *context;
    struct config_layers *layers;
    size_t folder_count;
};

/* A layer that cannot be used: heard of and left out, or the end. */
static int give_up(const struct reader *reader, int error, const struct failure *f)
{
    if (!reader->complain || f->code == CODE_INTERNAL)
        return error;
    reader->complain(f, reader->context);
    return 0;
}

static int read_layer(struct reader *reader, enum config_layer_kind kind, const char *path,
                      struct failure *f)
{
    _cleanup_free_ char *place = text_make("%s%s", reader->root, path);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r;

    if (!place)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_read(place, CONFIG_FILE_SIZE_MAX, &bytes, &size, f);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = config_layers_add(reader->layers, kind, path, bytes, size, f);
    return r < 0 ? give_up(reader, r, f) : 0;
}

/* Names that editors leave behind ("a.toml~", ".a.toml.swp") are none of ours. */
static bool is_layer_name(const char *name)
{
    size_t length = strlen(name);

    return name[0] != '.' && length > strlen(suffix) &&
           strcmp(name + length - strlen(suffix), suffix) == 0;
}

static int read_entry(const char *folder, const char *name, void *context, struct failure *f)
{
    struct reader *reader = context;
    _cleanup_free_ char *path = text_make("%s/%s", CONFIG_FOLDER_PATH, name);

    (void)folder;
    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (!is_layer_name(name))
        return 0;
    if (reader->folder_count == CONFIG_FOLDER_MAX)
        return give_up(reader,
                       failure_set(f, CODE_SCHEMA, -ERANGE,
                                   "%s: one file too many, at most %d are read", path,
                                   CONFIG_FOLDER_MAX),
                       f);
    reader->folder_count++;
    return read_layer(reader, CONFIG_LAYER_MACHINE, path, f);
}

int config_layers_read(const char *root, config_complaint complain, void *context,
                       struct config_layers *ret, struct failure *f)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    struct reader reader = { root, complain, context, &layers, 0 };
    _cleanup_free_ char *folder = text_make("%s%s", root, CONFIG_FOLDER_PATH);
    int r;

    if (!folder)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = read_layer(&reader, CONFIG_LAYER_IMAGE, CONFIG_IMAGE_PATH, f);
    if (r == 0)
        r = read_layer(&reader, CONFIG_LAYER_MACHINE, CONFIG_MACHINE_PATH, f);
    if (r == 0 && file_exists(folder)) {
        r = file_list(folder, read_entry, &reader, f);
        if (r < 0)
            r = give_up(&reader, r, f);
    }
    if (r < 0)
        return r;
    *ret = layers;
    layers.count = 0;
    return 0;
}

/* Every layer was bound once when it was read, so that nothing but memory can fail here. */
static int lay_over(const struct toml *document, struct config *config, struct failure *f)
{
    struct config upper = { .hostname = NULL };
    int r = schema_bind(&config_schema, document, &upper, f);

    if (r < 0)
        return r;
    schema_overlay(&config_schema, toml_root(document), &upper, config);
    config_done(&upper);
    return 0;
}

int config_layers_merge(const struct config_layers *layers, enum config_layer_kind top,
                        struct config *ret, struct failure *f)
{
    _cleanup_toml_ struct toml *nothing = NULL;
    _cleanup_(config_done) struct config config = { .hostname = NULL };
    int r = toml_parse("nothing", "", 0, &nothing, f);

    if (r == 0)
        r = schema_bind(&config_schema, nothing, &config, f);
    for (size_t i = 0; r == 0 && i < layers->count; i++) {
        if (layers->list[i].kind <= top)
            r = lay_over(layers->list[i].document, &config, f);
    }
    if (r < 0)
        return r;
    *ret = config;
    config = (struct config){ .hostname = NULL };
    return 0;
}

static const struct toml_value *look_up(const struct toml_value *table, const char *key)
{
    char part[64];

    while (table && toml_kind(table) == TOML_TABLE) {
        size_t length = strcspn(key, ".");

        if (length >= sizeof(part))
            return NULL;
        memcpy(part, key, length);
        part[length] = '\0';
        table = toml_get(table, part);
        if (key[length] == '\0')
            return table;
        key += length + 1;
    }
    return NULL;
}

const struct toml_value *config_layers_origin(const struct config_layers *layers, const char *key,
                                              const char **ret_path)
{
    for (size_t i = layers->count; i-- > 0;) {
        const struct toml_value *value = look_up(toml_root(layers->list[i].document), key);

        if (value) {
            *ret_path = toml_name(layers->list[i].document);
            return value;
        }
    }
    return NULL;
}
