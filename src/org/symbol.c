#include "org/symbol.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"

enum { DECODER_CELLS_MORE = 64, MINUS_ONE = 255 };

struct member {
    uint64_t id;
    uint32_t index; /* the next cell it belongs to */
    uint32_t step;
};

struct symbol_stream {
    uint32_t capacity;
    uint32_t count;
    uint32_t next_cell;
    uint8_t salt[DIGEST_SALT_SIZE];
    uint32_t *checks;
    struct member *members;
};

struct found {
    struct member member;
    uint32_t check;
    int weight; /* 1: theirs, -1: ours */
};

struct symbol_decoder {
    uint32_t found_max;
    uint32_t found_count;
    uint32_t cells_max;
    uint32_t cell_count;
    uint32_t settled; /* cells from which our set and what was found are taken out */
    uint8_t salt[DIGEST_SALT_SIZE];
    struct symbol_stream *own;
    struct symbol *cells;
    struct found *found;
    uint32_t *queue; /* cells that may be pure */
};

uint64_t symbol_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* The largest root with root^2 <= value, by Newton's method from above. */
static uint64_t square_root(uint64_t value)
{
    uint64_t root, next;

    if (value == 0)
        return 0;
    next = (uint64_t)1 << ((64 - (unsigned)__builtin_clzll(value) + 1) / 2);
    do {
        root = next;
        next = (root + value / root) / 2;
    } while (next < root);
    return root;
}

uint32_t symbol_next(uint64_t id, uint32_t step, uint32_t index)
{
    uint64_t r = symbol_mix(id + (step + 1ull) * 0x9e3779b97f4a7c15ull) >> 40;
    uint64_t bound = (((index + 1ull) * (index + 2ull)) << 24) / (r + 1);
    uint64_t root = square_root(bound), next = root * (root + 1) > bound ? root - 1 : root;

    CHECK(index < SYMBOL_INDEX_MAX && next > index);
    return next < SYMBOL_INDEX_MAX ? (uint32_t)next : (uint32_t)SYMBOL_INDEX_MAX;
}

uint32_t symbol_check(const uint8_t salt[static DIGEST_SALT_SIZE], uint64_t id)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(id >> (8 * i));
    return (uint32_t)digest_short(salt, bytes, sizeof(bytes));
}

void symbol_write(struct output *o, const struct symbol *s)
{
    output_le64(o, s->ids);
    output_le32(o, s->checks);
    output_u8(o, s->number);
}

void symbol_read(struct cursor *c, struct symbol *ret)
{
    ret->ids = cursor_le64(c);
    ret->checks = cursor_le32(c);
    ret->number = cursor_u8(c);
}

