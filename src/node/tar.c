#include "node/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* "The ustar Interchange Format", POSIX.1-2017, pax: all fields are text. */
struct head {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char modified[12];
    char checksum[8];
    char kind;
    char link[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char rest[12];
};
_Static_assert(sizeof(struct head) == TAR_BLOCK, "the head is one block");

/* "The sum of all octets in the header, the checksum field as if it were spaces." */
static unsigned sum_of(const struct head *head)
{
    const unsigned char *bytes = (const unsigned char *)head;
    unsigned sum = 0;

    for (size_t i = 0; i < sizeof(*head); i++)
        sum += bytes[i];
    return sum;
}

static void add_zeroes(struct text *t, size_t size)
{
    static const char zeroes[TAR_BLOCK];

    for (; size > TAR_BLOCK; size -= TAR_BLOCK)
        text_add_bytes(t, zeroes, TAR_BLOCK);
    text_add_bytes(t, zeroes, size);
}

void tar_add_file(struct text *t, const char *name, uint64_t modified_s, const void *bytes,
                  size_t size)
{
    struct head head = { .kind = '0', .magic = "ustar", .version = { '0', '0' } };

    CHECK(strlen(name) <= TAR_NAME_MAX && name[0] != '/');
    CHECK(size <= UINT32_MAX && modified_s < 1ull << 33); /* what eleven octal digits hold */
    (void)snprintf(head.name, sizeof(head.name), "%s", name);
    (void)snprintf(head.mode, sizeof(head.mode), "%07o", 0600u);
    (void)snprintf(head.uid, sizeof(head.uid), "%07o", 0u);
    (void)snprintf(head.gid, sizeof(head.gid), "%07o", 0u);
    (void)snprintf(head.size, sizeof(head.size), "%011llo", (unsigned long long)size);
    (void)snprintf(head.modified, sizeof(head.modified), "%011llo",
                   (unsigned long long)(modified_s & 077777777777ull));
    memset(head.checksum, ' ', sizeof(head.checksum));
    (void)snprintf(head.checksum, sizeof(head.checksum), "%06o", sum_of(&head) & 0777777u);
    text_add_bytes(t, &head, sizeof(head));
    text_add_bytes(t, bytes, size);
    add_zeroes(t, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

void tar_add_end(struct text *t)
{
    add_zeroes(t, 2 * (size_t)TAR_BLOCK);
}
