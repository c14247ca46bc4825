#include "recorded.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "vm/block_server.h"

#define VARIABLES "machine/variables.fd"
#define KEYS      "machine/variables.fd.keys"
#define TPM       "machine/tpm/tpm2-00.permall"

/* In the folder of the record. */
#define RECORDED_KEYS "base.keys"
#define JOURNAL       "journal"
#define MARKS         "marks"

/* --- Recording --- */

const char *recorded_path(const struct recorded *r, const char *name)
{
    char *path = text_make("%s/%s", r->folder, name);

    assert_non_null(path);
    return path;
}

static int begin(struct recorded *r, struct place *place, const char *folder)
{
    r->place = place;
    r->folder = strdup(folder);
    return r->folder ? file_make_folders(folder, &place->f) : -ENOMEM;
}

static int keep(const struct recorded *r, const char *from, const char *name)
{
    return file_copy(from, recorded_path(r, name), 0600, &r->place->f);
}

int recorded_start(struct recorded *r, struct place *place, const char *folder)
{
    struct block_server_config config = {
        .socket = place_path(place, "machine/" BLOCK_SERVER_SOCKET),
        .watched = place_path(place, TPM),
        .exports = { [BLOCK_SERVER_DISK] = place->disk,
                     [BLOCK_SERVER_VARIABLES] = place_path(place, VARIABLES) },
    };

    if (begin(r, place, folder) < 0)
        return -1;
    config.journal = recorded_path(r, JOURNAL);
    place->config.served = true;
    if (keep(r, place->disk, RECORDED_DISK) < 0 ||
        vm_open(&place->config, &place->vm, &place->f) < 0 ||
        keep(r, config.exports[BLOCK_SERVER_VARIABLES], RECORDED_VARIABLES) < 0 ||
        keep(r, place_path(place, KEYS), RECORDED_KEYS) < 0)
        return -1;
    return block_server_start(&config, &r->server, &place->f);
}

void recorded_mark(struct recorded *r)
{
    struct stat status;

    assert_int_equal(stat(recorded_path(r, JOURNAL), &status), 0);
    assert_true(r->mark_count < RECORDED_MARKS_MAX);
    r->marks[r->mark_count++] = (uint64_t)status.st_size;
}

static void stop(struct recorded *r)
{
    block_server_stop(r->server);
    r->server = 0;
}

static int open_journal(struct recorded *r)
{
    return block_journal_open(recorded_path(r, JOURNAL), &r->journal, &r->place->f);
}

int recorded_end(struct recorded *r)
{
    int cut = vm_power_cut(r->place->vm, &r->place->f);

    stop(r);
    if (cut == 0)
        cut = file_write(recorded_path(r, MARKS), r->marks, r->mark_count * sizeof(r->marks[0]),
                         0600, &r->place->f);
    return cut < 0 ? cut : open_journal(r);
}

int recorded_open(struct recorded *r, struct place *place, const char *folder)
{
    _cleanup_free_ uint8_t *marks = NULL;
    size_t size;
    int got = begin(r, place, folder);

    if (got == 0)
        got = file_read(recorded_path(r, MARKS), sizeof(r->marks), &marks, &size, &place->f);
    if (got < 0)
        return got;
    memcpy(r->marks, marks, size);
    r->mark_count = size / sizeof(r->marks[0]);
    return open_journal(r);
}

void recorded_done(struct recorded *r)
{
    stop(r);
    block_journal_done(&r->journal);
    free(r->folder);
    *r = (struct recorded)RECORDED_NONE;
}

size_t recorded_count(const struct recorded *r, size_t mark)
{
    assert_true(mark < r->mark_count);
    return block_journal_count_at(&r->journal, r->marks[mark]);
}

/* --- What a power cut leaves --- */

uint64_t recorded_half(const struct block_journal_entry *entry)
{
    return entry->length / BLOCK_JOURNAL_SECTOR / 2 * BLOCK_JOURNAL_SECTOR;
}

static bool is_disk_write(const struct block_journal_entry *entry)
{
    return entry->export == BLOCK_SERVER_DISK &&
           (entry->kind == BLOCK_JOURNAL_WRITE || entry->kind == BLOCK_JOURNAL_ZERO);
}

size_t recorded_durable(const struct recorded *r, struct cut cut)
{
    size_t count = cut.count;

    CHECK(count <= r->journal.count);
    if (cut.tear == TEAR_HALF && count > 0 && is_disk_write(&r->journal.entries[count - 1]))
        return count - 1;
    while (cut.tear == TEAR_LOST && count > 0 &&
           (r->journal.entries[count - 1].kind != BLOCK_JOURNAL_FLUSH ||
            r->journal.entries[count - 1].export != BLOCK_SERVER_DISK))
        count--;
    return count;
}

static void repeat_disk(const struct recorded *r, struct cut cut, struct place *place)
{
    size_t durable = recorded_durable(r, cut);
    int fd = open(place->disk, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(block_journal_apply(&r->journal, BLOCK_SERVER_DISK, 0, durable, fd, &place->f),
                     0);
    if (cut.tear == TEAR_HALF && durable < cut.count)
        assert_int_equal(block_journal_apply_part(&r->journal, durable, 0,
                                                  recorded_half(&r->journal.entries[durable]), fd,
                                                  &place->f),
                         0);
    assert_int_equal(close(fd), 0);
}

/* Flash has no cache: what was answered is there. */
static void repeat_variables(const struct recorded *r, size_t count, struct place *place)
{
    const char *path = place_path(place, VARIABLES);
    int fd;

    assert_int_equal(file_copy(recorded_path(r, RECORDED_VARIABLES), path, 0600, &place->f), 0);
    assert_int_equal(
        file_copy(recorded_path(r, RECORDED_KEYS), place_path(place, KEYS), 0600, &place->f), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(
        block_journal_apply(&r->journal, BLOCK_SERVER_VARIABLES, 0, count, fd, &place->f), 0);
    assert_int_equal(close(fd), 0);
}

static void repeat_tpm(const struct recorded *r, size_t count, struct place *place)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int got = block_journal_file(&r->journal, count, &bytes, &size, &place->f);

    if (got == -ENOENT) /* a TPM that nobody has switched on yet */
        return;
    assert_int_equal(got, 0);
    assert_int_equal(file_write(place_path(place, TPM), bytes, size, 0600, &place->f), 0);
}

struct place *recorded_place(const struct recorded *r, struct cut cut)
{
    struct place *place;
    void *made = NULL;

    assert_int_equal(place_make(&made, recorded_path(r, RECORDED_DISK)), 0);
    place = made;
    place->config.network = r->place->config.network;
    repeat_disk(r, cut, place);
    assert_int_equal(vm_open(&place->config, &place->vm, &place->f), 0);
    repeat_variables(r, cut.count, place);
    repeat_tpm(r, cut.count, place);
    return place;
}
