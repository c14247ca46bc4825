#include "image/guid.h"

#include <stdio.h>
#include <string.h>

#include "trust/digest.h"

void guid_derive(const struct text *inputs, const char *purpose, char ret[static GUID_TEXT_SIZE])
{
    struct digest d = digest_two(inputs->data, inputs->length, purpose, strlen(purpose));
    char digits[DIGEST_TEXT_SIZE];

    d.bytes[6] = (uint8_t)((d.bytes[6] & 0x0f) | 0x80);
    d.bytes[8] = (uint8_t)((d.bytes[8] & 0x3f) | 0x80);
    (void)digest_text(&d, digits);
    (void)snprintf(ret, GUID_TEXT_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                   digits + 12, digits + 16, digits + 20);
}
