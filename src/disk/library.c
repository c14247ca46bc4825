#include "disk/library.h"

extern const struct disk_library disk_library; /* found by its name */

const struct disk_library disk_library = {
    .set_hook = check_set_hook,
#define CALL(type, name, parameters, arguments) .name = name,
#define ACT(name, parameters, arguments)        .name = name,
#include "disk/library.def"
#undef CALL
#undef ACT
};
