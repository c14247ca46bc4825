#include "boot/facts.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Just enough of RFC 8259 to say whether a text is valid: stage 1 links no library to read it. */
static const char *skip_value(const char *p);

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\n')
        p++;
    return p;
}

static const char *skip_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            return NULL;
        if (*p == '\\' && p[1] == 'u') {
            for (unsigned i = 2; i < 6; i++) {
                if (!isxdigit((unsigned char)p[i]))
                    return NULL;
            }
            p += 5;
        } else if (*p == '\\') {
            if (!strchr("\"\\/bfnrt", *++p))
                return NULL;
        }
    }
    return p + 1;
}

static const char *skip_members(const char *p, char close, bool is_object)
{
    p = skip_space(p);
    if (*p == close)
        return p + 1;
    for (;;) {
        if (is_object) {
            p = skip_string(skip_space(p));
            if (!p || *p++ != ':')
                return NULL;
        }
        p = skip_value(skip_space(p));
        if (!p)
            return NULL;
        p = skip_space(p);
        if (*p == close)
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

static const char *skip_value(const char *p)
{
    static const char *const words[] = { "true", "false", "null" };

    if (*p == '{')
        return skip_members(p + 1, '}', true);
    if (*p == '[')
        return skip_members(p + 1, ']', false);
    if (*p == '"')
        return skip_string(p);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    }
    if (!isdigit((unsigned char)*p))
        return NULL;
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

static void assert_json(const struct facts *f, char text[static FACTS_SIZE])
{
    struct line l = line_make(text, FACTS_SIZE);
    const char *end;

    facts_write(f, &l);
    end = skip_value(text);
    assert_non_null(end);
    assert_string_equal(end, "\n");
}

static void test_empty(void **unused)
{
    char text[FACTS_SIZE];
    struct facts f = { 0 };

    (void)unused;
    assert_json(&f, text);
    assert_non_null(strstr(text, "\"slot\": null"));
    assert_non_null(strstr(text, "\"steps\": []"));
    assert_non_null(strstr(text, "\"secureboot\": \"unknown\""));
    assert_non_null(strstr(text, "\"7\": null"));
}

static void test_full(void **unused)
{
    char text[FACTS_SIZE];
    struct facts f = { .cmdline = { "v1-node-amd64", "node", 7, { 0xab } },
                       .slot = "B",
                       .source = "slot",
                       .direct_io = true,
                       .secureboot = FACTS_ON,
                       .setupmode = FACTS_OFF,
                       .pcr7 = { true, { 1, 2 } } };

    (void)unused;
    facts_add_step(&f, "pseudo", 12);
    facts_add_step(&f, "cmdline", 13);
    assert_json(&f, text);
    assert_non_null(strstr(text, "\"schema\": 1"));
    assert_non_null(strstr(text, "\"generation\": \"v1-node-amd64\""));
    assert_non_null(strstr(text, "\"epoch\": 7"));
    assert_non_null(strstr(text, "\"verity\": \"ab00"));
    assert_non_null(strstr(text, "\"secureboot\": \"on\""));
    assert_non_null(strstr(text, "\"7\": \"010200"));
    assert_non_null(strstr(text, "{\"step\": \"pseudo\", \"us\": 12}, {\"step\": \"cmdline\""));
}

/* Every field at its longest, of the byte that takes the most room: it fits, and is valid. */
static void test_longest(void **unused)
{
    char text[FACTS_SIZE];
    struct facts f;

    (void)unused;
    for (unsigned byte = 1; byte < 256; byte++) {
        memset(&f, (int)byte, sizeof(f));
        f.cmdline.generation[sizeof(f.cmdline.generation) - 1] = '\0';
        f.cmdline.profile[sizeof(f.cmdline.profile) - 1] = '\0';
        f.slot = "direct";
        f.source = "device";
        f.root = "system";
        f.direct_io = false;
        f.partuuid[sizeof(f.partuuid) - 1] = '\0';
        f.image_device[sizeof(f.image_device) - 1] = '\0';
        f.watchdog[sizeof(f.watchdog) - 1] = '\0';
        f.kernel[sizeof(f.kernel) - 1] = '\0';
        f.last_failure[sizeof(f.last_failure) - 1] = '\0';
        f.secureboot = f.setupmode = f.tpm = FACTS_UNKNOWN;
        f.pcr7.read = f.pcr11.read = f.pcr12.read = true;
        f.persist.open = f.persist.enrolled = true;
        f.persist.route = "recovery";
        f.persist.refusal = f.persist.unowned = "BR-PERSIST-THE-LONGEST-CODE";
        f.persist.uuid[sizeof(f.persist.uuid) - 1] = '\0';
        f.persist.device[sizeof(f.persist.device) - 1] = '\0';
        f.step_count = 0;
        while (f.step_count < FACTS_STEPS_MAX)
            facts_add_step(&f, "the-longest-name", UINT64_MAX);
        assert_json(&f, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
