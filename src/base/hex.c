#include "base/hex.h"

#include <errno.h>

void hex_encode(const uint8_t *bytes, size_t size, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t size)
{
    if (length / 2 != size || length % 2 != 0)
        return -EBADMSG;
    for (size_t i = 0; i < length; i++) {
        if (digit_value(text[i]) < 0)
            return -EBADMSG;
    }
    for (size_t i = 0; i < size; i++)
        ret_bytes[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    return 0;
}
