/* What differs between a development image and one for production, and the templates of an overlay.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Rewrites /etc/shadow: with `development` the account "admin" gets the development password
 * "broch"; otherwise every password field that is not locked becomes "!", however short the line.
 * Other fields stay, but the day of the last change, which depends on when the build ran, becomes
 * empty. A line without any field behind the name stays as it is. */
void development_shadow(const uint8_t *bytes, size_t size, bool development, struct text *ret);

/* Replaces each @NAME@ (capitals and '_') by the value of that field of os-release, without quotes.
 * -EINVAL for a field that is not there. */
MUST_USE int template_fill(const uint8_t *bytes, size_t size, const char *os_release,
                           struct text *ret);
