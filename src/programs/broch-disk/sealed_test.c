/* Over the header that the disk's own tests plant. */
#include "programs/broch-disk/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/seal_format.h"
#include "disk/test_header.h"
#include "disk/volume.h"

static uint8_t bytes[LUKS_HEADER_SCAN_SIZE];
static struct sealed sealed;

/* Its token holds rubbish where the TPM's words should be: it counts for nothing. */
static void test_rubbish(void **state)
{
    (void)state;
    test_header_make(bytes);
    assert_int_equal(sealed_parse(bytes, sizeof(bytes), NULL, &sealed), 0);
    assert_int_equal(sealed.count, 0);
}

static void test_no_header(void **state)
{
    static const uint8_t zeros[LUKS_HEADER_SCAN_SIZE];

    (void)state;
    assert_int_equal(sealed_parse(zeros, sizeof(zeros), NULL, &sealed), -ENOENT);
    assert_int_equal(sealed_parse(zeros, 0, NULL, &sealed), -ENOENT);
}

/* A header with two ways, of which `cut` takes bytes of the second one's blob, into `bytes`. */
static void make_ways(size_t cut)
{
    static struct token_tpm2 tokens[2];
    struct secret keys[2] = { { 6, "000000" }, { 6, "111111" } }, volume_key = SECRET_INIT;
    const struct volume_route routes[] = { { &tokens[0], &keys[0] }, { &tokens[1], &keys[1] } };
    char path[] = "/tmp/broch-sealed-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct failure f;
    struct volume *v;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 32 << 20), 0);
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        struct seal_parts parts = { .place = (uint8_t)i };
        struct seal_blob blob;

        memset(parts.pcr7, (int)(0x10 + i), sizeof(parts.pcr7));
        seal_blob_encode(&parts, &blob);
        tokens[i].sealed_size = blob.size - i * cut;
        memcpy(tokens[i].sealed, blob.bytes, blob.size);
    }
    assert_int_equal(volume_format(path, &v, &volume_key, &f), 0);
    assert_int_equal(volume_set_tpm(v, &volume_key, routes, 2, &f), 0);
    volume_close(v);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

/* Two ways as stage 1 makes them: for PCR 7 as it is, and for one that is coming. */
static void test_ways(void **state)
{
    uint8_t now[SEAL_PCR_SIZE];

    (void)state;
    make_ways(0);
    memset(now, 0x11, sizeof(now));
    assert_int_equal(sealed_parse(bytes, sizeof(bytes), now, &sealed), 0);
    assert_int_equal(sealed.count, 2);
    assert_int_equal(sealed.unread, 0);
    assert_false(sealed.ways[0].now);
    assert_true(sealed.ways[1].now);
    assert_memory_equal(sealed.ways[1].pcr7, now, sizeof(now));
    assert_int_equal(sealed_parse(bytes, sizeof(bytes), NULL, &sealed), 0);
    assert_false(sealed.ways[0].now || sealed.ways[1].now);
}

/* One that is not understood is not one less: a change of keys could close it. */
static void test_unread(void **state)
{
    (void)state;
    make_ways(1);
    assert_int_equal(sealed_parse(bytes, sizeof(bytes), NULL, &sealed), 0);
    assert_int_equal(sealed.count, 1);
    assert_int_equal(sealed.unread, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_ways), cmocka_unit_test(test_unread),
                                        cmocka_unit_test(test_rubbish),
                                        cmocka_unit_test(test_no_header) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
