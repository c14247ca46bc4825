#include "vm/variable_store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { VOLUME = 72, STORE = 28, SIZE = 1024, START = VOLUME + STORE };
enum { ADDED = 0x3f, TRANSITION = 0x3e, DELETED = 0x3d, GONE = 0x3c, HEADER_ONLY = 0x7f };

static const uint8_t guid[VARIABLE_GUID_SIZE] = "sixteen letters!";
static uint8_t flash[SIZE];
static size_t end;

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        flash[at + i] = (uint8_t)(value >> (8 * i));
}

static void begin(void)
{
    static const uint8_t store[] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                     0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

    memset(flash, 0xff, sizeof(flash));
    memcpy(flash + 40, "_FVH", 4);
    put(48, VOLUME, 2);
    memcpy(flash + VOLUME, store, sizeof(store));
    put(VOLUME + 16, SIZE - VOLUME, 4);
    put(VOLUME + 20, 0x5a, 1);
    put(VOLUME + 21, 0xfe, 1);
    end = START;
}

static void add(const char *name, uint8_t state, const char *data)
{
    size_t letters = strlen(name) + 1, size = strlen(data);

    put(end, 0x55aa, 2);
    flash[end + 2] = state;
    put(end + 36, 2 * letters, 4);
    put(end + 40, size, 4);
    memcpy(flash + end + 44, guid, sizeof(guid));
    end += 60;
    for (size_t i = 0; i < letters; i++)
        put(end + 2 * i, (uint8_t)name[i], 2);
    end += 2 * letters;
    memcpy(flash + end, data, size);
    end = (end + size + 3) & ~(size_t)3;
}

/* What firmware would answer; NULL: nothing. */
static const char *value(const char *name)
{
    static char text[64];
    struct variable_store store;
    struct variable variable;

    assert_int_equal(variable_store_open(flash, sizeof(flash), &store), 0);
    if (!variable_store_find(&store, name, guid, &variable))
        return NULL;
    assert_true(variable.size < sizeof(text));
    memcpy(text, variable.data, variable.size);
    text[variable.size] = '\0';
    return text;
}

static void test_states(void **state)
{
    (void)state;
    begin();
    add("Odd", ADDED, "abc");
    add("Twice", DELETED, "old");
    add("Twice", ADDED, "new one");
    add("Gone", GONE, "x");
    add("HalfWritten", HEADER_ONLY, "x");
    add("NotMarked", 0xff, "x");
    add("Last", ADDED, "z");
    assert_string_equal(value("Odd"), "abc");
    assert_string_equal(value("Twice"), "new one");
    assert_string_equal(value("Last"), "z");
    assert_null(value("Gone"));
    assert_null(value("HalfWritten"));
    assert_null(value("NotMarked"));
    assert_null(value("Las"));
}

/* The power fails between the three steps of a replacement: never nothing, never both. */
static void test_replacement(void **state)
{
    static const struct {
        uint8_t old, new;
        const char *expected;
    } steps[] = { { ADDED, 0xff, "old" },
                  { TRANSITION, 0xff, "old" },
                  { TRANSITION, HEADER_ONLY, "old" },
                  { TRANSITION, ADDED, "new" },
                  { GONE, ADDED, "new" } };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        begin();
        add("BootNext", steps[i].old, "old");
        add("BootNext", steps[i].new, "new");
        assert_string_equal(value("BootNext"), steps[i].expected);
    }
}

/* A store cut or written wrong anywhere is read without harm. */
static void test_any_bytes(void **state)
{
    struct variable_store store;
    struct variable variable;

    (void)state;
    for (size_t at = 0; at < SIZE; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            begin();
            add("First", ADDED, "abc");
            add("Second", ADDED, "abcd");
            flash[at] ^= (uint8_t)(1u << bit);
            if (variable_store_open(flash, SIZE, &store) == 0) {
                while (variable_store_next(&store, &variable))
                    assert_true(variable.data + variable.size <= flash + SIZE);
            }
        }
        assert_int_equal(variable_store_open(flash, at, &store), -EBADMSG);
    }
}

static void test_no_store(void **state)
{
    static const size_t places[] = { 40, 48, VOLUME, VOLUME + 19, VOLUME + 20, VOLUME + 21 };
    struct variable_store store;

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        begin();
        flash[places[i]] ^= 0x10;
        assert_int_equal(variable_store_open(flash, SIZE, &store), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_replacement),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_no_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
