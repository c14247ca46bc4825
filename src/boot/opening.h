/* The encrypted disk while stage 1 opens or makes it, with its key: between the functions of the
 * step "persist". */
#pragma once

#include "base/secret.h"
#include "disk/binding.h"
#include "disk/volume.h"

struct opening {
    struct volume *volume;
    struct secret key; /* of the volume */
    struct binding binding;
    bool mapped;                 /* the kernel has the key, until volume_deactivate() */
    char node[VOLUME_NODE_SIZE]; /* what it is mapped as */
};
