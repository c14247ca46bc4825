#include "image/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/contents.h"
#include "image/diff_list.h"
#include "trust/pe_section.h"
#include "work/json.h"

enum { GROWTH = 1024 };

void diff_done(struct diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        free(diff->items[i].name);
        free(diff->items[i].before);
        free(diff->items[i].after);
    }
    free(diff->items);
    *diff = (struct diff)DIFF_INIT;
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int add(struct diff *diff, enum diff_sort sort, const char *name, const char *before,
               const char *after)
{
    struct diff_item *item;

    if (diff->count % GROWTH == 0) {
        item = reallocarray(diff->items, diff->count + GROWTH, sizeof(*item));
        if (!item)
            return -ENOMEM;
        diff->items = item;
    }
    item = &diff->items[diff->count++];
    *item = (struct diff_item){ sort, strdup(name), copy(before), copy(after) };
    return item->name && !item->before == !before && !item->after == !after ? 0 : -ENOMEM;
}

/* Both lists are sorted by name; `same` entries say nothing. */
static int add_lists(struct diff *diff, enum diff_sort sort, const struct diff_list *before,
                     const struct diff_list *after)
{
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < before->count || j < after->count)) {
        const struct diff_entry *old = before->entries + i, *new = after->entries + j;
        int order = i == before->count ? 1 : j == after->count ? -1 : strcmp(old->name, new->name);

        if (order < 0)
            r = add(diff, sort, old->name, old->value, NULL);
        else if (order > 0)
            r = add(diff, sort, new->name, NULL, new->value);
        else if (strcmp(old->value, new->value) != 0 || strcmp(old->sum, new->sum) != 0)
            r = add(diff, sort, old->name, old->value, new->value);
        i += order <= 0;
        j += order >= 0;
    }
    return r;
}

static int memory(int r, struct failure *f)
{
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "the difference cannot be listed") : 0;
}

/* --- The command line and the kernel --- */

static int list_section(const struct artifact_pair *pair, const char *name, bool words,
                        struct diff_list *ret)
{
    size_t offset, size;
    const char *at;

    if (pe_section_find(pair->uki.bytes, pair->uki.size, name, &offset, &size) < 0)
        return -EBADMSG;
    at = (const char *)pair->uki.bytes + offset;
    if (!words)
        return diff_list_add(ret, "release", strlen("release"), at, size, NULL);
    while (size > 0) {
        const char *space = memchr(at, ' ', size);
        size_t length = space ? (size_t)(space - at) : size;
        const char *equals = memchr(at, '=', length);
        size_t name_length = equals ? (size_t)(equals - at) : length;
        int r = length == 0
                    ? 0
                    : diff_list_add(ret, at, name_length, at + name_length + (equals != NULL),
                                    length - name_length - (equals != NULL), NULL);

        if (r < 0)
            return r;
        at += length + (space != NULL);
        size -= length + (space != NULL);
    }
    diff_list_sort(ret);
    return 0;
}

static int diff_boot(struct diff *diff, const struct artifact_pair *const pairs[2],
                     struct failure *f)
{
    static const struct {
        const char *section;
        bool words;
        enum diff_sort sort;
    } parts[] = { { ".uname", false, DIFF_KERNEL }, { ".cmdline", true, DIFF_OPTION } };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        _cleanup_diff_list_ struct diff_list before = DIFF_LIST_INIT, after = DIFF_LIST_INIT;
        int r = list_section(pairs[0], parts[i].section, parts[i].words, &before);

        if (r == 0)
            r = list_section(pairs[1], parts[i].section, parts[i].words, &after);
        if (r == -EBADMSG)
            return failure_set(f, CODE_ARTIFACT_BAD, r, "a boot file has no section %s",
                               parts[i].section);
        if (r == 0)
            r = add_lists(diff, parts[i].sort, &before, &after);
        if (r < 0)
            return memory(r, f);
    }
    return 0;
}

/* --- Files --- */

static int list_contents(const struct contents *c, const char *root, struct diff_list *ret,
                         uint64_t *size)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->count; i++) {
        const struct contents_file *file = &c->files[i];
        _cleanup_free_ char *name = text_make("%s/%s", root, file->path);
        _cleanup_free_ char *value = file->link ? text_make("-> %s", file->link)
                                                : text_make("%llu", (unsigned long long)file->size);

        *size += file->size;
        r = name && value ? diff_list_add(ret, name, strlen(name), value, strlen(value),
                                          file->link ? NULL : &file->digest)
                          : -ENOMEM;
    }
    return r;
}

/* Of the parts that the other one has as well. */
static int list_files(const struct artifact_pair *pair, const struct artifact_pair *other,
                      struct diff_list *ret, uint64_t *size, struct failure *f)
{
    _cleanup_contents_ struct contents system = CONTENTS_INIT, initrd = CONTENTS_INIT;
    int r = 0;

    if (pair->system.bytes && other->system.bytes) {
        r = contents_of_system(pair->system, true, &system, f);
        if (r == 0)
            r = memory(list_contents(&system, "system", ret, size), f);
    }
    if (r == 0 && pair->initrd.bytes && other->initrd.bytes) {
        r = contents_of_initrd(pair->initrd, true, &initrd, f);
        if (r == 0)
            r = memory(list_contents(&initrd, "initrd", ret, size), f);
    }
    diff_list_sort(ret);
    return r;
}

