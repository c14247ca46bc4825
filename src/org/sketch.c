#include "org/sketch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "org/ids.h"

/* A polynomial over GF(2^64): c[0] + c[1] x + ... + c[degree] x^degree. */
enum { TERMS_MAX = 2 * SKETCH_MORE_MAX + 2 };

struct polynomial {
    unsigned degree;
    uint64_t c[TERMS_MAX];
};

/* A factor still to be split, and the basis element to try next. */
struct factor {
    unsigned degree;
    unsigned basis;
    uint64_t *c; /* degree + 1 coefficients among those of all factors */
};

/* All factors together have the degree of the product, and each one coefficient more. */
struct factors {
    struct factor stack[SKETCH_MORE_MAX];
    uint64_t c[2 * SKETCH_MORE_MAX];
};

void sketch_toggle(struct sketch *s, const struct gf64 *f, uint64_t number)
{
    CHECK(number != 0);
    f->power_sums(s->sums, 0, SKETCH_CAPACITY, &number, 1);
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

/* Berlekamp and Massey: the shortest recurrence that makes the power sums S(1)..S(2 capacity). For
 * the sums of distinct x it is the product of (1 - x z). Returns its length. */
static unsigned find_recurrence(const uint64_t *odd, unsigned capacity, gf64_multiply mul,
                                struct polynomial *ret)
{
    uint64_t sums[2 * SKETCH_MORE_MAX + 1], former[TERMS_MAX] = { 1 }, kept[TERMS_MAX];
    uint64_t former_discrepancy = 1;
    unsigned length = 0, shift = 1, terms = 2 * capacity + 2;

    for (unsigned k = 1; k <= 2 * capacity; k++)
        sums[k] = k % 2 ? odd[k / 2] : mul(sums[k / 2], sums[k / 2]);
    memset(ret, 0, sizeof(*ret));
    ret->c[0] = 1;
    for (unsigned k = 1; k <= 2 * capacity; k++, shift++) {
        uint64_t discrepancy = sums[k], factor;

        for (unsigned i = 1; i <= length; i++)
            discrepancy ^= mul(ret->c[i], sums[k - i]);
        if (discrepancy == 0)
            continue;
        memcpy(kept, ret->c, terms * sizeof(kept[0]));
        factor = mul(discrepancy, gf64_inverse(mul, former_discrepancy));
        for (unsigned i = 0; i + shift < terms; i++)
            ret->c[i + shift] ^= mul(factor, former[i]);
        if (2 * length >= k)
            continue;
        length = k - length;
        memcpy(former, kept, terms * sizeof(former[0]));
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
 * used once for a factor and its parts, so there are at most 64 rounds for each factor. */
static unsigned find_roots(struct factors *all, gf64_multiply mul, uint64_t *roots)
{
    unsigned height = 1, count = 0;

    while (height > 0) {
        struct factor *f = &all->stack[height - 1], *part = f + 1;
        struct polynomial p;

        if (f->degree == 1) {
            roots[count++] = f->c[0];
            height--;
            continue;
        }
        CHECK(f->basis < 64 && height < SKETCH_MORE_MAX);
        trace(f, mul, &p);
        f->basis++;
        divide_out(f, &p, mul);
        if (p.degree == 0 || p.degree == f->degree)
            continue;
        divide(f, mul, &p);
        *part = (struct factor){ .degree = p.degree, .basis = f->basis, .c = f->c + f->degree + 1 };
        CHECK(part->c + p.degree + 1 <= all->c + 2 * SKETCH_MORE_MAX);
        memcpy(part->c, p.c, (p.degree + 1) * sizeof(p.c[0]));
        height++;
    }
    return count;
}

int sketch_decode(const uint64_t *sums, unsigned capacity, const struct gf64 *f, uint64_t *ret)
{
    struct factors all;
    struct polynomial recurrence;
    uint64_t roots[SKETCH_MORE_MAX], again[SKETCH_MORE_MAX] = { 0 };
    unsigned length, count;

    CHECK(capacity > 0 && capacity <= SKETCH_MORE_MAX);
    length = find_recurrence(sums, capacity, f->multiply, &recurrence);
    if (length == 0)
        return 0;
    if (length > capacity || recurrence.c[length] == 0)
        return -ERANGE;
    /* Read backwards, the recurrence is the product of (z - x). */
    all.stack[0] = (struct factor){ .degree = length, .c = all.c };
    for (unsigned i = 0; i <= length; i++)
        all.c[i] = recurrence.c[length - i];
    if (!splits(f->multiply, all.c, length))
        return -ERANGE;
    count = find_roots(&all, f->multiply, roots);
    CHECK(count == length);
    f->power_sums(again, 0, capacity, roots, count);
    if (memcmp(again, sums, capacity * sizeof(again[0])) != 0)
        return -ERANGE;
    ids_sort(roots, count);
    memcpy(ret, roots, count * sizeof(roots[0]));
    return (int)count;
}
