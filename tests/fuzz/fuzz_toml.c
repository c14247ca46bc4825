/* TOML: every tree can be walked to its leaves, every refusal is printable and names a line. */
#include <stdbool.h>
#include <string.h>

#include "base/toml.h"
#include "fuzz.h"

static const char document_name[] = "f.toml";

static size_t walk(const struct toml_value *value, unsigned depth);

static size_t walk_entries(const struct toml_value *value, unsigned depth)
{
    bool is_table = toml_kind(value) == TOML_TABLE;
    size_t count = 0;

    for (size_t i = 0; i < toml_count(value); i++) {
        const struct toml_value *entry = toml_at(value, i);

        if (is_table) {
            const char *key = toml_key_at(value, i);
            bool is_whole = strlen(key) == toml_key_length(value, i);

            CHECK(!is_whole || toml_get(value, key) == entry); /* so no key is there twice */
        }
        count += walk(entry, depth + 1);
    }
    return count;
}

static size_t walk(const struct toml_value *value, unsigned depth)
{
    struct toml_time time;
    size_t length;

    CHECK(depth <= 2 * TOML_DEPTH_MAX + 1); /* an array of tables counts once and is two levels */
    CHECK(toml_line(value) >= 1);
    switch (toml_kind(value)) {
    case TOML_STRING:
        CHECK(toml_string(value, &length)[length] == '\0');
        break;
    case TOML_INTEGER:
        (void)toml_integer(value);
        break;
    case TOML_FLOAT:
        (void)toml_float(value);
        break;
    case TOML_BOOLEAN:
        (void)toml_boolean(value);
        break;
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        time = toml_time(value);
        CHECK(time.month <= 12 && time.day <= 31 && time.hour <= 23 && time.minute <= 59);
        CHECK(time.second <= 60 && time.nanosecond <= 999999999);
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        return 1 + walk_entries(value, depth);
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;

    if (toml_parse(document_name, (const char *)data, size, &document, &f) == 0) {
        CHECK(walk(toml_root(document), 0) <= TOML_VALUES_MAX);
        return 0;
    }
    CHECK(!document && f.cause < 0);
    CHECK(strncmp(f.text, "f.toml:", strlen("f.toml:")) == 0);
    for (const char *p = f.text; *p; p++)
        CHECK(*p >= ' ' && *p <= '~');
    return 0;
}
