#include "org/sketch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "org/ids.h"

/* A polynomial over GF(2^64): c[0] + c[1] x + ... + c[degree] x^degree. */
enum { TERMS_MAX = 2 * SKETCH_CAPACITY + 2 };

struct polynomial {
    unsigned degree;
    uint64_t c[TERMS_MAX];
};

/* A factor still to be split, and the basis element to try next. */
struct factor {
    unsigned degree;
    unsigned basis;
    uint64_t c[SKETCH_CAPACITY + 1];
};

void sketch_toggle(struct sketch *s, gf64_multiply mul, uint64_t number)
{
    uint64_t square = mul(number, number), power = number;

    CHECK(number != 0);
    for (size_t k = 0; k < SKETCH_CAPACITY; k++) {
        s->sums[k] ^= power;
        power = mul(power, square);
    }
}

void sketch_combine(struct sketch *s, const struct sketch *other)
{
    for (size_t k = 0; k < SKETCH_CAPACITY; k++)
        s->sums[k] ^= other->sums[k];
}

void sketch_write(const struct sketch *s, struct output *o)
{
    for (size_t k = 0; k < SKETCH_CAPACITY; k++)
        output_le64(o, s->sums[k]);
}

void sketch_read(struct cursor *c, struct sketch *ret)
{
    for (size_t k = 0; k < SKETCH_CAPACITY; k++)
        ret->sums[k] = cursor_le64(c);
}

/* Berlekamp and Massey: the shortest recurrence that makes the power sums S(1)..S(128). For the
 * sums of distinct x it is the product of (1 - x z). Returns its length. */
static unsigned find_recurrence(const struct sketch *s, gf64_multiply mul, struct polynomial *ret)
{
    uint64_t sums[2 * SKETCH_CAPACITY + 1], former[TERMS_MAX] = { 1 }, kept[TERMS_MAX];
    uint64_t former_discrepancy = 1;
    unsigned length = 0, shift = 1;

    for (unsigned k = 1; k <= 2 * SKETCH_CAPACITY; k++)
        sums[k] = k % 2 ? s->sums[k / 2] : mul(sums[k / 2], sums[k / 2]);
    memset(ret, 0, sizeof(*ret));
    ret->c[0] = 1;
    for (unsigned k = 1; k <= 2 * SKETCH_CAPACITY; k++, shift++) {
        uint64_t discrepancy = sums[k], factor;

        for (unsigned i = 1; i <= length; i++)
            discrepancy ^= mul(ret->c[i], sums[k - i]);
        if (discrepancy == 0)
            continue;
        memcpy(kept, ret->c, sizeof(kept));
        factor = mul(discrepancy, gf64_inverse(mul, former_discrepancy));
        for (unsigned i = 0; i + shift < TERMS_MAX; i++)
            ret->c[i + shift] ^= mul(factor, former[i]);
        if (2 * length >= k)
            continue;
        length = k - length;
        memcpy(former, kept, sizeof(former));
        former_discrepancy = discrepancy;
        shift = 0;
    }
    return length;
}

/* p modulo the monic f. */
static void reduce(struct polynomial *p, gf64_multiply mul, const uint64_t *f, unsigned degree)
{
    for (unsigned i = p->degree + 1; i-- > degree;) {
        uint64_t top = p->c[i];

        p->c[i] = 0;
        for (unsigned k = 0; top != 0 && k < degree; k++)
            p->c[i - degree + k] ^= mul(top, f[k]);
    }
    p->degree = p->degree < degree ? p->degree : degree - 1;
}

static void square(struct polynomial *p, gf64_multiply mul, const uint64_t *f, unsigned degree)
{
    for (unsigned i = p->degree + 1; i-- > 0;) {
        uint64_t c = p->c[i];

        p->c[2 * i + 1] = 0;
        p->c[2 * i] = mul(c, c);
    }
    p->degree *= 2;
    reduce(p, mul, f, degree);
}

/* True when f is a product of different linear factors: exactly then x^(2^64) = x modulo f. */
static bool splits(gf64_multiply mul, const uint64_t *f, unsigned degree)
{
    struct polynomial p = { .degree = 1, .c = { 0, 1 } };

    reduce(&p, mul, f, degree);
    if (degree == 1)
        return true;
    for (unsigned i = 0; i < 64; i++)
        square(&p, mul, f, degree);
    p.c[1] ^= 1;
    for (unsigned i = 0; i < degree; i++) {
        if (p.c[i] != 0)
            return false;
    }
    return true;
}

