#include "org/sha256.h"

#include <string.h>

#include "base/check.h"

/* The fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

bool sha256_available(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) &&
           __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

/* Four words of the schedule from the sixteen before them, which stand in a ring of four. */
__attribute__((target("sha,sse4.1"))) static inline __m128i next_words(const __m128i ring[static 4],
                                                                       unsigned group)
{
    __m128i last = ring[(group + 3) % 4];
    __m128i words = _mm_sha256msg1_epu32(ring[group % 4], ring[(group + 1) % 4]);

    words = _mm_add_epi32(words, _mm_alignr_epi8(last, ring[(group + 2) % 4], 4));
    return _mm_sha256msg2_epu32(words, last);
}

__attribute__((target("sha,sse4.1"))) static void compress(uint32_t state[static 8],
                                                           const uint8_t *bytes, size_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_loadu_si128((const __m128i_u *)(const void *)state);
    __m128i high = _mm_loadu_si128((const __m128i_u *)(const void *)(state + 4));
    __m128i mixed = _mm_shuffle_epi32(low, 0xb1); /* the instructions want a b e f and c d g h */
    __m128i abef, cdgh;

    high = _mm_shuffle_epi32(high, 0x1b);
    abef = _mm_alignr_epi8(mixed, high, 8);
    cdgh = _mm_blend_epi16(high, mixed, 0xf0);
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK_SIZE) {
        __m128i abef_before = abef, cdgh_before = cdgh, ring[4];

#pragma GCC unroll 16
        for (unsigned group = 0; group < 16; group++) {
            __m128i words;

            if (group < 4)
                words = _mm_shuffle_epi8(
                    _mm_loadu_si128((const __m128i_u *)(const void *)(bytes + 16 * group)),
                    big_endian);
            else
                words = next_words(ring, group);
            ring[group % 4] = words;
            words = _mm_add_epi32(
                words, _mm_loadu_si128((const __m128i_u *)(const void *)(constants + 4 * group)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    mixed = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i_u *)(void *)state, _mm_blend_epi16(mixed, high, 0xf0));
    _mm_storeu_si128((__m128i_u *)(void *)(state + 4), _mm_alignr_epi8(high, mixed, 8));
}
#else
bool sha256_available(void)
{
    return false;
}

static void compress(uint32_t state[static 8], const uint8_t *bytes, size_t blocks)
{
    CHECK(constants[0] == 0); /* nobody calls this here */
}
#endif

void sha256_begin(struct sha256 *s)
{
    /* The fractional parts of the square roots of the first eight primes. */
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    memcpy(s->state, start, sizeof(start));
    s->size = 0;
}

void sha256_add(struct sha256 *s, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    size_t kept = s->size % SHA256_BLOCK_SIZE, blocks;

    s->size += size;
    if (kept > 0) {
        size_t more = SHA256_BLOCK_SIZE - kept < size ? SHA256_BLOCK_SIZE - kept : size;

        if (more > 0)
            memcpy(s->block + kept, at, more);
        at += more;
        size -= more;
        if (kept + more < SHA256_BLOCK_SIZE)
            return;
        compress(s->state, s->block, 1);
    }
    blocks = size / SHA256_BLOCK_SIZE;
    if (blocks > 0)
        compress(s->state, at, blocks);
    size -= blocks * SHA256_BLOCK_SIZE;
    if (size > 0)
        memcpy(s->block, at + blocks * SHA256_BLOCK_SIZE, size);
}

void sha256_end(struct sha256 *s, uint8_t ret[static SHA256_SIZE])
{
    size_t kept = s->size % SHA256_BLOCK_SIZE;
    uint64_t bits = s->size * 8;

    s->block[kept++] = 0x80;
    if (kept > SHA256_BLOCK_SIZE - 8) {
        memset(s->block + kept, 0, SHA256_BLOCK_SIZE - kept);
        compress(s->state, s->block, 1);
        kept = 0;
    }
    memset(s->block + kept, 0, SHA256_BLOCK_SIZE - 8 - kept);
    for (unsigned i = 0; i < 8; i++)
        s->block[SHA256_BLOCK_SIZE - 1 - i] = (uint8_t)(bits >> (8 * i));
    compress(s->state, s->block, 1);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        ret[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}
