#include "node/names.h"

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *text, size_t length)
{
    if (length == 0 || length >= NAME_SIZE || !is_alphanumeric(text[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(text[i]) && text[i] != '.' && text[i] != '_' && text[i] != '+' &&
            text[i] != '-')
            return false;
    }
    return true;
}

bool name_is_host(const char *text, size_t length)
{
    if (length == 0 || length >= NAME_SIZE || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(text[i]) && text[i] != '-')
            return false;
    }
    return true;
}
