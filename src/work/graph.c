#include "work/graph.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/line.h"
#include "base/nearest.h"

enum { NOT_FOUND = SERVICES_MAX };

static_assert(SERVICES_MAX <= 64, "a set of services is one 64-bit word");

struct maker {
    const struct service_manifest *manifests;
    struct service_graph graph;
    struct failure *failure;
};

static uint64_t bit(size_t index)
{
    return (uint64_t)1 << index;
}

static size_t find(const struct maker *maker, const char *name)
{
    for (size_t i = 0; i < maker->graph.count; i++) {
        if (strcmp(maker->manifests[i].name, name) == 0)
            return i;
    }
    return NOT_FOUND;
}

static int refuse_unknown(const struct maker *maker, size_t index, const char *name)
{
    const struct service_manifest *m = &maker->manifests[index];
    const char *names[SERVICES_MAX], *nearest;

    for (size_t i = 0; i < maker->graph.count; i++)
        names[i] = maker->manifests[i].name;
    nearest = nearest_name(name, names, maker->graph.count);
    return failure_set(maker->failure, CODE_SERVICE_NEEDS, -ENOENT,
                       "%s:%u: 'needs' names '%s', which is not among the services%s%s%s", m->path,
                       m->lines.needs, name, nearest ? ", did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
}

/* "*": everything else that is required. */
static uint64_t all_required(const struct maker *maker, size_t but)
{
    uint64_t set = 0;

    for (size_t i = 0; i < maker->graph.count; i++) {
        if (i != but && maker->manifests[i].required)
            set |= bit(i);
    }
    return set;
}

static int add_edges(struct maker *maker, size_t index)
{
    const struct service_manifest *m = &maker->manifests[index];
    struct service_graph *graph = &maker->graph;

    for (size_t i = 0; i < m->needs.count; i++) {
        const char *name = m->needs.items[i];
        size_t other = find(maker, name);

        if (strcmp(name, "*") == 0)
            graph->needs[index] |= all_required(maker, index);
        else if (other == NOT_FOUND)
            return refuse_unknown(maker, index, name);
        else
            graph->needs[index] |= bit(other);
    }
    for (size_t i = 0; i < m->before.count; i++) {
        size_t other = find(maker, m->before.items[i]);

        if (other != NOT_FOUND)
            graph->needs[other] |= bit(index);
    }
    return 0;
}

/* The next service, by index, whose needs are all in `done`. */
static size_t next_free(const struct service_graph *graph, uint64_t done)
{
    for (size_t i = 0; i < graph->count; i++) {
        if (!(done & bit(i)) && (graph->needs[i] & ~done) == 0)
            return i;
    }
    return NOT_FOUND;
}

static uint8_t level_of(const struct service_graph *graph, size_t index)
{
    uint8_t level = 0;

    for (size_t i = 0; i < graph->count; i++) {
        if ((graph->needs[index] & bit(i)) && graph->level[i] >= level)
            level = (uint8_t)(graph->level[i] + 1);
    }
    return level;
}

/* Puts as many in order as can be, and returns the set of these. */
static uint64_t sort(struct service_graph *graph)
{
    uint64_t done = 0;
    size_t placed = 0;

    for (;;) {
        size_t next = next_free(graph, done);

        if (next == NOT_FOUND)
            return done;
        graph->level[next] = level_of(graph, next);
        graph->order[placed++] = (uint8_t)next;
        done |= bit(next);
    }
}

/* A shortest way from `start` back to itself, breadth first: came_from[i] is the service before i
 * on it. Returns its length, or 0 when there is none. */
static size_t measure_cycle(const struct service_graph *graph, size_t start,
                            uint8_t came_from[static SERVICES_MAX])
{
    uint64_t seen = 0, front = bit(start);

    for (size_t length = 1; front; length++) {
        uint64_t next = 0;

        for (size_t i = 0; i < graph->count; i++) {
            for (size_t j = 0; (front & bit(i)) && j < graph->count; j++) {
                if (!(graph->needs[i] & bit(j)) || ((seen | next) & bit(j)))
                    continue;
                came_from[j] = (uint8_t)i;
                next |= bit(j);
            }
        }
        if (next & bit(start))
            return length;
        seen |= next;
        front = next;
    }
    return 0;
}

static int refuse_cycle(const struct maker *maker)
{
    uint8_t came_from[SERVICES_MAX], way[SERVICES_MAX + 1];
    size_t best = NOT_FOUND, length = SERVICES_MAX + 1;
    char text[FAILURE_TEXT_MAX / 2];
    struct line l = line_make(text, sizeof(text));

    for (size_t i = 0; i < maker->graph.count; i++) {
        size_t found = measure_cycle(&maker->graph, i, came_from);

        if (found > 0 && found < length) {
            length = found;
            best = i;
        }
    }
    CHECK(best != NOT_FOUND); /* who cannot be put in order is on a cycle, or needs one that is */
    CHECK(measure_cycle(&maker->graph, best, came_from) == length);
    way[length] = (uint8_t)best;
    for (size_t i = length; i > 0; i--)
        way[i - 1] = came_from[way[i]];
    for (size_t i = 0; i <= length; i++)
        line_addf(&l, "%s%s", i > 0 ? " -> " : "", maker->manifests[way[i]].name);
    return failure_set(maker->failure, CODE_SERVICE_CYCLE, -EDEADLK,
                       "services need each other in a circle: %s", text);
}

int service_graph_make(const struct service_manifest *manifests, size_t count,
                       struct service_graph *ret, struct failure *f)
{
    struct maker maker = { manifests, { .count = count }, f };
    uint64_t all;

    CHECK(count <= SERVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        int r;

        CHECK(find(&maker, manifests[i].name) == i);
        r = add_edges(&maker, i);
        if (r < 0)
            return r;
    }
    all = count == SERVICES_MAX ? UINT64_MAX : bit(count) - 1;
    if (sort(&maker.graph) != all)
        return refuse_cycle(&maker);
    *ret = maker.graph;
    return 0;
}