static void trim(struct polynomial *p)
{
    while (p->degree > 0 && p->c[p->degree] == 0)
        p->degree--;
}

static void make_monic(struct polynomial *p, gf64_multiply mul)
{
    uint64_t inverse = gf64_inverse(mul, p->c[p->degree]);

    for (unsigned i = 0; i <= p->degree; i++)
        p->c[i] = mul(p->c[i], inverse);
}

/* The greatest common divisor of the monic f and p, in *p, monic; degree 0 stands for none. */
static void divide_out(const struct factor *f, struct polynomial *p, gf64_multiply mul)
{
    struct polynomial other = { .degree = f->degree }, rest;

    memcpy(other.c, f->c, (f->degree + 1) * sizeof(f->c[0]));
    trim(p);
    while (p->degree > 0) {
        make_monic(p, mul);
        rest = other;
        reduce(&rest, mul, p->c, p->degree);
        trim(&rest);
        other = *p;
        *p = rest;
    }
    if (p->c[0] != 0)
        other.degree = 0; /* the last remainder is a constant: nothing in common */
    *p = other;
}

/* The trace of (basis * x) modulo f: it is 0 or 1 at each root, and for some basis element not the
 * same at any two given roots. */
static void trace(const struct factor *f, gf64_multiply mul, struct polynomial *ret)
{
    struct polynomial power = { .degree = 1, .c = { 0, 1ull << f->basis } };

    *ret = power;
    for (unsigned i = 1; i < 64; i++) {
        square(&power, mul, f->c, f->degree);
        if (power.degree > ret->degree)
            ret->degree = power.degree;
        for (unsigned k = 0; k <= power.degree; k++)
            ret->c[k] ^= power.c[k];
    }
}

/* f / g for a monic divisor g of f, in place. */
static void divide(struct factor *f, gf64_multiply mul, const struct polynomial *g)
{
    unsigned degree = f->degree - g->degree;

    for (unsigned i = degree + 1; i-- > 0;) {
        uint64_t top = f->c[i + g->degree];

        for (unsigned k = 0; top != 0 && k < g->degree; k++)
            f->c[i + k] ^= mul(top, g->c[k]);
    }
    memmove(f->c, f->c + g->degree, (degree + 1) * sizeof(f->c[0]));
    f->degree = degree;
}

/* Splits f (which splits) into linear factors; their constants are the roots. Each basis element is
 * used once for a factor and its parts, so there are at most 64 rounds for each of 64 factors. */
static unsigned find_roots(struct factor *stack, gf64_multiply mul, uint64_t *roots)
{
    unsigned height = 1, count = 0;

    while (height > 0) {
        struct factor *f = &stack[height - 1];
        struct polynomial p;

        if (f->degree == 1) {
            roots[count++] = f->c[0];
            height--;
            continue;
        }
        CHECK(f->basis < 64 && height < SKETCH_CAPACITY);
        trace(f, mul, &p);
        f->basis++;
        divide_out(f, &p, mul);
        if (p.degree == 0 || p.degree == f->degree)
            continue;
        divide(f, mul, &p);
        stack[height].degree = p.degree;
        stack[height].basis = f->basis;
        memcpy(stack[height].c, p.c, (p.degree + 1) * sizeof(p.c[0]));
        height++;
    }
    return count;
}

int sketch_decode(const struct sketch *s, gf64_multiply mul, uint64_t ret[static SKETCH_CAPACITY])
{
    struct factor stack[SKETCH_CAPACITY];
    struct polynomial recurrence;
    struct sketch again = { { 0 } };
    unsigned length = find_recurrence(s, mul, &recurrence), count;
    uint64_t roots[SKETCH_CAPACITY];

    if (length == 0)
        return 0;
    if (length > SKETCH_CAPACITY || recurrence.c[length] == 0)
        return -ERANGE;
    /* Read backwards, the recurrence is the product of (z - x). */
    stack[0].degree = length;
    stack[0].basis = 0;
    for (unsigned i = 0; i <= length; i++)
        stack[0].c[i] = recurrence.c[length - i];
    if (!splits(mul, stack[0].c, length))
        return -ERANGE;
    count = find_roots(stack, mul, roots);
    CHECK(count == length);
    for (unsigned i = 0; i < count; i++)
        sketch_toggle(&again, mul, roots[i]);
    if (memcmp(&again, s, sizeof(again)) != 0)
        return -ERANGE;
    ids_sort(roots, count);
    memcpy(ret, roots, count * sizeof(roots[0]));
    return (int)count;
}
