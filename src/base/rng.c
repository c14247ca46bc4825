#include "base/rng.h"

#include "base/check.h"

uint64_t rng_mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

void rng_seed(struct rng *r, uint64_t seed)
{
    for (unsigned int i = 0; i < 4; i++)
        r->s[i] = rng_mix(seed + i * 0x9e3779b97f4a7c15);
}

static uint64_t rotate(uint64_t value, unsigned int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t rng_next(struct rng *r)
{
    uint64_t result = rotate(r->s[1] * 5, 7) * 9;
    uint64_t shifted = r->s[1] << 17;

    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= shifted;
    r->s[3] = rotate(r->s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t limit)
{
    uint64_t value, rejected;

    CHECK(limit > 0);
    /* Values below 2^64 mod limit would make small results more likely. */
    rejected = (0 - limit) % limit;
    do
        value = rng_next(r);
    while (value < rejected);
    return value % limit;
}

bool rng_chance(struct rng *r, uint32_t per_million)
{
    return rng_below(r, 1000000) < per_million;
}
