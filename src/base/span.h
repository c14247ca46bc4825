/* Bytes of somebody else: a view into a mapping or a buffer, which must outlive it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *bytes; /* NULL: there is none */
    size_t size;
};
