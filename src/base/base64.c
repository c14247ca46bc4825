#include "base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t size, char *ret_text)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);

        *ret_text++ = alphabet[group >> 18];
        *ret_text++ = alphabet[group >> 12 & 63];
        *ret_text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *ret_text++ = left > 2 ? alphabet[group & 63] : '=';
    }
    *ret_text = '\0';
}

/* The six bits of a character, or -1. */
static int character_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters of which the last `padding` are "=". */
static int decode_group(const char *text, unsigned padding, uint32_t *ret)
{
    uint32_t group = 0;

    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding ? character_value(text[i]) : 0;

        if (value < 0)
            return -EBADMSG;
        group = group << 6 | (uint32_t)value;
    }
    /* What the padding cuts off has to be zero, or two texts would mean the same bytes. */
    if (padding > 0 && (group & (padding == 1 ? 0xffu : 0xffffu)) != 0)
        return -EBADMSG;
    *ret = group;
    return 0;
}

int base64_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t capacity,
                  size_t *ret_size)
{
    unsigned padding = 0;
    size_t size;

    if (length % 4 != 0)
        return -EBADMSG;
    if (length > 0 && text[length - 1] == '=')
        padding = text[length - 2] == '=' ? 2 : 1;
    size = length / 4 * 3 - padding;
    if (size > capacity)
        return -ERANGE;
    for (size_t i = 0; i < length / 4; i++) {
        uint32_t group = 0;
        int r = decode_group(text + 4 * i, i + 1 == length / 4 ? padding : 0, &group);

        if (r < 0)
            return r;
        for (size_t k = 3 * i; k < 3 * i + 3 && k < size; k++)
            ret_bytes[k] = (uint8_t)(group >> (16 - 8 * (k - 3 * i)));
    }
    *ret_size = size;
    return 0;
}
