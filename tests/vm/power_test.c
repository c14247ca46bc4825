/* The power fails during a machine's first start: whatever was written until then, the next start
 * makes the disk again or opens it, and asks nobody.
 *
 * QEMU's blklogwrites keeps every write to the disk in order. With each change of the TPM's state
 * that state is kept too, with the number of writes before it. A prefix of the writes on a fresh
 * disk, and the TPM as it was then, are what a power cut leaves; writes behind the last flush may
 * be missing, and the last one may be torn. BROCH_SOAK=1 boots every prefix that ends with a
 * flush, else a sample of them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "vm/write_log.h"
#include "fixture.h"

enum {
    ENTRIES_MIN = 10,
    TPM_STATES_MAX = 64,
    TPM_STATE_SIZE_MAX = 1 << 20,
    SAMPLE = 3, /* prefixes in `make test` */
};

struct tpm_state {
    size_t writes; /* in the log when this state was seen */
    size_t size;
    uint8_t *bytes;
};

/* One recorded start. */
static struct {
    struct place *place;
    const char *log_path, *tpm_path;
    struct write_log log;
    size_t seen; /* entries, while it is recorded */
    uint64_t seen_end;
    size_t state_count;
    struct tpm_state states[TPM_STATES_MAX];
} record = { .log = WRITE_LOG_NONE, .seen_end = WRITE_LOG_SECTOR };

/* --- Recording --- */

