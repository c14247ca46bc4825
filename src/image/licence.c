#include "image/licence.h"

#include <string.h>

#include "base/cursor.h"

enum { LICENCES_MAX = 256, NAME_MAX_ = 128 };

/* Debian's short names that are others in SPDX; a name with "+" means "or later" in both. */
static const struct {
    const char *debian, *spdx;
} names[] = {
    { "Apache-2", "Apache-2.0" },
    { "Apache-2.0", "Apache-2.0" },
    { "Artistic-2.0", "Artistic-2.0" },
    { "BSD-2-clause", "BSD-2-Clause" },
    { "BSD-3-clause", "BSD-3-Clause" },
    { "BSD-4-clause", "BSD-4-Clause" },
    { "BSL-1.0", "BSL-1.0" },
    { "CC0-1.0", "CC0-1.0" },
    { "Expat", "MIT" },
    { "FSFAP", "FSFAP" },
    { "GFDL-1.3", "GFDL-1.3-only" },
    { "GFDL-1.3+", "GFDL-1.3-or-later" },
    { "GPL-1+", "GPL-1.0-or-later" },
    { "GPL-2", "GPL-2.0-only" },
    { "GPL-2+", "GPL-2.0-or-later" },
    { "GPL-2.0", "GPL-2.0-only" },
    { "GPL-2.0+", "GPL-2.0-or-later" },
    { "GPL-3", "GPL-3.0-only" },
    { "GPL-3+", "GPL-3.0-or-later" },
    { "GPL-3.0+", "GPL-3.0-or-later" },
    { "ISC", "ISC" },
    { "LGPL-2", "LGPL-2.0-only" },
    { "LGPL-2+", "LGPL-2.0-or-later" },
    { "LGPL-2.1", "LGPL-2.1-only" },
    { "LGPL-2.1+", "LGPL-2.1-or-later" },
    { "LGPL-3", "LGPL-3.0-only" },
    { "LGPL-3+", "LGPL-3.0-or-later" },
    { "MIT", "MIT" },
    { "MPL-2.0", "MPL-2.0" },
    { "Zlib", "Zlib" },
    { "zlib", "Zlib" },
};

/* One name, without blanks around it. */
static void add_name(const char *name, size_t length, struct text *ret)
{
    while (length > 0 && (name[0] == ' ' || name[0] == '\t'))
        name++, length--;
    while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
        length--;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strlen(names[i].debian) == length && strncmp(names[i].debian, name, length) == 0) {
            text_add(ret, names[i].spdx);
            return;
        }
    }
    text_add(ret, "LicenseRef-");
    for (size_t i = 0; i < length; i++) {
        const char c = name[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '-';

        text_addf(ret, "%c", plain ? c : '-');
    }
}

/* "GPL-2+ or Artistic". What mixes both words, has a comma or an exception is one name as a whole:
 * how it binds is written for people. */
static void add_licence(const char *name, size_t length, struct text *ret)
{
    static const struct {
        const char *word, *spdx;
    } joins[] = { { " or ", " OR " }, { " and ", " AND " } };
    const char *found[ARRAY_SIZE(joins)];

    for (size_t i = 0; i < ARRAY_SIZE(joins); i++)
        found[i] = memmem(name, length, joins[i].word, strlen(joins[i].word));
    if ((found[0] && found[1]) || memmem(name, length, " with ", 6) || memchr(name, ',', length) ||
        (!found[0] && !found[1])) {
        add_name(name, length, ret);
        return;
    }
    text_add(ret, "(");
    for (size_t i = found[0] ? 0 : 1;;) {
        const char *next = memmem(name, length, joins[i].word, strlen(joins[i].word));
        size_t part = next ? (size_t)(next - name) : length;

        add_name(name, part, ret);
        if (!next)
            break;
        text_add(ret, joins[i].spdx);
        name += part + strlen(joins[i].word);
        length -= part + strlen(joins[i].word);
    }
    text_add(ret, ")");
}

/* Whether the expression has this part already, between its ANDs. */
static bool has_part(const struct text *expression, size_t from, const char *part)
{
    const char *first = text_string(expression) + from, *at = first;

    for (size_t length = strlen(part); (at = strstr(at, part)); at += length) {
        bool begins = at == first || (at - first > 5 && strncmp(at - 5, " AND ", 5) == 0);
        bool ends = at[length] == '\0' || strncmp(at + length, " AND ", 5) == 0;

        if (begins && ends)
            return true;
    }
    return false;
}

void licence_read(const char *bytes, size_t size, struct text *ret)
{
    struct cursor c = cursor_make(bytes, size);
    size_t length, from = ret->length, count = 0;
    const char *line;

    if (!cursor_line(&c, &line, &length) || length < 7 || strncmp(line, "Format:", 7) != 0)
        return;
    while (count < LICENCES_MAX && cursor_line(&c, &line, &length)) {
        _cleanup_text_ struct text part = TEXT_INIT;
        static const char field[] = "License:";

        if (length <= strlen(field) || strncmp(line, field, strlen(field)) != 0)
            continue;
        line += strlen(field);
        length -= strlen(field);
        while (length > 0 && (line[0] == ' ' || line[0] == '\t'))
            line++, length--;
        if (length == 0 || length > NAME_MAX_)
            continue;
        add_licence(line, length, &part);
        if (has_part(ret, from, text_string(&part)))
            continue;
        if (count++ > 0)
            text_add(ret, " AND ");
        text_add(ret, text_string(&part));
    }
}
