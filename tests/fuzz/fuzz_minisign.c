/* Signature and public key files, one behind the other, parted by a zero byte. Nobody can forge a
 * signature, so one that verifies is that of the corpus with another untrusted comment. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "trust/minisign.h"

static const char message[] = "generation\n";
/* The end of the public key of src/image/minisign_test.c. In front of it is the key's id, which no
 * signature covers: it only tells which key to try. */
static const char public_key[] = "vSjjokbt0k3Q6k1Wp0eoG2TNZrUK4nhI0+ieVWuE6r\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char comment[MINISIGN_COMMENT_MAX] = "untouched";
    _cleanup_free_ char *text = malloc(size + 1);
    struct failure f = FAILURE_NONE;
    const char *public;
    int r;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    public = strlen(text) < size ? text + strlen(text) + 1 : text + size;
    r = minisign_verify(message, strlen(message), text, public, comment, &f);
    if (r < 0) {
        CHECK(f.code == CODE_SIGNATURE && strcmp(comment, "untouched") == 0);
        return 0;
    }
    /* A key of the fuzzer's own would need a signature by it, which mutation does not find. */
    CHECK(strstr(public, public_key) != NULL);
    CHECK(strcmp(comment, "timestamp:1\\tfile:m") == 0);
    return 0;
}