int symbol_stream_new(uint32_t capacity, struct symbol_stream **ret)
{
    struct symbol_stream *s = heap_take(1, sizeof(*s));

    CHECK(capacity > 0 && capacity <= INT32_MAX);
    if (!s)
        return -ENOMEM;
    s->capacity = capacity;
    s->members = heap_take(capacity, sizeof(s->members[0]));
    s->checks = heap_take(capacity, sizeof(s->checks[0]));
    if (!s->members || !s->checks) {
        (void)symbol_stream_free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

struct symbol_stream *symbol_stream_free(struct symbol_stream *s)
{
    if (!s)
        return NULL;
    heap_release(s->members);
    heap_release(s->checks);
    heap_release(s);
    return NULL;
}

void symbol_stream_clear(struct symbol_stream *s, const uint8_t salt[static DIGEST_SALT_SIZE])
{
    s->count = 0;
    s->next_cell = 0;
    memcpy(s->salt, salt, DIGEST_SALT_SIZE);
}

int symbol_stream_add(struct symbol_stream *s, uint64_t id)
{
    CHECK(s->next_cell == 0);
    if (s->count == s->capacity)
        return -ENOSPC;
    s->members[s->count] = (struct member){ .id = id };
    s->checks[s->count] = symbol_check(s->salt, id);
    s->count++;
    return 0;
}

static void toggle(struct symbol *cell, uint64_t id, uint32_t check, int weight)
{
    cell->ids ^= id;
    cell->checks ^= check;
    cell->number = (uint8_t)(cell->number + weight);
}

/* Adds a member to the cells below `end` that it has not been to. */
static void walk(struct member *m, uint32_t check, int weight, uint32_t first, uint32_t end,
                 struct symbol *cells)
{
    while (m->index < end) {
        toggle(&cells[m->index - first], m->id, check, weight);
        m->index = symbol_next(m->id, m->step++, m->index);
    }
}

void symbol_stream_cells(struct symbol_stream *s, uint32_t first, uint32_t count, int weight,
                         struct symbol *cells)
{
    CHECK(first == s->next_cell && count <= SYMBOL_INDEX_MAX - first);
    for (uint32_t i = 0; i < s->count; i++)
        walk(&s->members[i], s->checks[i], weight, first, first + count, cells);
    s->next_cell = first + count;
}

int symbol_decoder_new(uint32_t difference_max, struct symbol_decoder **ret)
{
    struct symbol_decoder *d = heap_take(1, sizeof(*d));

    CHECK(difference_max <= (SYMBOL_INDEX_MAX - DECODER_CELLS_MORE) / 2);
    if (!d)
        return -ENOMEM;
    d->found_max = difference_max;
    d->cells_max = 2 * difference_max + DECODER_CELLS_MORE;
    d->cells = heap_take(d->cells_max, sizeof(d->cells[0]));
    d->found = heap_take(difference_max + 1u, sizeof(d->found[0]));
    d->queue = heap_take(d->cells_max, sizeof(d->queue[0]));
    if (!d->cells || !d->found || !d->queue) {
        (void)symbol_decoder_free(d);
        return -ENOMEM;
    }
    *ret = d;
    return 0;
}

struct symbol_decoder *symbol_decoder_free(struct symbol_decoder *d)
{
    if (!d)
        return NULL;
    heap_release(d->cells);
    heap_release(d->found);
    heap_release(d->queue);
    heap_release(d);
    return NULL;
}

void symbol_decoder_begin(struct symbol_decoder *d, struct symbol_stream *own,
                          const uint8_t salt[static DIGEST_SALT_SIZE])
{
    d->found_count = d->cell_count = d->settled = 0;
    d->own = own;
    memcpy(d->salt, salt, DIGEST_SALT_SIZE);
}

int symbol_decoder_add(struct symbol_decoder *d, const struct symbol *cell)
{
    if (d->cell_count == d->cells_max)
        return -ENOSPC;
    d->cells[d->cell_count++] = *cell;
    return 0;
}

static bool is_pure(const struct symbol_decoder *d, const struct symbol *cell)
{
    return (cell->number == 1 || cell->number == MINUS_ONE) &&
           symbol_check(d->salt, cell->ids) == cell->checks;
}

static bool is_empty(const struct symbol *cell)
{
    return cell->ids == 0 && cell->checks == 0 && cell->number == 0;
}

/* Takes one id out of all cells and queues those that may have become pure. A queued cell is looked
 * at again before its id is believed. False when the queue was full: then all cells must be looked
 * at once more. */
static bool take_out(struct symbol_decoder *d, struct found *f, uint32_t *queued)
{
    bool all = true;

    while (f->member.index < d->cell_count) {
        struct symbol *cell = &d->cells[f->member.index];

        toggle(cell, f->member.id, f->check, -f->weight);
        if (cell->number == 1 || cell->number == MINUS_ONE) {
            if (*queued < d->cells_max)
                d->queue[(*queued)++] = f->member.index;
            else
                all = false;
        }
        f->member.index = symbol_next(f->member.id, f->member.step++, f->member.index);
    }
    return all;
}

int symbol_decoder_run(struct symbol_decoder *d)
{
    uint32_t queued = 0, fresh = d->settled;

    symbol_stream_cells(d->own, d->settled, d->cell_count - d->settled, -1, d->cells + d->settled);
    for (uint32_t i = 0; i < d->found_count; i++)
        walk(&d->found[i].member, d->found[i].check, -d->found[i].weight, 0, d->cell_count,
             d->cells);
    d->settled = d->cell_count;
    while (queued > 0 || fresh < d->cell_count) {
        uint32_t at = queued > 0 ? d->queue[--queued] : fresh++;
        struct symbol *cell = &d->cells[at];
        struct found *f;

        if (!is_pure(d, cell))
            continue;
        if (d->found_count == d->found_max || d->found_count >= d->cell_count)
            return -EBADMSG; /* no honest set yields more ids than cells */
        f = &d->found[d->found_count++];
        *f = (struct found){ .member.id = cell->ids,
                             .check = cell->checks,
                             .weight = cell->number == 1 ? 1 : -1 };
        if (!take_out(d, f, &queued))
            fresh = 0; /* an id was found since, so this comes to an end */
    }
    return d->cell_count > 0 && is_empty(&d->cells[0]);
}

uint32_t symbol_decoder_cells(const struct symbol_decoder *d)
{
    return d->cell_count;
}

uint32_t symbol_decoder_count(const struct symbol_decoder *d)
{
    return d->found_count;
}

uint64_t symbol_decoder_id(const struct symbol_decoder *d, uint32_t index, bool *ret_theirs)
{
    CHECK(index < d->found_count);
    *ret_theirs = d->found[index].weight > 0;
    return d->found[index].member.id;
}
