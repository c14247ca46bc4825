/* Figures of reconciliation: bytes and rounds (exact, the same on every run) and processor time
 * (of this machine). A flat set of n elements a side, d of which the other side lacks, half each;
 * with `one-sided`, all d on the responder's side, so that each is pushed; with `wanted`, all on
 * the initiator's, so that each is asked for.
 *
 * Usage: bench_sync [halves|one-sided|wanted] [n_max] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/number.h"
#include "org/sync_test.h"

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail for this clock */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void measure(uint32_t n, uint32_t d, const char *mode)
{
    static const char *const paths[] = { "none", "sketch", "cells", "trie" };
    uint32_t only_b = strcmp(mode, "one-sided") == 0 ? d : strcmp(mode, "wanted") == 0 ? 0 : d / 2;
    uint32_t only_a = d - only_b, difference = d < 1000 ? 1000 : d + d / 8;
    struct test_side a, b;
    uint64_t number = 0, began, built, ended;
    unsigned changes;
    size_t bytes;

    began = now_ns();
    test_side_open(&a, n + d, difference);
    test_side_open(&b, n + d, difference);
    /* n is the size of the larger side; what they share is the rest. */
    for (; number < n - (only_a > only_b ? only_a : only_b); number++) {
        test_side_add(&a, number, 1);
        test_side_add(&b, number, 1);
    }
    for (uint32_t i = 0; i < only_a; i++)
        test_side_add(&a, number++, 1);
    for (uint32_t i = 0; i < only_b; i++)
        test_side_add(&b, number++, 1);
    (void)index_root(a.index); /* worked out here, not in the session */
    (void)index_root(b.index);
    built = now_ns();
    changes = test_session(&a, &b, NULL);
    ended = now_ns();
    bytes = a.bytes + b.bytes;
    (void)printf("%8u %7u  %-6s %5.1f %10zu %8.2f %8.2f  %8.1f %9.1f  %s\n", n, d,
                 paths[sync_path(b.sync)], (changes + 1) / 2 * 1.0, bytes,
                 d > 0 ? (double)bytes / d : 0.0, d > 0 ? (double)b.cell_bytes / d : 0.0,
                 (double)(ended - built) / 1e6, (double)(built - began) / 1e6,
                 sync_state(a.sync) == SYNC_EQUAL && sync_state(b.sync) == SYNC_EQUAL
                     ? "equal"
                     : "NOT EQUAL");
    test_side_close(&a);
    test_side_close(&b);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 10, 1000, 100000, 1000000 };
    static const uint32_t differences[] = { 0, 1, 10, 64, 100, 1000, 10000, 100000 };
    const char *mode = argc > 1 ? argv[1] : "halves";
    uint64_t n_max = 1000000;

    if (argc > 2 && number_parse_text(argv[2], 10000000, &n_max) < 0) {
        (void)fprintf(stderr, "bench_sync: '%s' is no number\n", argv[2]);
        return 2;
    }
    (void)printf("mode %s; bytes without the elements themselves, both directions\n", mode);
    (void)printf(
        "       n       d  path  rounds     bytes  bytes/d  cells/d  session_ms build_ms\n");
    for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= n_max; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(differences) && differences[k] <= sizes[i]; k++)
            measure(sizes[i], differences[k], mode);
    }
    return 0;
}
