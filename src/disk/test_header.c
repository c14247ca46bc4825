#include "disk/test_header.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/volume.h"

enum { DISK_SIZE = 32 << 20, BINARY_SIZE = 4096, CHECKSUM_OFFSET = 0x1c0, CHECKSUM_SIZE = 64 };

static void make(const char *path)
{
    _cleanup_volume_ struct volume *v = NULL;
    _cleanup_secret_ struct secret key = SECRET_INIT, digits = SECRET_INIT;
    static struct token_tpm2 token;
    const struct volume_route route = { &token, &digits };
    struct failure f = FAILURE_NONE;

    token = (struct token_tpm2){ .policy = TOKEN_POLICY_LOCAL, .sealed_size = 300 };
    memset(token.sealed, 0xfb, token.sealed_size); /* base64 of it has slashes */
    assert_int_equal(secret_set(&digits, "000000", 6), 0);
    assert_int_equal(volume_format(path, &v, &key, &f), 0);
    assert_int_equal(volume_set_tpm(v, &key, &route, 1, &f), 0);
    assert_int_equal(volume_finish(v, &f), 0);
}

void test_header_make(uint8_t bytes[static LUKS_HEADER_SCAN_SIZE])
{
    char path[] = "/tmp/broch-header-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
    make(path);
    assert_int_equal(pread(fd, bytes, LUKS_HEADER_SCAN_SIZE, 0), LUKS_HEADER_SCAN_SIZE);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

char *test_header_json(uint8_t *bytes, size_t offset)
{
    return (char *)bytes + offset + BINARY_SIZE;
}

void test_header_replace(char *text, size_t capacity, const char *old, const char *new)
{
    char *at = strstr(text, old);
    size_t rest;

    assert_non_null(at);
    rest = strlen(at + strlen(old)) + 1;
    assert_true((size_t)(at - text) + strlen(new) + rest <= capacity);
    memmove(at + strlen(new), at + strlen(old), rest);
    memcpy(at, new, strlen(new));
}

void test_header_fix(uint8_t *bytes, size_t offset)
{
    uint8_t *header = bytes + offset;
    size_t size = (size_t)header[14] << 8 | header[15] | (size_t)header[13] << 16;

    memset(header + CHECKSUM_OFFSET, 0, CHECKSUM_SIZE);
    (void)SHA256(header, size, header + CHECKSUM_OFFSET);
}
