#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "work/graph.h"

/* Manifests as this test needs them: names, edges, nothing else. */
struct sketch {
    const char *name, *needs[8], *before[8];
    bool is_optional;
};

enum { SKETCHES_MAX = SERVICES_MAX };

static struct service_manifest manifests[SKETCHES_MAX];
static char names[SKETCHES_MAX][SERVICE_NAME_MAX + 1];
static char path[] = "m.toml";
static char *items[SKETCHES_MAX][2][8];

static struct schema_list list(char **place, const char *const *texts)
{
    size_t count = 0;

    for (; count < 8 && texts[count]; count++)
        memcpy(&place[count], &texts[count], sizeof(char *));
    return (struct schema_list){ place, count };
}

static int make(const struct sketch *sketches, size_t count, struct service_graph *ret,
                struct failure *f)
{
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%s", sketches[i].name);
        manifests[i] = (struct service_manifest){ .name = names[i],
                                                  .required = !sketches[i].is_optional,
                                                  .path = path,
                                                  .lines.needs = 4,
                                                  .needs = list(items[i][0], sketches[i].needs),
                                                  .before = list(items[i][1], sketches[i].before) };
    }
    return service_graph_make(manifests, count, ret, f);
}

static void check_order(const struct service_graph *graph, const char *expected)
{
    char text[256] = "";

    for (size_t i = 0; i < graph->count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "",
                       manifests[graph->order[i]].name);
    assert_string_equal(text, expected);
}

static void test_order(void **state)
{
    static const struct sketch sketches[] = {
        { .name = "ready", .needs = { "*" } },
        { .name = "ssh", .needs = { "network", "time" } },
        { .name = "watchdog" },
        { .name = "network", .needs = { "devices" } },
        { .name = "firewall", .before = { "network", "absent" } },
        { .name = "time", .needs = { "network" } },
        { .name = "devices" },
        { .name = "toy", .is_optional = true },
    };
    struct failure f = FAILURE_NONE;
    struct service_graph graph;

    (void)state;
    assert_int_equal(make(sketches, ARRAY_SIZE(sketches), &graph, &f), 0);
    check_order(&graph, "watchdog firewall devices network time ssh ready toy");
    assert_int_equal(graph.needs[0], 0x7e); /* all but itself and the toy */
    assert_int_equal(graph.needs[3], 1u << 4 | 1u << 6);
    assert_int_equal(graph.level[2], 0);
    assert_int_equal(graph.level[3], 1);
    assert_int_equal(graph.level[1], 3);
    assert_int_equal(graph.level[0], 4);
}

static void test_empty_and_full(void **state)
{
    static char made[SERVICES_MAX][8];
    struct sketch sketches[SERVICES_MAX] = { 0 };
    struct failure f = FAILURE_NONE;
    struct service_graph graph;

    (void)state;
    assert_int_equal(make(sketches, 0, &graph, &f), 0);
    assert_int_equal(graph.count, 0);
    for (size_t i = 0; i < SERVICES_MAX; i++) { /* each needs the next one */
        (void)snprintf(made[i], sizeof(made[i]), "s%zu", i);
        sketches[i].name = made[i];
        if (i > 0)
            sketches[i - 1].needs[0] = made[i];
    }
    assert_int_equal(make(sketches, SERVICES_MAX, &graph, &f), 0);
    assert_int_equal(graph.order[0], SERVICES_MAX - 1);
    assert_int_equal(graph.level[0], SERVICES_MAX - 1);
    sketches[SERVICES_MAX - 1].needs[0] = made[0];
    assert_int_equal(make(sketches, SERVICES_MAX, &graph, &f), -EDEADLK);
    assert_int_equal(f.code, CODE_SERVICE_CYCLE);
}

