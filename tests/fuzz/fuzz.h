/* What every fuzz_<name>.c exports: libFuzzer's entry, also called by fuzz_replay.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Feeds one input, any bytes, to the parser and walks over what it makes. Returns 0 whatever the
 * verdict; a wrong answer ends the program by CHECK(). Keeps no state between calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
