#include "image/component_room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "work/json.h"

void component_rooms_done(struct component_room *rooms, size_t count)
{
    for (size_t i = 0; rooms && i < count; i++) {
        free(rooms[i].name);
        free(rooms[i].version);
    }
    free(rooms);
}

/* A file of the list; sections of the boot file are no files of these two. */
static const struct contents_file *find(const char *name, const struct contents *system,
                                        const struct contents *initrd)
{
    static const char in_system[] = "system/", in_initrd[] = "initrd/";

    if (strncmp(name, in_system, strlen(in_system)) == 0)
        return contents_find(system, name + strlen(in_system));
    if (strncmp(name, in_initrd, strlen(in_initrd)) == 0)
        return contents_find(initrd, name + strlen(in_initrd));
    return NULL;
}

static int fill(struct json_object *component, const struct contents *system,
                const struct contents *initrd, struct component_room *ret)
{
    struct json_object *files;
    const char *name, *version;

    if (!json_get_text(component, "name", &name) ||
        !json_get(component, "components", json_type_array, &files))
        return -EBADMSG;
    if (!json_get_text(component, "version", &version))
        version = "";
    for (size_t i = 0; i < json_object_array_length(files); i++) {
        const struct contents_file *file = NULL;
        const char *path;

        if (json_get_text(json_object_array_get_idx(files, i), "name", &path))
            file = find(path, system, initrd);
        if (file) {
            ret->size += file->size;
            ret->count++;
        }
    }
    ret->name = strdup(name);
    ret->version = strdup(version);
    return ret->name && ret->version ? 0 : -ENOMEM;
}

static int by_size(const void *a, const void *b)
{
    const struct component_room *first = a, *second = b;
    int order = strcmp(first->name, second->name);

    if (first->size != second->size)
        return first->size < second->size ? 1 : -1;
    return order != 0 ? order : (first->count < second->count) - (first->count > second->count);
}

int component_rooms(struct span document, const struct contents *system,
                    const struct contents *initrd, struct component_room **ret_rooms,
                    size_t *ret_count, struct failure *f)
{
    struct json_object *o = json_parse(document.bytes, document.size), *components;
    struct component_room *rooms = NULL;
    size_t count = 0, length;
    int r = o && json_get(o, "components", json_type_array, &components) ? 0 : -EBADMSG;

    if (r == 0) {
        length = json_object_array_length(components);
        rooms = calloc(length + 1, sizeof(*rooms));
        for (r = rooms ? 0 : -ENOMEM; r == 0 && count < length; count++)
            r = fill(json_object_array_get_idx(components, count), system, initrd, &rooms[count]);
    }
    (void)json_object_put(o); /* accepts NULL */
    if (r < 0) {
        component_rooms_done(rooms, count);
        return failure_set(f, r == -ENOMEM ? CODE_INTERNAL : CODE_ARTIFACT_BAD, r,
                           "the list of components cannot be read");
    }
    qsort(rooms, count, sizeof(*rooms), by_size);
    *ret_rooms = rooms;
    *ret_count = count;
    return 0;
}
