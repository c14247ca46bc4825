/* /etc/shadow and templates. In production no line keeps a password, whatever it looks like; a
 * template without fields stays as it is. */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "image/development.h"

static void check_locked(const char *line, const char *end)
{
    const char *password = memchr(line, ':', (size_t)(end - line));
    const char *behind;

    if (!password)
        return;
    password++;
    behind = memchr(password, ':', (size_t)(end - password));
    behind = behind ? behind : end;
    CHECK(behind - password == 1 && (*password == '!' || *password == '*'));
}

static void check_production(const uint8_t *data, size_t size)
{
    _cleanup_text_ struct text text = TEXT_INIT, again = TEXT_INIT;
    const char *line, *end;

    development_shadow(data, size, false, &text);
    CHECK(text_status(&text) == 0);
    line = text_string(&text);
    end = line + text.length;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));

        CHECK(newline); /* every line ends */
        check_locked(line, newline);
        line = newline + 1;
    }
    development_shadow((const uint8_t *)text_string(&text), text.length, false, &again);
    CHECK(again.length == text.length);
    CHECK(memcmp(text_string(&again), text_string(&text), text.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char os_release[] = "NAME=\"Broch\"\nVERSION_ID=0.1.0\n";
    _cleanup_text_ struct text shadow = TEXT_INIT, filled = TEXT_INIT;
    int r;

    check_production(data, size);
    development_shadow(data, size, true, &shadow);
    CHECK(text_status(&shadow) == 0);
    r = template_fill(data, size, os_release, &filled);
    if (r == 0 && (size == 0 || !memchr(data, '@', size)))
        CHECK(filled.length == size &&
              (size == 0 || memcmp(text_string(&filled), data, size) == 0));
    return 0;
}
