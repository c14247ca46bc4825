#include "trust/latest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

#define HEAD "broch latest 1"

enum { WORDS = 3 };

static bool is_word(const char *text, size_t length, const char *further)
{
    if (length == 0 || length > LATEST_WORD_MAX || text[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(further, c)))
            return false;
    }
    return true;
}

static bool is_line(const struct latest_line *line)
{
    return is_word(line->profile, strlen(line->profile), "-") &&
           is_word(line->arch, strlen(line->arch), "_");
}

static int copy_word(const char *text, size_t length, char ret[static LATEST_WORD_MAX + 1])
{
    if (length > LATEST_WORD_MAX || memchr(text, '\0', length))
        return -EBADMSG;
    memcpy(ret, text, length);
    ret[length] = '\0';
    return 0;
}

static int parse_line(const char *text, size_t length, struct latest_line *ret)
{
    const char *words[WORDS];
    size_t sizes[WORDS], start = 0;

    for (size_t i = 0; i < WORDS; i++) {
        const char *space = memchr(text + start, ' ', length - start);

        if ((space != NULL) != (i + 1 < WORDS))
            return -EBADMSG;
        words[i] = text + start;
        sizes[i] = space ? (size_t)(space - words[i]) : length - start;
        start += sizes[i] + (space ? 1 : 0);
    }
    if (copy_word(words[0], sizes[0], ret->profile) < 0 ||
        copy_word(words[1], sizes[1], ret->arch) < 0 || !is_line(ret) || sizes[2] == 0 ||
        words[2][0] != 'v')
        return -EBADMSG;
    return version_parse(words[2] + 1, sizes[2] - 1, &ret->version);
}

int latest_parse(const char *name, const void *bytes, size_t size, struct latest *ret,
                 struct failure *f)
{
    struct cursor cursor = cursor_make(bytes, size);
    struct latest latest = { .count = 0 };
    const char *text;
    size_t length;

    if (size > LATEST_SIZE_MAX || !cursor_line(&cursor, &text, &length) || length != strlen(HEAD) ||
        memcmp(text, HEAD, length) != 0)
        return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s:1: not an index of releases", name);
    while (cursor_line(&cursor, &text, &length)) {
        struct latest_line *line = &latest.lines[latest.count];

        if (latest.count == LATEST_LINES_MAX)
            return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s: more than %d lines", name,
                               LATEST_LINES_MAX);
        if (parse_line(text, length, line) < 0 || latest_find(&latest, line->profile, line->arch))
            return failure_set(f, CODE_SYNTAX, -EBADMSG,
                               "%s:%zu: not 'PROFILE ARCH vX.Y.Z', or there twice", name,
                               latest.count + 2);
        latest.count++;
    }
    if (!cursor_finished(&cursor))
        return failure_set(f, CODE_SYNTAX, -EBADMSG, "%s: the last line has no end", name);
    *ret = latest;
    return 0;
}

void latest_format(const struct latest *latest, struct text *ret_text)
{
    text_add(ret_text, HEAD "\n");
    for (size_t i = 0; i < latest->count; i++) {
        const struct latest_line *line = &latest->lines[i];
        const uint32_t *numbers = line->version.numbers;

        text_addf(ret_text, "%s %s v%u.%u.%u\n", line->profile, line->arch, numbers[0], numbers[1],
                  numbers[2]);
    }
}

static int compare(const struct latest_line *line, const char *profile, const char *arch)
{
    int order = strcmp(line->profile, profile);

    return order != 0 ? order : strcmp(line->arch, arch);
}

const struct latest_line *latest_find(const struct latest *latest, const char *profile,
                                      const char *arch)
{
    for (size_t i = 0; i < latest->count; i++) {
        if (compare(&latest->lines[i], profile, arch) == 0)
            return &latest->lines[i];
    }
    return NULL;
}

int latest_put(struct latest *latest, const struct latest_line *line)
{
    size_t at = 0;

    if (!is_line(line))
        return -EBADMSG;
    while (at < latest->count && compare(&latest->lines[at], line->profile, line->arch) < 0)
        at++;
    if (at == latest->count || compare(&latest->lines[at], line->profile, line->arch) != 0) {
        if (latest->count == LATEST_LINES_MAX)
            return -ERANGE;
        memmove(&latest->lines[at + 1], &latest->lines[at],
                (latest->count - at) * sizeof(latest->lines[0]));
        latest->count++;
    }
    latest->lines[at] = *line;
    return 0;
}

void latest_folder(const struct latest_line *line, char ret[static LATEST_FOLDER_SIZE])
{
    const uint32_t *numbers = line->version.numbers;
    int length = snprintf(ret, LATEST_FOLDER_SIZE, "broch-v%u.%u.%u-%s-%s", numbers[0], numbers[1],
                          numbers[2], line->profile, line->arch);

    CHECK(length > 0 && length < LATEST_FOLDER_SIZE);
}
