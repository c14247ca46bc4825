#include "base/secret.h"

#include <errno.h>
#include <string.h>

void secret_wipe(struct secret *s)
{
    explicit_bzero(s, sizeof(*s));
}

int secret_set(struct secret *s, const void *bytes, size_t size)
{
    secret_wipe(s);
    if (size > SECRET_SIZE_MAX)
        return -ERANGE;
    if (size > 0)
        memcpy(s->bytes, bytes, size);
    s->size = size;
    return 0;
}
