/* Reports of dhcpcd, as variables that are each ended by a zero byte, and what is made of them. */
#include <string.h>

#include "fuzz.h"
#include "node/lease.h"

enum { VARIABLES_MAX = 64 };

struct variables {
    const char *list[VARIABLES_MAX];
    size_t count;
};

static const char *get(const char *name, void *context)
{
    const struct variables *v = context;
    size_t length = strlen(name);

    for (size_t i = 0; i < v->count; i++) {
        if (strncmp(v->list[i], name, length) == 0 && v->list[i][length] == '=')
            return v->list[i] + length + 1;
    }
    return NULL;
}

/* Nothing but words of the two files' grammars. */
static void check_file(const struct text *t)
{
    const char *text = text_string(t);

    CHECK(text_status(t) == 0);
    for (; *text; text++)
        CHECK(*text == '\n' || (*text >= ' ' && *text <= '~' && !strchr(";`$\"'\\", *text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct schema_list none = { .count = 0 };
    _cleanup_text_ struct text copy = TEXT_INIT, resolver = TEXT_INIT, sources = TEXT_INIT;
    struct variables v = { .count = 0 };
    json_object *facts = lease_facts_new();

    text_add_bytes(&copy, data, size); /* ends with a zero */
    for (size_t i = 0; i < size && v.count < VARIABLES_MAX; i += strlen(copy.data + i) + 1)
        v.list[v.count++] = copy.data + i;
    (void)!lease_apply(facts, get, &v);
    (void)!lease_apply(facts, get, &v); /* once more changes nothing that matters */
    lease_word_resolver(facts, &none, &none, &resolver);
    lease_word_time_sources(facts, &sources);
    check_file(&resolver);
    check_file(&sources);
    json_object_put(facts);
    return 0;
}
