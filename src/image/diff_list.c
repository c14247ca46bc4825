#include "image/diff_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { GROWTH = 1024 };

static void drop(struct diff_entry *entry)
{
    free(entry->name);
    free(entry->value);
}

void diff_list_done(struct diff_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        drop(&l->entries[i]);
    free(l->entries);
    *l = (struct diff_list)DIFF_LIST_INIT;
}

int diff_list_add(struct diff_list *l, const char *name, size_t name_length, const char *value,
                  size_t value_length, const struct digest *sum)
{
    struct diff_entry *entry;

    if (l->count % GROWTH == 0) {
        entry = reallocarray(l->entries, l->count + GROWTH, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        l->entries = entry;
    }
    entry = &l->entries[l->count];
    *entry = (struct diff_entry){ .name = strndup(name, name_length),
                                  .value = strndup(value, value_length) };
    if (!entry->name || !entry->value) {
        drop(entry);
        return -ENOMEM;
    }
    if (sum)
        (void)digest_text(sum, entry->sum);
    l->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct diff_entry *first = a, *second = b;
    int order = strcmp(first->name, second->name);

    return order != 0 ? order : strcmp(first->value, second->value);
}

void diff_list_sort(struct diff_list *l)
{
    size_t kept = 0;

    if (l->count > 0)
        qsort(l->entries, l->count, sizeof(*l->entries), by_name);
    for (size_t i = 0; i < l->count; i++) {
        struct diff_entry *last = kept > 0 ? &l->entries[kept - 1] : NULL;
        char *joined;

        if (!last || strcmp(last->name, l->entries[i].name) != 0) {
            l->entries[kept++] = l->entries[i];
            continue;
        }
        joined = strcmp(last->value, l->entries[i].value) == 0
                     ? NULL
                     : text_make("%s %s", last->value, l->entries[i].value);
        if (joined) {
            free(last->value);
            last->value = joined;
        }
        drop(&l->entries[i]);
    }
    l->count = kept;
}
