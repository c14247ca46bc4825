/* A signed change of Secure Boot's keys, and lists as firmware holds them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "trust/key_change.h"
#include "trust/signature_list.h"

static void lists(const uint8_t *data, size_t size)
{
    struct signature_lists l = signature_lists_open(data, size);
    struct signature s;
    size_t seen = 0;
    int more;

    while ((more = signature_lists_next(&l, &s)) > 0) {
        seen += SIGNATURE_OWNER_SIZE + s.size;
        CHECK(s.data == s.owner + SIGNATURE_OWNER_SIZE && s.data + s.size <= data + size);
    }
    CHECK(seen <= size);
}

static void change(const uint8_t *data, size_t size)
{
    static const struct key_target target = { KEY_VARIABLE_DBX, true };
    struct key_change c;
    uint8_t *after;
    size_t after_size;

    if (key_change_parse(data, size, &c) < 0)
        return;
    CHECK(c.content + c.size == data + size && c.signature + c.signature_size == c.content);
    CHECK(key_change_verify(&c, target, c.content, c.size) <= 0);
    if (key_change_result(&c, true, NULL, 0, &after, &after_size) < 0)
        return;
    CHECK(after_size == c.size && memcmp(after, c.content, c.size) == 0);
    free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lists(data, size);
    change(data, size);
    return 0;
}