/* Counts what has come since the last look. */
static void look_at_log(void)
{
    uint8_t sector[WRITE_LOG_SECTOR];
    struct write_log_entry entry;
    struct stat status;
    int fd = open(record.log_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    while (fstat(fd, &status) == 0 &&
           pread(fd, sector, sizeof(sector), (off_t)record.seen_end) == sizeof(sector) &&
           write_log_parse(sector, record.seen_end, (uint64_t)status.st_size, &entry,
                           &record.seen_end) == 1)
        record.seen++;
    (void)close(fd); /* read only */
}

/* Called with everything that the guest prints: between two lines of it the TPM is looked at. */
static void look_at_tpm(const void *bytes, size_t size, void *context)
{
    const struct tpm_state *last =
        record.state_count > 0 ? &record.states[record.state_count - 1] : NULL;
    struct tpm_state now = { .size = 0 };
    struct failure ignored = FAILURE_NONE;

    (void)bytes;
    (void)size;
    (void)context;
    look_at_log();
    now.writes = record.seen;
    if (record.state_count == TPM_STATES_MAX ||
        file_read(record.tpm_path, TPM_STATE_SIZE_MAX, &now.bytes, &now.size, &ignored) < 0)
        return;
    if (last && last->size == now.size && memcmp(last->bytes, now.bytes, now.size) == 0)
        free(now.bytes);
    else
        record.states[record.state_count++] = now;
}

static int record_start(void **state)
{
    void *made = NULL;
    struct place *place;

    if (fixture_start(state) < 0 || place_setup(&made) < 0)
        return -1;
    place = record.place = made;
    record.log_path = place_path(place, "machine/disk0.writes");
    record.tpm_path = place_path(place, "machine/tpm/tpm2-00.permall");
    place->config.disks[0].log_writes = true;
    if (vm_open(&place->config, &place->vm, &place->f) < 0)
        return -1;
    vm_set_output(place->vm, look_at_tpm, NULL);
    start(place);
    (void)expect_ready(place);
    if (vm_power_cut(place->vm, &place->f) < 0 ||
        write_log_open(record.log_path, &record.log, &place->f) < 0)
        return -1;
    print_message("%zu writes, %zu states of the TPM\n", record.log.count, record.state_count);
    return record.log.count < ENTRIES_MIN || record.state_count == 0 ? -1 : 0;
}

static int record_stop(void **state)
{
    void *made = record.place;

    (void)state;
    write_log_done(&record.log);
    for (size_t i = 0; i < record.state_count; i++)
        free(record.states[i].bytes);
    return place_teardown(&made);
}

/* --- What a power cut leaves --- */

/* How the end of a prefix is torn. */
enum tear { WHOLE, LAST_MISSING, LAST_HALF };

static void make_disk(struct place *place, size_t count, enum tear tear)
{
    size_t whole = tear == WHOLE || count == 0 ? count : count - 1;
    int disk = open(place->disk, O_WRONLY | O_CLOEXEC);

    assert_true(disk >= 0);
    assert_int_equal(write_log_apply(&record.log, 0, whole, disk, &place->f), 0);
    if (whole < count && tear == LAST_HALF)
        assert_int_equal(write_log_apply_torn(&record.log, whole,
                                              record.log.entries[whole].count / 2, disk, &place->f),
                         0);
    assert_int_equal(close(disk), 0);
}

/* The state that the TPM had when so much was written: the last one seen by then. */
static void make_tpm(struct place *place, size_t count)
{
    const struct tpm_state *found = NULL;

    for (size_t i = 0; i < record.state_count; i++) {
        if (record.states[i].writes <= count)
            found = &record.states[i];
    }
    if (found)
        assert_int_equal(file_write(place_path(place, "machine/tpm/tpm2-00.permall"), found->bytes,
                                    found->size, 0600, &place->f),
                         0);
}

/* Either of them, and no third: made anew with another key shown (true), or opened by the TPM. */
static bool expect_good(struct place *place, size_t count)
{
    static const char *const texts[] = { "step=persist status=ok", "status=fail", "recovery=wanted",
                                         "broch ready ", "Access Denied" };
    struct vm_match match = { .index = ARRAY_SIZE(texts) };
    const char *console;
    bool anew;

    if (vm_wait_marker(place->vm, texts, ARRAY_SIZE(texts), PATIENCE_NS, &match, &place->f) < 0)
        fail_msg("after %zu writes: %s: %s", count, code_entry(place->f.code)->id, place->f.text);
    if (match.index != 0)
        fail_msg("after %zu writes: %s", count, match.line);
    console = vm_console(place->vm);
    assert_null(strstr(console, "unseal-refused"));
    anew = strstr(console, "made anew") != NULL;
    print_message("after %zu of %zu writes: %s\n", count, record.log.count,
                  anew ? "made anew" : "opened");
    return anew;
}

static bool boot_prefix(size_t count, enum tear tear)
{
    void *made = NULL;
    struct place *place;
    bool anew;

    assert_int_equal(place_setup(&made), 0);
    place = made;
    make_disk(place, count, tear);
    assert_int_equal(vm_open(&place->config, &place->vm, &place->f), 0);
    make_tpm(place, count);
    start(place);
    anew = expect_good(place, count);
    assert_int_equal(place_teardown(&made), 0);
    return anew;
}

/* --- Which prefixes --- */

static bool is_flush(size_t i)
{
    return (record.log.entries[i].flags & (WRITE_LOG_FLUSH | WRITE_LOG_FUA)) != 0;
}

/* Prefixes that end with a flush: how many, and the n-th of them. */
static size_t flush_prefix(size_t n, size_t *ret_count)
{
    size_t found = 0, prefix = 0;

    for (size_t i = 0; i < record.log.count; i++) {
        if (is_flush(i) && found++ == n)
            prefix = i + 1;
    }
    *ret_count = found;
    return prefix;
}

/* Before anything was written, and after all of it: the two ends differ, or nothing between them
 * would mean anything. */
static void test_nothing_written(void **state)
{
    (void)state;
    assert_true(boot_prefix(0, WHOLE));
}

static void test_all_written(void **state)
{
    (void)state;
    assert_false(boot_prefix(record.log.count, WHOLE));
}

static void test_prefixes(void **state)
{
    size_t total, ignored;

    (void)state;
    (void)flush_prefix(0, &total);
    assert_true(total > SAMPLE);
    for (size_t i = 0; i < total; i++) {
        if (getenv("BROCH_SOAK") || i % (total / SAMPLE) == 0)
            (void)boot_prefix(flush_prefix(i, &ignored), WHOLE);
    }
}

/* A write that did not reach the disk as a whole, at every fourth flush (in the sample at one). */
static void test_torn(void **state)
{
    size_t total, ignored, step;

    (void)state;
    (void)flush_prefix(0, &total);
    step = getenv("BROCH_SOAK") ? 4 : total;
    for (size_t i = step / 2; i < total; i += step) {
        size_t prefix = flush_prefix(i, &ignored);

        while (prefix > 0 && record.log.entries[prefix - 1].count == 0)
            prefix--; /* to the last one that wrote something */
        (void)boot_prefix(prefix, LAST_HALF);
        if (getenv("BROCH_SOAK"))
            (void)boot_prefix(prefix, LAST_MISSING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_written),
        cmocka_unit_test(test_all_written),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_torn),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, record_start, record_stop);
}
