#include "base/test_json.h"

#include <string.h>

enum { NESTING_MAX = 64 };

static bool skip_value(const char **p, int depth);

static void skip_blanks(const char **p)
{
    *p += strspn(*p, " \t\r\n");
}

static bool skip_byte(const char **p, char wanted)
{
    if (**p != wanted)
        return false;
    (*p)++;
    return true;
}

static bool skip_string(const char **p)
{
    if (!skip_byte(p, '"'))
        return false;
    while (**p != '"') {
        if ((unsigned char)**p < ' ')
            return false; /* the end of the text, too */
        if (!skip_byte(p, '\\')) {
            (*p)++;
        } else if (skip_byte(p, 'u')) {
            if (strspn(*p, "0123456789abcdefABCDEF") < 4)
                return false;
            *p += 4;
        } else {
            if (**p == '\0' || !strchr("\"\\/bfnrt", **p))
                return false;
            (*p)++;
        }
    }
    (*p)++;
    return true;
}

static bool skip_number(const char **p)
{
    size_t digits;

    (void)skip_byte(p, '-');
    digits = strspn(*p, "0123456789");
    if (digits == 0 || (digits > 1 && **p == '0'))
        return false;
    *p += digits;
    return true;
}

/* What follows an opening bracket; members have a name and a colon. */
static bool skip_entries(const char **p, char closing, bool named, int depth)
{
    skip_blanks(p);
    if (skip_byte(p, closing))
        return true;
    do {
        skip_blanks(p);
        if (named) {
            if (!skip_string(p))
                return false;
            skip_blanks(p);
            if (!skip_byte(p, ':'))
                return false;
        }
        if (!skip_value(p, depth + 1))
            return false;
    } while (skip_byte(p, ','));
    return skip_byte(p, closing);
}

static bool skip_word(const char **p, const char *word)
{
    if (strncmp(*p, word, strlen(word)) != 0)
        return false;
    *p += strlen(word);
    return true;
}

static bool skip_value(const char **p, int depth)
{
    bool good;

    if (depth > NESTING_MAX)
        return false;
    skip_blanks(p);
    if (**p == '"')
        good = skip_string(p);
    else if (skip_byte(p, '{'))
        good = skip_entries(p, '}', true, depth);
    else if (skip_byte(p, '['))
        good = skip_entries(p, ']', false, depth);
    else
        good =
            skip_word(p, "true") || skip_word(p, "false") || skip_word(p, "null") || skip_number(p);
    skip_blanks(p);
    return good;
}

bool test_json_is_valid(const char *text)
{
    return skip_value(&text, 0) && *text == '\0';
}
