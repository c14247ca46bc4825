/* Memory for the cores, which allocate when they are made and never afterwards: the one place where
 * they ask for it, so that a test can let the n-th request fail, and so that a program can close
 * the door behind its start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* `count` * `size` zero bytes, at least one; NULL when there is no memory (or the product does not
 * fit). heap_release() takes them back. A request after heap_seal() is our bug. */
MUST_USE void *heap_take(size_t count, size_t size);

/* Accepts NULL. */
void heap_release(void *block);

/* From now on no core may be made: a request fails a check. For programs, after their start. */
void heap_seal(bool sealed);

/* For tests: the request after `successes` more fails, once. UINT64_MAX: none does. */
void heap_fail_after(uint64_t successes);
