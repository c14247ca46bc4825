/* A token of the encrypted disk: what is taken is written again and is the same. */
#include <string.h>

#include "disk/token.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_tpm2 token, again;
    const struct json_reader value = json_reader_make(data, size);
    char text[TOKEN_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));
    unsigned keyslot;

    if (token_recovery_decode(&value, &keyslot) == 0)
        CHECK(keyslot <= TOKEN_KEYSLOT_MAX);
    if (token_tpm2_decode(&value, &token) == 0) {
        struct json_reader written;

        token_tpm2_encode(&token, &l);
        CHECK(!l.cut);
        written = json_reader_make(text, l.length);
        CHECK(token_tpm2_decode(&written, &again) == 0);
        CHECK(memcmp(token.sealed, again.sealed, token.sealed_size) == 0);
    }
    return 0;
}
