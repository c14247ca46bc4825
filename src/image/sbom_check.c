#include "image/sbom_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/text.h"
#include "image/contents.h"
#include "trust/pe_section.h"
#include "work/json.h"

enum { LISTED_MAX = 1 << 20 };

/* One file, as a document or as the generation has it. */
struct listed {
    char *path; /* owned */
    struct digest digest;
    const char *id; /* SPDX: of the file; borrowed from the document */
    bool contained; /* by a component */
};

struct listing {
    struct listed *items; /* owned */
    size_t count;
};

static void listing_done(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].path);
    free(l->items);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->path, ((const struct listed *)b)->path);
}

static int by_id(const void *a, const void *b)
{
    const char *first = ((const struct listed *)a)->id, *second = ((const struct listed *)b)->id;

    return strcmp(first ? first : "", second ? second : "");
}

static int add(struct listing *l, const char *root, const char *path, const struct digest *digest,
               const char *id)
{
    struct listed *items;

    if (l->count == LISTED_MAX)
        return -ERANGE;
    if (l->count % 1024 == 0) {
        items = reallocarray(l->items, l->count + 1024, sizeof(*items));
        if (!items)
            return -ENOMEM;
        l->items = items;
    }
    l->items[l->count] =
        (struct listed){ .path = text_make("%s%s", root, path), .digest = *digest, .id = id };
    if (!l->items[l->count].path)
        return -ENOMEM;
    l->count++;
    return 0;
}

/* --- What the generation has --- */

static int add_contents(struct listing *l, const char *root, struct contents *contents)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < contents->count; i++) {
        if (!contents->files[i].link)
            r = add(l, root, contents->files[i].path, &contents->files[i].digest, NULL);
    }
    contents_done(contents);
    return r;
}

static int add_sections(struct listing *l, struct span uki)
{
    struct pe_sections sections;
    int r = pe_sections_read(uki.bytes, uki.size, &sections);

    for (size_t i = 0; r == 0 && i < sections.count; i++) {
        const struct pe_section *s = &sections.list[i];
        const struct digest digest = digest_bytes(uki.bytes + s->offset, s->size);

        if (strcmp(s->name, ".initrd") != 0)
            r = add(l, "linux.efi/", s->name, &digest, NULL);
    }
    return r;
}

static int list_generation(const struct artifact_pair *pair, struct listing *ret, struct failure *f)
{
    struct contents contents;
    int r = contents_of_system(pair->system, true, &contents, f);

    if (r < 0)
        return r;
    r = add_contents(ret, "system/", &contents);
    if (r == 0) {
        r = contents_of_initrd(pair->initrd, true, &contents, f);
        if (r < 0)
            return r;
        r = add_contents(ret, "initrd/", &contents);
    }
    if (r == 0)
        r = add_sections(ret, pair->uki);
    return r < 0 ? failure_set(f, CODE_ARTIFACT_BAD, r, "the generation's files cannot be listed")
                 : 0;
}

/* --- What the document has --- */

/* The one SHA-256 of a list of hashes. */
static int read_sum(struct json_object *o, const char *list_key, const char *name_key,
                    const char *name, const char *value_key, struct digest *ret)
{
    struct json_object *list;
    const char *algorithm, *digits;

    if (!json_get(o, list_key, json_type_array, &list))
        return -EBADMSG;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *hash = json_object_array_get_idx(list, i);

        if (json_get_text(hash, name_key, &algorithm) && strcmp(algorithm, name) == 0)
            return json_get_text(hash, value_key, &digits)
                       ? digest_parse(digits, strlen(digits), ret)
                       : -EBADMSG;
    }
    return -EBADMSG;
}

static int list_spdx(struct json_object *o, struct listing *ret)
{
    struct json_object *files;
    int r = json_get(o, "files", json_type_array, &files) ? 0 : -EBADMSG;

    for (size_t i = 0; r == 0 && i < json_object_array_length(files); i++) {
        struct json_object *file = json_object_array_get_idx(files, i);
        const char *name, *id;
        struct digest digest;

        if (!json_get_text(file, "fileName", &name) || !json_get_text(file, "SPDXID", &id) ||
            strncmp(name, "./", 2) != 0)
            return -EBADMSG;
        r = read_sum(file, "checksums", "algorithm", "SHA256", "checksumValue", &digest);
        if (r == 0)
            r = add(ret, "", name + 2, &digest, id);
    }
    return r;
}

