/* The walk over JSON: what it gives out lies inside of what it was given, and it ends. */
#include "disk/json_reader.h"
#include "fuzz.h"

enum { LEVELS_MAX = 4 };

static void check_inside(const char *text, size_t size, const uint8_t *data, size_t data_size)
{
    CHECK(size <= data_size);
    CHECK(size == 0 ||
          (text >= (const char *)data && text + size <= (const char *)data + data_size));
}

static void walk(struct json_reader value, unsigned level, const uint8_t *data, size_t size)
{
    struct json_reader inner, item;
    struct json_text text;
    uint64_t number;
    bool flag;
    char copy[32];

    check_inside(value.text, value.size, data, size);
    if (json_reader_text(&value, &text) == 0) {
        check_inside(text.text, text.size, data, size);
        (void)!json_text_copy(&text, copy, sizeof(copy));
    }
    if (json_reader_number(&value, 1000, &number) == 0)
        CHECK(number <= 1000);
    (void)!json_reader_flag(&value, &flag);
    if (level == LEVELS_MAX)
        return;
    if (json_reader_object(&value, &inner) == 0) {
        while (json_reader_member(&inner, &text, &item) > 0)
            walk(item, level + 1, data, size);
    }
    if (json_reader_list(&value, &inner) == 0) {
        while (json_reader_element(&inner, &item) > 0)
            walk(item, level + 1, data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(json_reader_make(data, size), 0, data, size);
    return 0;
}
