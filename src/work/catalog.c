#include "work/catalog.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sys/file.h"

struct loading {
    const struct catalog_places *places;
    catalog_complaint complain;
    void *context;
    struct catalog *catalog;
};

void catalog_done(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        service_manifest_done(&catalog->manifests[i]);
    memset(catalog, 0, sizeof(*catalog));
}

size_t catalog_find(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (strcmp(catalog->manifests[i].name, name) == 0)
            return i;
    }
    return SERVICES_MAX;
}

static void leave_out(const struct loading *l, const char *name, const struct failure *f)
{
    l->complain(name, f, l->context);
}

/* A manifest that cannot be read is left out; a full catalog refuses the rest. */
static bool take_manifest(const struct loading *l, const struct service_folders *folders,
                          const char *name)
{
    struct failure f = FAILURE_NONE;

    if (l->catalog->count == SERVICES_MAX)
        (void)failure_set(&f, CODE_SCHEMA, -ERANGE, "there are more than %d services",
                          SERVICES_MAX);
    else if (service_manifest_load(folders, name, &l->catalog->manifests[l->catalog->count], &f) ==
             0) {
        l->catalog->count++;
        return true;
    }
    leave_out(l, name, &f);
    return false;
}

static int take_image(const struct loading *l, struct failure *f)
{
    const struct service_folders folders = { .image = l->places->folders.image };
    _cleanup_free_ uint8_t *bytes = NULL;
    struct cursor c;
    const char *line;
    size_t size, length;
    int r = file_read(l->places->list, CATALOG_LIST_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    c = cursor_make(bytes, size);
    while (cursor_line(&c, &line, &length)) {
        char name[SERVICE_NAME_MAX + 1];

        if (length > SERVICE_NAME_MAX)
            return failure_set(f, CODE_SERVICE_ORDER, -EBADMSG, "%s: a name is too long",
                               l->places->list);
        memcpy(name, line, length);
        name[length] = '\0';
        (void)take_manifest(l, &folders, name); /* it has complained */
    }
    r = service_graph_make(l->catalog->manifests, l->catalog->count, &l->catalog->graph, f);
    return r;
}

static void swap(struct service_manifest *a, struct service_manifest *b)
{
    struct service_manifest former = *a;

    *a = *b;
    *b = former;
}

/* Behind the accepted ones in the array are candidates. Each pass accepts those whose needs are
 * accepted already; a need that is only a candidate may come with the next pass. */
static size_t accept_candidates(struct catalog *catalog, size_t accepted, struct failure failures[])
{
    bool progress = true;

    while (progress) {
        progress = false;
        for (size_t i = accepted; i < catalog->count; i++) {
            swap(&catalog->manifests[accepted], &catalog->manifests[i]);
            if (service_graph_make(catalog->manifests, accepted + 1, &catalog->graph,
                                   &failures[i]) == 0) {
                accepted++;
                progress = true;
                continue;
            }
            swap(&catalog->manifests[accepted], &catalog->manifests[i]);
        }
    }
    return accepted;
}

/* Candidates that need each other in a circle look as if each lacked the other; together they show
 * what is wrong. */
static void name_circle(const struct catalog *catalog, size_t accepted, struct failure failures[])
{
    struct service_graph graph;
    struct failure f = FAILURE_NONE;

    if (service_graph_make(catalog->manifests, catalog->count, &graph, &f) != -EDEADLK)
        return;
    for (size_t i = accepted; i < catalog->count; i++)
        failures[i] = f;
}

static void take_machine(const struct loading *l)
{
    static struct failure failures[SERVICES_MAX];
    static struct service_names names;
    struct catalog *catalog = l->catalog;
    struct failure f = FAILURE_NONE;
    size_t accepted = catalog->count;

    if (!l->places->folders.machine)
        return;
    if (service_names_list(l->places->folders.machine, &names, &f) < 0) {
        leave_out(l, "*", &f);
        return;
    }
    for (size_t i = 0; i < names.count; i++) {
        if (catalog_find(catalog, names.names[i]) == SERVICES_MAX) {
            (void)take_manifest(l, &l->places->folders, names.names[i]); /* it has complained */
            continue;
        }
        (void)failure_set(&f, CODE_SCHEMA, -EEXIST,
                          "%s/%s.toml: the image has a service of this name",
                          l->places->folders.machine, names.names[i]);
        leave_out(l, names.names[i], &f);
    }
    accepted = accept_candidates(catalog, accepted, failures);
    name_circle(catalog, accepted, failures);
    while (catalog->count > accepted) {
        struct service_manifest *last = &catalog->manifests[--catalog->count];

        leave_out(l, last->name, &failures[catalog->count]);
        service_manifest_done(last);
    }
}

int catalog_load(const struct catalog_places *places, catalog_complaint complain, void *context,
                 struct catalog *ret, struct failure *f)
{
    const struct loading l = {
        .places = places, .complain = complain, .context = context, .catalog = ret
    };
    int r;

    memset(ret, 0, sizeof(*ret));
    r = take_image(&l, f);
    if (r < 0) {
        catalog_done(ret);
        return r;
    }
    take_machine(&l);
    return service_graph_make(ret->manifests, ret->count, &ret->graph, f);
}
