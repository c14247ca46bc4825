/* A small deterministic generator (xoshiro256**, seeded through splitmix64) for jitter, sampling
 * and simulation. The same seed gives the same sequence on every machine. Never for keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* Any seed is good, 0 too. */
void rng_seed(struct rng *r, uint64_t seed);

uint64_t rng_next(struct rng *r);

/* A number in [0, limit), without bias; limit > 0. */
uint64_t rng_below(struct rng *r, uint64_t limit);

/* True with probability `per_million` / 1,000,000. */
bool rng_chance(struct rng *r, uint32_t per_million);

/* A step of splitmix64: a bijection that mixes well. */
uint64_t rng_mix(uint64_t value);
