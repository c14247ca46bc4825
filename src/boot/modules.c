#include "boot/modules.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/cursor.h"

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool is_name(struct modules_view v)
{
    static const char suffix[] = ".ko";
    size_t suffix_length = sizeof(suffix) - 1;

    if (v.length <= suffix_length || v.length > INITRD_NAME_MAX ||
        memcmp(v.text + v.length - suffix_length, suffix, suffix_length) != 0)
        return false;
    for (size_t i = 0; i < v.length - suffix_length; i++) {
        if (!is_name_character(v.text[i]))
            return false;
    }
    return true;
}

static bool is_pattern(struct modules_view v)
{
    if (v.length == 0 || v.length > INITRD_PATTERN_MAX)
        return false;
    for (size_t i = 0; i < v.length; i++) {
        if (v.text[i] <= ' ' || v.text[i] > '~')
            return false;
    }
    return true;
}

/* Cuts the first word off *rest, with the one space behind it. */
static struct modules_view take_word(struct modules_view *rest)
{
    const char *space = rest->length > 0 ? memchr(rest->text, ' ', rest->length) : NULL;
    struct modules_view word = { rest->text,
                                 space ? (uint32_t)(space - rest->text) : rest->length };
    uint32_t used = word.length + (space ? 1 : 0);

    rest->text += used;
    rest->length -= used;
    return word;
}

static bool is_names(struct modules_view names)
{
    /* A space at the end would leave an empty last word unseen. */
    if (names.length == 0 || names.text[names.length - 1] == ' ')
        return false;
    while (names.length > 0) {
        if (!is_name(take_word(&names)))
            return false;
    }
    return true;
}

static uint32_t literal_length(struct modules_view pattern)
{
    uint32_t i = 0;

    while (i < pattern.length && !memchr("*?[\\", pattern.text[i], 4))
        i++;
    return i;
}

static bool add_load(struct modules_view rest, struct modules_table *t)
{
    if (t->load_count == INITRD_LOAD_COUNT_MAX || !is_name(rest))
        return false;
    t->loads[t->load_count++] = rest;
    return true;
}

static bool add_alias(struct modules_view rest, struct modules_table *t)
{
    struct modules_view pattern = take_word(&rest);

    if (t->alias_count == INITRD_ALIAS_COUNT_MAX || !is_pattern(pattern) || !is_names(rest))
        return false;
    t->aliases[t->alias_count++] = (struct modules_alias){
        .pattern = pattern, .names = rest, .literal_length = literal_length(pattern)
    };
    return true;
}

static bool add_line(struct modules_view line, struct modules_table *t)
{
    struct modules_view word = take_word(&line);

    if (word.length == 4 && memcmp(word.text, "load", 4) == 0)
        return add_load(line, t);
    if (word.length == 5 && memcmp(word.text, "alias", 5) == 0)
        return add_alias(line, t);
    return false;
}

int modules_parse(const void *bytes, size_t size, struct modules_table *ret, struct failure *f)
{
    struct cursor c = cursor_make(bytes, size);
    const char *line;
    size_t length, number = 0;
    bool fine = size <= INITRD_MODULES_SIZE_MAX;

    ret->load_count = ret->alias_count = 0;
    while (fine && cursor_line(&c, &line, &length)) {
        number++;
        fine = add_line((struct modules_view){ line, (uint32_t)length }, ret);
    }
    if (fine && cursor_finished(&c))
        return 0;
    ret->load_count = ret->alias_count = 0;
    return failure_set(f, CODE_BOOT_MODULE, -EBADMSG, "%s is malformed at line %zu", INITRD_MODULES,
                       fine ? number + 1 : number);
}

static int call_each(struct modules_view names, modules_each each, void *context)
{
    char name[INITRD_NAME_MAX + 1];

    while (names.length > 0) {
        struct modules_view word = take_word(&names);
        int r;

        CHECK(word.length <= INITRD_NAME_MAX);
        memcpy(name, word.text, word.length);
        name[word.length] = '\0';
        r = each(name, context);
        if (r != 0)
            return r;
    }
    return 0;
}

int modules_each_load(const struct modules_table *table, modules_each each, void *context)
{
    for (size_t i = 0; i < table->load_count; i++) {
        int r = call_each(table->loads[i], each, context);

        if (r != 0)
            return r;
    }
    return 0;
}

/* Nearly every pair of pattern and modalias differs in its first bytes, so most of them never reach
 * fnmatch(): with Debian's aliases that is the difference between a millisecond and fifty. */
static bool matches(const struct modules_alias *a, const char *modalias, size_t length)
{
    char pattern[INITRD_PATTERN_MAX + 1];

    if (a->literal_length > length || memcmp(a->pattern.text, modalias, a->literal_length) != 0)
        return false;
    memcpy(pattern, a->pattern.text, a->pattern.length);
    pattern[a->pattern.length] = '\0';
    return fnmatch(pattern, modalias, 0) == 0;
}

int modules_each_match(const struct modules_table *table, const char *modalias, modules_each each,
                       void *context)
{
    size_t length = strlen(modalias);

    for (size_t i = 0; i < table->alias_count; i++) {
        int r;

        if (!matches(&table->aliases[i], modalias, length))
            continue;
        r = call_each(table->aliases[i].names, each, context);
        if (r != 0)
            return r;
    }
    return 0;
}
