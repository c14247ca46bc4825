/* For tests: makes the n-th allocation from now fail. The program must be linked with
 * -Wl,--wrap= for each function that test_heap.c replaces (see meson.build). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The allocation number `countdown` (1 is the next) fails, once; 0 lets all pass. */
void test_heap_fail_at(size_t countdown);

/* Whether the failure has happened since test_heap_fail_at(). */
bool test_heap_has_failed(void);
