#include "image/el_torito.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { RECORD = 17, CATALOG = 20, BOOT = 30, SECTORS = 40, ENTRY = 32 };

static uint8_t image[SECTORS * EL_TORITO_SECTOR];

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static int make(void **state)
{
    uint8_t *record = image + RECORD * EL_TORITO_SECTOR;
    uint8_t *catalog = image + CATALOG * EL_TORITO_SECTOR;

    (void)state;
    memset(image, 0, sizeof(image));
    memcpy(record, "\0CD001\1EL TORITO SPECIFICATION", 30);
    put16(record + 0x47, CATALOG);
    put16(catalog, 0xef01);
    put16(catalog + 30, 0xaa55);
    put16(catalog + 28, 0x10000 - 0xef01 - 0xaa55 + 0x10000); /* the sum is zero */
    catalog[ENTRY] = 0x88;
    put16(catalog + ENTRY + 6, 8);
    put16(catalog + ENTRY + 8, BOOT);
    return 0;
}

static void test_found(void **state)
{
    uint8_t *entry = image + CATALOG * EL_TORITO_SECTOR + ENTRY;
    struct el_torito found;

    (void)state;
    assert_int_equal(el_torito_find(image, sizeof(image), &found), 0);
    assert_int_equal(found.offset, BOOT * EL_TORITO_SECTOR);
    assert_int_equal(found.size, 8 * 512);
    put16(entry + 6, 1); /* UEFI 2.10, 13.3.2.1: to the end */
    assert_int_equal(el_torito_find(image, sizeof(image), &found), 0);
    assert_int_equal(found.size, 0);
}

static void test_none(void **state)
{
    struct el_torito found;

    (void)state;
    assert_int_equal(el_torito_find(image, 18 * EL_TORITO_SECTOR - 1, &found), -ENOENT);
    image[RECORD * EL_TORITO_SECTOR + 8] ^= 1;
    assert_int_equal(el_torito_find(image, sizeof(image), &found), -ENOENT);
}

/* One byte of the catalog at a time: the check entry has a sum, of the other one what counts. */
static void test_malformed(void **state)
{
    static const size_t others[] = { ENTRY, ENTRY + 1 };
    uint8_t *catalog = image + CATALOG * EL_TORITO_SECTOR;
    struct el_torito found;

    (void)state;
    for (size_t i = 0; i < ENTRY; i++) {
        catalog[i] ^= 4;
        assert_int_equal(el_torito_find(image, sizeof(image), &found), -EBADMSG);
        catalog[i] ^= 4;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        catalog[others[i]] ^= 4;
        assert_int_equal(el_torito_find(image, sizeof(image), &found), -EBADMSG);
        catalog[others[i]] ^= 4;
    }
    put16(catalog + ENTRY + 8, SECTORS); /* behind the end */
    assert_int_equal(el_torito_find(image, sizeof(image), &found), -EBADMSG);
    put16(catalog + ENTRY + 8, SECTORS - 1);
    put16(catalog + ENTRY + 6, 5);
    assert_int_equal(el_torito_find(image, sizeof(image), &found), -EBADMSG);
    put16(image + RECORD * EL_TORITO_SECTOR + 0x47, SECTORS); /* and the catalog itself */
    assert_int_equal(el_torito_find(image, sizeof(image), &found), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_found, make),
        cmocka_unit_test_setup(test_none, make),
        cmocka_unit_test_setup(test_malformed, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
