#include "org/topology.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool label_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* Copies the label that begins at *at to `ret` and moves *at behind it. */
static bool take_label(const char *text, size_t size, size_t *at, char ret[TOPOLOGY_LABEL_MAX + 1])
{
    size_t length = 0;

    while (*at + length < size && label_character(text[*at + length]))
        length++;
    if (length == 0 || length > TOPOLOGY_LABEL_MAX || text[*at] == '-' ||
        text[*at + length - 1] == '-')
        return false;
    memcpy(ret, text + *at, length);
    ret[length] = '\0';
    *at += length;
    return true;
}

int topology_parse(const char *text, size_t size, struct topology *ret)
{
    struct topology t = { .level = TOPOLOGY_ORG };
    size_t at = 0;

    for (unsigned depth = 0; depth == 0 || at < size; depth++) {
        if (depth == TOPOLOGY_DEPTH_MAX || (depth > 0 && text[at++] != '/') ||
            !take_label(text, size, &at, t.labels[depth]))
            return -EBADMSG;
        t.level = (enum topology_level)(depth + 1);
    }
    *ret = t;
    return 0;
}

int topology_parse_labels(const char *text, size_t size, struct topology *ret)
{
    struct topology t;
    int r = topology_parse(text, size, &t);

    if (r < 0 || t.level != TOPOLOGY_RACK)
        return -EBADMSG;
    *ret = t;
    return 0;
}

enum topology_level topology_shared(const struct topology *a, const struct topology *b)
{
    unsigned shared = 0;

    while (shared < (unsigned)a->level && shared < (unsigned)b->level &&
           strcmp(a->labels[shared], b->labels[shared]) == 0)
        shared++;
    return (enum topology_level)shared;
}