static int diff_files(struct diff *diff, const struct artifact_pair *const pairs[2],
                      struct failure *f)
{
    _cleanup_diff_list_ struct diff_list before = DIFF_LIST_INIT, after = DIFF_LIST_INIT;
    int r = list_files(pairs[0], pairs[1], &before, &diff->size_before, f);

    if (r == 0)
        r = list_files(pairs[1], pairs[0], &after, &diff->size_after, f);
    return r < 0 ? r : memory(add_lists(diff, DIFF_FILE, &before, &after), f);
}

/* --- Packages --- */

/* 1, or 0 when the generation has no list. */
static int list_packages(struct artifact *a, struct diff_list *ret, struct failure *f)
{
    struct json_object *o, *components;
    struct span text;
    int r = artifact_file(a, "sbom.cdx.json", &text, f);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    o = json_parse(text.bytes, text.size);
    if (!o || !json_get(o, "components", json_type_array, &components)) {
        (void)json_object_put(o); /* accepts NULL */
        return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "'%s': sbom.cdx.json is malformed",
                           a->path);
    }
    for (size_t i = 0; r == 0 && i < json_object_array_length(components); i++) {
        struct json_object *c = json_object_array_get_idx(components, i);
        const char *name, *version, *purl;

        if (json_get_text(c, "purl", &purl) && json_get_text(c, "name", &name) &&
            json_get_text(c, "version", &version))
            r = diff_list_add(ret, name, strlen(name), version, strlen(version), NULL);
    }
    (void)json_object_put(o);
    diff_list_sort(ret);
    return r < 0 ? memory(r, f) : 1;
}

static int diff_packages(struct diff *diff, struct artifact *before, struct artifact *after,
                         struct failure *f)
{
    _cleanup_diff_list_ struct diff_list old = DIFF_LIST_INIT, new = DIFF_LIST_INIT;
    int r = list_packages(before, &old, f);

    if (r > 0)
        r = list_packages(after, &new, f);
    if (r <= 0)
        return r;
    diff->packages = true;
    return memory(add_lists(diff, DIFF_PACKAGE, &old, &new), f);
}

int diff_make(struct artifact *before, struct artifact *after, struct diff *ret, struct failure *f)
{
    const struct artifact_pair *const pairs[] = { &before->pairs[0], &after->pairs[0] };
    const bool boot = pairs[0]->uki.bytes && pairs[1]->uki.bytes;
    const bool system = pairs[0]->system.bytes && pairs[1]->system.bytes;
    const bool initrd = pairs[0]->initrd.bytes && pairs[1]->initrd.bytes;
    int r = 0;

    *ret = (struct diff)DIFF_INIT;
    if (!boot && !system && !initrd)
        return failure_set(f, CODE_USAGE, -EINVAL, "%s and %s have no part in common",
                           artifact_kind_name(before->kind), artifact_kind_name(after->kind));
    if (boot)
        r = diff_boot(ret, pairs, f);
    if (r == 0)
        r = diff_packages(ret, before, after, f);
    return r < 0 ? r : diff_files(ret, pairs, f);
}

/* --- In words --- */

static const char *const sort_words[] = {
    [DIFF_KERNEL] = "kernel",
    [DIFF_OPTION] = "option",
    [DIFF_PACKAGE] = "package",
    [DIFF_FILE] = "file",
};
_Static_assert(ARRAY_SIZE(sort_words) == DIFF_SORT_MAX_, "every sort has a word");

void diff_add_table(const struct diff *diff, struct text *t)
{
    if (!diff->packages)
        text_add(t, "packages      not compared: not both have sbom.cdx.json\n");
    for (size_t i = 0; i < diff->count; i++) {
        const struct diff_item *item = &diff->items[i];

        if (!item->before)
            text_addf(t, "%-8s + %s  %s\n", sort_words[item->sort], item->name, item->after);
        else if (!item->after)
            text_addf(t, "%-8s - %s  %s\n", sort_words[item->sort], item->name, item->before);
        else
            text_addf(t, "%-8s * %s  %s, now %s\n", sort_words[item->sort], item->name,
                      item->before, item->after);
    }
    text_addf(t, "size     %llu, now %llu bytes in all files\n",
              (unsigned long long)diff->size_before, (unsigned long long)diff->size_after);
}

void diff_add_json(const struct diff *diff, struct text *t)
{
    struct json_object *o = json_object_new_object(), *list;
    bool whole = o && json_put_number(o, "schema", 1) &&
                 json_put_flag(o, "packages_compared", diff->packages) &&
                 json_put_number(o, "size_before", diff->size_before) &&
                 json_put_number(o, "size_after", diff->size_after);

    list = whole ? json_put_list(o, "differences") : NULL;
    for (size_t i = 0; list && whole && i < diff->count; i++) {
        const struct diff_item *item = &diff->items[i];
        struct json_object *entry = json_object_new_object();

        whole = entry && json_put_text(entry, "sort", sort_words[item->sort]) &&
                json_put_text(entry, "name", item->name) &&
                (item->before ? json_put_text(entry, "before", item->before)
                              : json_put(entry, "before", NULL)) &&
                (item->after ? json_put_text(entry, "after", item->after)
                             : json_put(entry, "after", NULL));
        whole = json_append(list, entry) && whole;
    }
    json_finish(o, whole && list, t);
    text_add(t, "\n");
}
