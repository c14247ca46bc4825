/* A system image: whatever it says, nothing outside of it is read, and the walk ends. */
#include <string.h>

#include "fuzz.h"
#include "image/erofs.h"

enum { VISITS_MAX = 4096 };

static int look(const struct erofs_entry *entry, void *context)
{
    size_t *visits = context;

    CHECK(entry->path[0] != '\0' && entry->path[0] != '/');
    CHECK(strlen(entry->path) < EROFS_PATH_MAX);
    (void)erofs_digest(entry); /* reads all of the content */
    return ++*visits < VISITS_MAX ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t visits = 0;

    (void)!erofs_walk((struct span){ data, size }, look, &visits);
    return 0;
}
