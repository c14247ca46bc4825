/* A copyright file: the expression is one line of names that SPDX takes. */
#include <string.h>

#include "fuzz.h"
#include "image/licence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-() ";
    _cleanup_text_ struct text t = TEXT_INIT;

    licence_read((const char *)data, size, &t);
    CHECK(strspn(text_string(&t), plain) == t.length);
    return 0;
}