/* Marks the files that a package contains; NULL, or the name of one that two contain. */
static const char *mark_contained(struct json_object *o, struct listing *l)
{
    struct json_object *relations;

    if (!json_get(o, "relationships", json_type_array, &relations))
        return NULL;
    qsort(l->items, l->count, sizeof(*l->items), by_id);
    for (size_t i = 0; i < json_object_array_length(relations); i++) {
        struct json_object *relation = json_object_array_get_idx(relations, i);
        struct listed wanted = { .path = NULL }, *found;
        const char *type;

        if (!json_get_text(relation, "relationshipType", &type) || strcmp(type, "CONTAINS") != 0 ||
            !json_get_text(relation, "relatedSpdxElement", &wanted.id))
            continue;
        found =
            l->count > 0 ? bsearch(&wanted, l->items, l->count, sizeof(*l->items), by_id) : NULL;
        if (found && found->contained)
            return found->path;
        if (found)
            found->contained = true;
    }
    return NULL;
}

/* Files stand inside of their component: in two of them they stand twice. */
static int list_cyclonedx(struct json_object *o, struct listing *ret)
{
    struct json_object *components, *files;
    int r = json_get(o, "components", json_type_array, &components) ? 0 : -EBADMSG;

    for (size_t i = 0; r == 0 && i < json_object_array_length(components); i++) {
        struct json_object *component = json_object_array_get_idx(components, i);

        if (!json_get(component, "components", json_type_array, &files))
            return -EBADMSG;
        for (size_t j = 0; r == 0 && j < json_object_array_length(files); j++) {
            struct json_object *file = json_object_array_get_idx(files, j);
            const char *name;
            struct digest digest;

            if (!json_get_text(file, "name", &name))
                return -EBADMSG;
            r = read_sum(file, "hashes", "alg", "SHA-256", "content", &digest);
            if (r == 0)
                r = add(ret, "", name, &digest, NULL);
        }
    }
    for (size_t i = 0; i < ret->count; i++)
        ret->items[i].contained = true;
    return r;
}

static int bad(struct failure *f, const char *path, const char *what)
{
    return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "'%s' %s", path, what);
}

/* Both are sorted; the first difference ends it. */
static int compare(const struct listing *found, const struct listing *wanted, struct failure *f)
{
    size_t i = 0, j = 0;

    for (size_t k = 1; k < found->count; k++) {
        if (strcmp(found->items[k - 1].path, found->items[k].path) == 0)
            return bad(f, found->items[k].path, "stands there twice");
    }
    while (i < found->count || j < wanted->count) {
        int order = i == found->count    ? 1
                    : j == wanted->count ? -1
                                         : strcmp(found->items[i].path, wanted->items[j].path);

        if (order < 0)
            return bad(f, found->items[i].path, "is not in the generation");
        if (order > 0)
            return bad(f, wanted->items[j].path, "is missing from it");
        if (memcmp(&found->items[i].digest, &wanted->items[j].digest, DIGEST_SIZE) != 0)
            return bad(f, wanted->items[j].path, "has another sum");
        if (!found->items[i].contained)
            return bad(f, wanted->items[j].path, "belongs to no component");
        i++;
        j++;
    }
    return 0;
}

int sbom_check(struct span document, const struct artifact_pair *pair, struct failure *f)
{
    struct listing found = { .items = NULL }, wanted = { .items = NULL };
    struct json_object *o = json_parse(document.bytes, document.size);
    const char *form, *twice = NULL;
    int r;

    if (o && json_get_text(o, "spdxVersion", &form) && strcmp(form, "SPDX-2.3") == 0) {
        r = list_spdx(o, &found);
        twice = r == 0 ? mark_contained(o, &found) : NULL;
    } else if (o && json_get_text(o, "specVersion", &form) && strcmp(form, "1.5") == 0) {
        r = list_cyclonedx(o, &found);
    } else {
        r = -EBADMSG;
    }
    if (r < 0)
        r = failure_set(f, CODE_ARTIFACT_BAD, r, "it is no list of components of ours");
    else if (twice)
        r = bad(f, twice, "belongs to two components");
    else
        r = list_generation(pair, &wanted, f);
    if (r == 0) {
        if (found.count > 0)
            qsort(found.items, found.count, sizeof(*found.items), by_path);
        if (wanted.count > 0)
            qsort(wanted.items, wanted.count, sizeof(*wanted.items), by_path);
        r = compare(&found, &wanted, f);
    }
    listing_done(&found);
    listing_done(&wanted);
    (void)json_object_put(o); /* accepts NULL */
    return r;
}