static void test_refused(void **state)
{
    static const struct {
        struct sketch sketches[5];
        int result;
        const char *message;
    } cases[] = {
        { { { .name = "ssh", .needs = { "netwrk" } }, { .name = "network" } },
          -ENOENT,
          "m.toml:4: 'needs' names 'netwrk', which is not among the services, did you mean "
          "'network'?" },
        { { { .name = "ssh", .needs = { "xyzzy" } } },
          -ENOENT,
          "m.toml:4: 'needs' names 'xyzzy', which is not among the services" },
        { { { .name = "a", .needs = { "b" } }, { .name = "b", .needs = { "a" } } },
          -EDEADLK,
          "services need each other in a circle: a -> b -> a" },
        { { { .name = "a", .needs = { "b" } },
            { .name = "b", .before = { "c" } },
            { .name = "c", .before = { "a", "b" } } },
          -EDEADLK,
          "services need each other in a circle: b -> c -> b" },
        /* The one with the long way does not stand for the one with the short way. */
        { { { .name = "a", .needs = { "b" } },
            { .name = "b", .needs = { "c" } },
            { .name = "c", .needs = { "a", "d" } },
            { .name = "d", .needs = { "e" } },
            { .name = "e", .needs = { "d" } } },
          -EDEADLK,
          "services need each other in a circle: d -> e -> d" },
        { { { .name = "ready", .needs = { "*" } }, { .name = "a", .needs = { "ready" } } },
          -EDEADLK,
          "services need each other in a circle: ready -> a -> ready" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service_graph graph = { .count = 77 };
        struct failure f = FAILURE_NONE;
        size_t count = 0;

        while (count < ARRAY_SIZE(cases[i].sketches) && cases[i].sketches[count].name)
            count++;
        assert_int_equal(make(cases[i].sketches, count, &graph, &f), cases[i].result);
        assert_string_equal(f.text, cases[i].message);
        assert_int_equal(graph.count, 77);
    }
}

/* An optional service may need one with "*": nobody required waits for it. */
static void test_after_ready(void **state)
{
    static const struct sketch sketches[] = {
        { .name = "late", .needs = { "ready" }, .is_optional = true },
        { .name = "ready", .needs = { "*" } },
        { .name = "time" },
    };
    struct failure f = FAILURE_NONE;
    struct service_graph graph;

    (void)state;
    assert_int_equal(make(sketches, ARRAY_SIZE(sketches), &graph, &f), 0);
    check_order(&graph, "time ready late");
}

/* The reference: tries every order of up to four services, in lexicographic order, and takes the
 * first in which each comes after all that it needs. */
enum { SMALL = 4 };

static bool respects(const unsigned needs[SMALL], const unsigned *order, size_t count)
{
    unsigned done = 0;

    for (size_t i = 0; i < count; i++) {
        if (needs[order[i]] & ~done)
            return false;
        done |= 1u << order[i];
    }
    return true;
}

static bool reference(const unsigned needs[SMALL], unsigned *order, size_t place, unsigned used,
                      size_t count)
{
    if (place == count)
        return respects(needs, order, count);
    for (unsigned i = 0; i < count; i++) {
        if (used & 1u << i)
            continue;
        order[place] = i;
        if (reference(needs, order, place + 1, used | 1u << i, count))
            return true;
    }
    return false;
}

/* The shortest cycle's length, from powers of the adjacency matrix. */
static size_t shortest_cycle(const unsigned needs[SMALL], size_t count)
{
    unsigned reach[SMALL] = { 1, 2, 4, 8 };

    for (size_t length = 1; length <= count; length++) {
        for (size_t i = 0; i < count; i++) {
            unsigned next = 0;

            for (size_t j = 0; j < count; j++)
                next |= reach[i] & 1u << j ? needs[j] : 0;
            reach[i] = next;
        }
        for (size_t i = 0; i < count; i++) {
            if (reach[i] & 1u << i)
                return length;
        }
    }
    return 0;
}

static void check_cycle(const unsigned needs[SMALL], size_t count, const char *message)
{
    const char *way = strrchr(message, ':') + 2;
    size_t steps = 0;

    assert_int_equal(way[0], way[strlen(way) - 1]);
    for (; way[1]; way += strlen("a -> "), steps++)
        assert_true(needs[way[0] - 'a'] & 1u << (way[5] - 'a'));
    assert_int_equal(steps, shortest_cycle(needs, count));
}

/* Edge i -> j told by i's `needs` when `sides` has that bit, else by j's `before`. */
static void draw(const unsigned needs[SMALL], unsigned sides, size_t count, struct sketch *sketches)
{
    static const char *const letters[SMALL] = { "a", "b", "c", "d" };
    size_t need_count[SMALL] = { 0 }, before_count[SMALL] = { 0 };

    for (size_t i = 0; i < count; i++)
        sketches[i].name = letters[i];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (!(needs[i] & 1u << j))
                continue;
            if (sides & 1u << i)
                sketches[i].needs[need_count[i]++] = letters[j];
            else
                sketches[j].before[before_count[j]++] = letters[i];
        }
    }
}

static void check_graph(const unsigned needs[SMALL], unsigned sides, size_t count)
{
    struct sketch sketches[SMALL] = { 0 };
    struct failure f = FAILURE_NONE;
    struct service_graph graph;
    unsigned order[SMALL];
    int r;

    draw(needs, sides, count, sketches);
    r = make(sketches, count, &graph, &f);
    if (!reference(needs, order, 0, 0, count)) {
        assert_int_equal(r, -EDEADLK);
        check_cycle(needs, count, f.text);
        return;
    }
    assert_int_equal(r, 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(graph.order[i], order[i]);
        assert_int_equal(graph.needs[i], needs[i]);
    }
}

static void test_all_small_graphs(void **state)
{
    (void)state;
    for (size_t count = 1; count <= SMALL; count++) {
        for (unsigned edges = 0; edges < 1u << (count * (count - 1)); edges++) {
            unsigned needs[SMALL] = { 0 }, left = edges;

            for (unsigned i = 0; i < count; i++) {
                for (unsigned j = 0; j < count; j++) {
                    if (i == j)
                        continue;
                    needs[i] |= (left & 1) << j;
                    left >>= 1;
                }
            }
            check_graph(needs, 0xf, count);
            check_graph(needs, 0x0, count);
            check_graph(needs, edges * 2654435761u >> 28, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty_and_full),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_after_ready),
        cmocka_unit_test(test_all_small_graphs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
