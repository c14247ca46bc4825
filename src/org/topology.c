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

static bool take_slash(const char *text, size_t size, size_t *at)
{
    return *at < size && text[(*at)++] == '/';
}

int topology_parse(const char *text, size_t size, struct topology *ret)
{
    struct topology t;
    size_t at = 0;

    if (!take_label(text, size, &at, t.region) || !take_slash(text, size, &at) ||
        !take_label(text, size, &at, t.site) || !take_slash(text, size, &at) ||
        !take_label(text, size, &at, t.rack) || at != size)
        return -EBADMSG;
    *ret = t;
    return 0;
}

enum topology_level topology_shared(const struct topology *a, const struct topology *b)
{
    if (strcmp(a->region, b->region) != 0)
        return TOPOLOGY_ORG;
    if (strcmp(a->site, b->site) != 0)
        return TOPOLOGY_REGION;
    return strcmp(a->rack, b->rack) != 0 ? TOPOLOGY_SITE : TOPOLOGY_RACK;
}
