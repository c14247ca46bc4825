/* The archives of an initrd: views stay inside of them, paths end with a zero. */
#include <string.h>

#include "fuzz.h"
#include "image/cpio_reader.h"

static int look(const struct cpio_member *member, void *context)
{
    const struct span *all = context;

    CHECK(member->content.bytes >= all->bytes);
    CHECK((size_t)(member->content.bytes - all->bytes) + member->content.size <= all->size);
    CHECK(strlen(member->path) < all->size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = { data, size };

    (void)!cpio_walk(all, look, &all);
    return 0;
}
