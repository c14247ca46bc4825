#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/file.h"
#include "vm/block_server.h"

enum { SEED = 4 };

static void open_view(const struct recorded *record, const char *from, const char *name,
                      struct walk_view *ret)
{
    const char *path = place_path(record->place, name);
    struct stat status;

    assert_int_equal(file_copy(from, path, 0600, &record->place->f), 0);
    ret->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(ret->fd >= 0 && fstat(ret->fd, &status) == 0);
    assert_int_equal(unlink(path), 0); /* it goes with the descriptor */
    ret->size = (size_t)status.st_size;
    ret->bytes = mmap(NULL, ret->size, PROT_READ, MAP_SHARED, ret->fd, 0);
    assert_ptr_not_equal(ret->bytes, MAP_FAILED);
}

static void close_view(struct walk_view *view)
{
    assert_int_equal(munmap(view->bytes, view->size), 0);
    assert_int_equal(close(view->fd), 0);
}

static void repeat(const struct walk *walk, uint32_t export, size_t from, size_t to, int fd)
{
    assert_int_equal(
        block_journal_apply(&walk->record->journal, export, from, to, fd, &walk->record->place->f),
        0);
}

void walk_start(struct walk *walk, const struct recorded *record,
                const struct startable_generation *generations, size_t from)
{
    *walk =
        (struct walk){ .record = record, .generations = generations, .at = from, .epoch = from };
    rng_seed(&walk->rng, SEED);
    open_view(record, recorded_path(record, RECORDED_DISK), "walk.prefix", &walk->prefix);
    open_view(record, recorded_path(record, RECORDED_DISK), "walk.flushed", &walk->flushed);
    open_view(record, recorded_path(record, RECORDED_VARIABLES), "walk.flash", &walk->flash);
    repeat(walk, BLOCK_SERVER_DISK, 0, from, walk->prefix.fd);
    repeat(walk, BLOCK_SERVER_DISK, 0, from, walk->flushed.fd);
    repeat(walk, BLOCK_SERVER_VARIABLES, 0, from, walk->flash.fd);
    startable_open(&walk->prefix_disk, walk->prefix.bytes, walk->prefix.size);
    startable_open(&walk->flushed_disk, walk->flushed.bytes, walk->flushed.size);
}

void walk_end(struct walk *walk)
{
    close_view(&walk->prefix);
    close_view(&walk->flushed);
    close_view(&walk->flash);
}

/* --- One state --- */

static struct startable look(struct walk *walk, struct startable_disk *disk, size_t *count,
                             const char *kind)
{
    struct startable start =
        startable_look(disk, walk->generations, walk->flash.bytes, walk->flash.size);

    ++*count;
    if (start.wrong && ++walk->wrong_count <= WALK_WRONGS_MAX)
        print_error("after %zu entries (%s): %s\n", walk->at, kind, start.wrong);
    return start;
}

static bool is_same(const struct walk_moment *a, const struct walk_moment *b)
{
    for (size_t i = 0; i < STARTABLE_SLOTS; i++) {
        if (a->start.entry[i] != b->start.entry[i] ||
            a->slots[i].files[STARTABLE_UKI].there != b->slots[i].files[STARTABLE_UKI].there ||
            a->slots[i].files[STARTABLE_DEFAULT].there !=
                b->slots[i].files[STARTABLE_DEFAULT].there ||
            a->slots[i].generation != b->slots[i].generation)
            return false;
    }
    return a->start.slot == b->start.slot && a->start.by == b->start.by &&
           a->start.next == b->start.next && a->start.wrong == b->start.wrong;
}

static void look_at_prefix(struct walk *walk)
{
    struct walk_moment now = { .count = walk->at };

    now.start = look(walk, &walk->prefix_disk, &walk->counts.whole, "all of them");
    memcpy(now.slots, walk->prefix_disk.slots, sizeof(now.slots));
    if (walk->moment_count > 0 && is_same(&now, &walk->moments[walk->moment_count - 1]))
        return;
    assert_true(walk->moment_count < WALK_MOMENTS_MAX);
    walk->moments[walk->moment_count++] = now;
}

static void look_at_flushed(struct walk *walk)
{
    (void)look(walk, &walk->flushed_disk, &walk->counts.lost, "unflushed ones lost");
}

/* --- Steps --- */

static const struct block_journal_entry *entry_at(const struct walk *walk, size_t index)
{
    return &walk->record->journal.entries[index];
}

static bool is_write(const struct block_journal_entry *entry, uint32_t export)
{
    return entry->export == export &&
           (entry->kind == BLOCK_JOURNAL_WRITE || entry->kind == BLOCK_JOURNAL_ZERO);
}

static void repeat_part(struct walk *walk, struct walk_view *view, struct startable_disk *disk,
                        size_t index, uint64_t from, uint64_t to)
{
    assert_int_equal(block_journal_apply_part(&walk->record->journal, index, from, to, view->fd,
                                              &walk->record->place->f),
                     0);
    startable_touch(disk, entry_at(walk, index)->offset + from, to - from);
}

static void step_disk(struct walk *walk, const struct block_journal_entry *entry)
{
    uint64_t half = recorded_half(entry);

    if (half > 0) {
        repeat_part(walk, &walk->prefix, &walk->prefix_disk, walk->at, 0, half);
        (void)look(walk, &walk->prefix_disk, &walk->counts.torn, "the next one by half");
    }
    repeat_part(walk, &walk->prefix, &walk->prefix_disk, walk->at, half, entry->length);
    walk->at++;
    look_at_prefix(walk);
}

static void step_variables(struct walk *walk)
{
    repeat(walk, BLOCK_SERVER_VARIABLES, walk->at, walk->at + 1, walk->flash.fd);
    walk->at++;
    look_at_prefix(walk);
    look_at_flushed(walk);
}

/* Writes that were not flushed yet reach the disk: those that chance chooses, or all, in order. */
static bool catch_up(struct walk *walk, bool all)
{
    bool any = false;

    for (size_t i = walk->epoch; i < walk->at; i++) {
        const struct block_journal_entry *entry = entry_at(walk, i);

        if (!is_write(entry, BLOCK_SERVER_DISK) || (!all && rng_below(&walk->rng, 2) == 0))
            continue;
        repeat_part(walk, &walk->flushed, &walk->flushed_disk, i, 0, entry->length);
        any = true;
    }
    return any;
}

static void step_flush(struct walk *walk)
{
    look_at_flushed(walk);
    if (catch_up(walk, false))
        (void)look(walk, &walk->flushed_disk, &walk->counts.some, "some unflushed ones lost");
    (void)catch_up(walk, true);
    walk->at++;
    walk->epoch = walk->at;
}

void walk_to(struct walk *walk, size_t to)
{
    assert_true(to <= walk->record->journal.count);
    walk->counts = (struct walk_counts){ .whole = 0 };
    while (walk->at < to) {
        const struct block_journal_entry *entry = entry_at(walk, walk->at);

        if (is_write(entry, BLOCK_SERVER_DISK))
            step_disk(walk, entry);
        else if (is_write(entry, BLOCK_SERVER_VARIABLES))
            step_variables(walk);
        else if (entry->kind == BLOCK_JOURNAL_FLUSH && entry->export == BLOCK_SERVER_DISK)
            step_flush(walk);
        else
            walk->at++; /* flushes of what has no cache, and the TPM */
    }
}
