#include "trust/pe_section.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum {
    HEADER = 0x40, /* "PE\0\0" */
    OPTIONAL_SIZE = 8,
    TABLE = HEADER + 24 + OPTIONAL_SIZE,
    ENTRY_SIZE = 40,
    CONTENT = TABLE + 2 * ENTRY_SIZE,
    FILE_SIZE = CONTENT + 64,
};

static void put(uint8_t *at, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_section(uint8_t *file, unsigned index, const char *name, uint32_t virtual_size,
                        uint32_t raw_size, uint32_t offset)
{
    uint8_t *at = file + TABLE + index * ENTRY_SIZE;

    memcpy(at, name, strlen(name));
    put(at + 8, virtual_size, 4);
    put(at + 16, raw_size, 4);
    put(at + 20, offset, 4);
}

static void make_file(uint8_t file[static FILE_SIZE])
{
    memset(file, 0, FILE_SIZE);
    memcpy(file, "MZ", 2);
    put(file + 0x3c, HEADER, 4);
    memcpy(file + HEADER, "PE\0\0", 4);
    put(file + HEADER + 6, 2, 2);
    put(file + HEADER + 20, OPTIONAL_SIZE, 2);
    put_section(file, 0, ".pcrpkey", 10, 32, CONTENT);
    put_section(file, 1, ".pcrsig", 20, 32, CONTENT + 32);
}

static void test_found(void **state)
{
    uint8_t file[FILE_SIZE];
    size_t offset, size;

    (void)state;
    make_file(file);
    assert_int_equal(pe_section_find(file, sizeof(file), ".pcrsig", &offset, &size), 0);
    assert_int_equal(offset, CONTENT + 32);
    assert_int_equal(size, 20);
    assert_int_equal(pe_section_find(file, sizeof(file), ".pcrpkey", &offset, &size), 0);
    assert_int_equal(offset, CONTENT);
    assert_int_equal(pe_section_find(file, sizeof(file), ".pcr", &offset, &size), -ENOENT);
    assert_int_equal(pe_section_find(file, sizeof(file), ".linux", &offset, &size), -ENOENT);
    /* What is larger in memory than in the file is zeros there. */
    put_section(file, 1, ".pcrsig", 4096, 32, CONTENT + 32);
    assert_int_equal(pe_section_find(file, sizeof(file), ".pcrsig", &offset, &size), 0);
    assert_int_equal(size, 32);
}

static void test_all(void **state)
{
    struct pe_sections sections = { .count = 0 };
    uint8_t file[FILE_SIZE];

    (void)state;
    make_file(file);
    assert_int_equal(pe_sections_read(file, sizeof(file), &sections), 0);
    assert_int_equal(sections.count, 2);
    assert_string_equal(sections.list[0].name, ".pcrpkey"); /* all eight characters */
    assert_string_equal(sections.list[1].name, ".pcrsig");
    assert_int_equal(sections.list[1].size, 20);
    assert_int_equal(sections.list[1].room, 32);
    /* One that nobody asks for has to be whole as well. */
    put_section(file, 0, ".pcrpkey", 10, 32, FILE_SIZE - 31);
    assert_int_equal(pe_sections_read(file, sizeof(file), &sections), -EBADMSG);
}

static void assert_bad(const uint8_t *file, size_t size)
{
    size_t offset, found;

    assert_int_equal(pe_section_find(file, size, ".pcrsig", &offset, &found), -EBADMSG);
}

static void test_no_pe_file(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        size_t size;
    } cases[] = {
        { 0, 0, 2 },                                    /* no "MZ" */
        { 0x3c, FILE_SIZE + 1, 4 },                     /* the header is behind the end */
        { 0x3c, UINT32_MAX, 4 },                        /* far behind it */
        { HEADER, 0, 4 },                               /* no "PE" */
        { HEADER + 6, 0, 2 },                           /* no section */
        { HEADER + 6, 97, 2 },                          /* too many of them */
        { HEADER + 20, UINT16_MAX, 2 },                 /* the table is behind the end */
        { TABLE + ENTRY_SIZE + 20, FILE_SIZE - 19, 4 }, /* the content ends behind it */
        { TABLE + ENTRY_SIZE + 20, UINT32_MAX, 4 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t file[FILE_SIZE];

        make_file(file);
        put(file + cases[i].at, cases[i].value, cases[i].size);
        assert_bad(file, sizeof(file));
    }
}

/* Wherever the file is cut, nothing behind its end is told of. */
static void test_cut(void **state)
{
    uint8_t file[FILE_SIZE];

    (void)state;
    make_file(file);
    for (size_t size = 0; size < CONTENT + 32 + 20; size++)
        assert_bad(file, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_no_pe_file),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
