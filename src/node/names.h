/* Names that come from files and end up in paths, arguments and markers: text becomes a checked
 * name at the edge, and only checked names are used further in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    NAME_SIZE = 64, /* with the terminating zero: host names and generations end at 63 */
};

/* Letters, digits and "._+-", beginning with a letter or digit, 1 to 63 characters: services,
 * generations, profiles, channels. */
bool name_is_valid(const char *text, size_t length);

/* One label of a host name (RFC 1123): letters, digits and inner hyphens, 1 to 63 characters. */
bool name_is_host(const char *text, size_t length);
