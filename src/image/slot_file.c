#include "image/slot_file.h"

#include <errno.h>
#include <stdlib.h>

static int copy(const struct fat *fat, const struct fat_file *file, struct span *ret,
                uint8_t **ret_copy)
{
    uint8_t *bytes = malloc(file->size);

    if (!bytes)
        return -ENOMEM;
    fat_copy(fat, file, bytes);
    *ret = (struct span){ bytes, file->size };
    *ret_copy = bytes;
    return 0;
}

int slot_file_find(const struct fat *fat, const char *path, struct span *ret, uint8_t **ret_copy)
{
    uint64_t first, end;
    struct fat_file file;
    int r = fat_find(fat, path, &file);

    *ret_copy = NULL;
    if (r == 0 && file.is_folder)
        r = -ENOENT;
    if (r < 0)
        return r;
    if (file.size == 0) {
        *ret = (struct span){ fat->bytes, 0 };
        return 0;
    }
    if (!fat_is_readable(fat, &file))
        return -EBADMSG;
    if (!fat_span(fat, &file, &first, &end))
        return copy(fat, &file, ret, ret_copy);
    *ret = (struct span){ fat->bytes + first, file.size };
    return 0;
}
