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
#include "org/symbol.h"
#include "org/sync_test.h"

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail for this clock */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The fewest cells from which this difference can be had. Sets that share everything else give the
 * same cells but for what is in both, so the difference alone will do. */
static uint32_t cells_needed(const struct test_side *a, uint64_t first, uint32_t d)
{
    uint32_t step = d / 500 + 1;
    struct symbol_stream *theirs, *ours;
    struct symbol_decoder *decoder;
    int r = symbol_stream_new(d, &theirs), done = 0;

    CHECK(r == 0 && symbol_stream_new(1, &ours) == 0 && symbol_decoder_new(d, &decoder) == 0);
    symbol_stream_clear(theirs, test_salt);
    symbol_stream_clear(ours, test_salt);
    symbol_decoder_begin(decoder, ours, test_salt);
    for (uint64_t number = first; number < first + d; number++) {
        struct digest key = digest_bytes(&number, sizeof(number));
        uint32_t slot = merkle_find(index_trie(a->index), &key);

        CHECK(symbol_stream_add(theirs, index_id(a->index, slot)) == 0);
    }
    for (uint32_t i = 0; done == 0; i++) {
        struct symbol cell = { 0 };

        symbol_stream_cells(theirs, i, 1, 1, &cell);
        CHECK(symbol_decoder_add(decoder, &cell) == 0);
        done = i % step == 0 ? symbol_decoder_run(decoder) : 0;
    }
    r = (int)symbol_decoder_cells(decoder);
    (void)symbol_stream_free(theirs);
    (void)symbol_stream_free(ours);
    (void)symbol_decoder_free(decoder);
    return (uint32_t)r;
}

static void print(struct test_side *a, struct test_side *b, uint32_t n, uint32_t d, uint64_t first,
                  unsigned changes)
{
    static const char *const paths[] = { "none", "sketch", "sums", "cells", "trie" };
    size_t bytes = a->bytes + b->bytes, cells = b->cell_bytes / SYMBOL_SIZE, needed = cells, over;

    if (sync_path(b->sync) == SYNC_PATH_CELLS)
        needed = cells_needed(a, first, d);
    needed = needed < cells ? needed : cells; /* it was looked for in steps */
    over = (cells - needed) * SYMBOL_SIZE;
    (void)printf("%8u %7u  %-6s %5u %10zu %8.2f %9.2f %7.1f%%", n, d, paths[sync_path(b->sync)],
                 changes, bytes, d > 0 ? (double)bytes / d : 0.0,
                 d > 0 ? (double)(bytes - over) / d : 0.0,
                 needed > 0 ? 100.0 * (double)(cells - needed) / (double)needed : 0.0);
}

static void measure(uint32_t n, uint32_t d, const char *mode)
{
    uint32_t only_b = strcmp(mode, "one-sided") == 0 ? d : strcmp(mode, "wanted") == 0 ? 0 : d / 2;
    uint32_t only_a = d - only_b, difference = d < 1000 ? 1000 : d + d / 8;
    uint64_t number = 0, began, built, ended, first;
    struct test_side a, b;
    unsigned changes;

    began = now_ns();
    test_side_open(&a, n + d, difference);
    test_side_open(&b, n + d, difference);
    /* n is the size of the larger side; what they share is the rest. */
    for (; number < n - (only_a > only_b ? only_a : only_b); number++) {
        test_side_add(&a, number, 1);
        test_side_add(&b, number, 1);
    }
    first = number;
    for (uint32_t i = 0; i < only_a; i++)
        test_side_add(&a, number++, 1);
    for (uint32_t i = 0; i < only_b; i++)
        test_side_add(&b, number++, 1);
    (void)index_root(a.index); /* worked out here, not in the session */
    (void)index_root(b.index);
    built = now_ns();
    changes = test_session(&a, &b, NULL);
    ended = now_ns();
    print(&a, &b, n, d, first, changes);
    (void)printf(
        "  %8.1f %9.1f  %s\n", (double)(ended - built) / 1e6, (double)(built - began) / 1e6,
        sync_state(a.sync) == SYNC_EQUAL && sync_state(b.sync) == SYNC_EQUAL ? "equal"
                                                                             : "NOT EQUAL");
    test_side_close(&a);
    test_side_close(&b);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 10, 1000, 100000, 1000000 };
    static const uint32_t differences[] = { 0,   1,   10,  64,   65,    100,
                                            128, 200, 300, 1000, 10000, 100000 };
    const char *mode = argc > 1 ? argv[1] : "halves";
    uint64_t n_max = 1000000;

    if (argc > 2 && number_parse_text(argv[2], 10000000, &n_max) < 0) {
        (void)fprintf(stderr, "bench_sync: '%s' is no number\n", argv[2]);
        return 2;
    }
    (void)printf("mode %s; bytes without the elements themselves, both directions; what cells were "
                 "sent beyond those that were needed is in `bytes` and not in `lean/d`\n",
                 mode);
    (void)printf("       n       d  path   turns     bytes  bytes/d    lean/d    over  session_ms"
                 "  build_ms\n");
    for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= n_max; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(differences) && differences[k] <= sizes[i]; k++)
            measure(sizes[i], differences[k], mode);
    }
    return 0;
}
