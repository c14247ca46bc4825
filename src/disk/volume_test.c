/* On files: all but activation, which needs a device mapper (tests/vm does that). */
#include "disk/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/persist.h"

enum { DISK_SIZE = 32 << 20, PASSPHRASE_SIZE = 32 };

struct disk {
    char path[64];
    int fd;
    struct volume *volume;
    struct secret key;
    struct failure f;
};

static int setup(void **state)
{
    struct disk *d = test_calloc(1, sizeof(*d));

    memcpy(d->path, "/tmp/broch-volume-XXXXXX", sizeof("/tmp/broch-volume-XXXXXX"));
    d->fd = mkostemp(d->path, O_CLOEXEC);
    *state = d;
    if (d->fd < 0 || ftruncate(d->fd, DISK_SIZE) < 0)
        return -1;
    return volume_format(d->path, &d->volume, &d->key, &d->f);
}

static int teardown(void **state)
{
    struct disk *d = *state;

    volume_close(d->volume);
    (void)close(d->fd);
    (void)unlink(d->path);
    test_free(d);
    return 0;
}

static struct secret passphrase(uint8_t byte)
{
    struct secret s = { .size = PASSPHRASE_SIZE };

    memset(s.bytes, byte, s.size);
    return s;
}

/* Does this passphrase give the volume key? */
static bool opens(struct disk *d, uint8_t byte)
{
    struct secret p = passphrase(byte), key = SECRET_INIT;

    if (volume_unlock(d->volume, &p, VOLUME_ANY, &key, &d->f) < 0)
        return false;
    assert_int_equal(key.size, BINDING_KEY_SIZE);
    assert_memory_equal(key.bytes, d->key.bytes, key.size);
    return true;
}

static void set_tpm(struct disk *d, const uint8_t *bytes, size_t count)
{
    static struct token_tpm2 tokens[2];
    struct secret passphrases[2];
    struct volume_route routes[2];

    for (size_t i = 0; i < count; i++) {
        tokens[i] = (struct token_tpm2){ .sealed_size = 200 };
        passphrases[i] = passphrase(bytes[i]);
        routes[i] = (struct volume_route){ &tokens[i], &passphrases[i] };
    }
    assert_int_equal(volume_set_tpm(d->volume, &d->key, routes, count, &d->f), 0);
}

static void set_recovery(struct disk *d, uint8_t byte)
{
    struct secret p = passphrase(byte);

    assert_int_equal(volume_set_recovery(d->volume, &d->key, &p, &d->f), 0);
}

static void reopen(struct disk *d)
{
    volume_close(d->volume);
    d->volume = NULL;
    assert_int_equal(volume_open(d->path, &d->volume, &d->f), 0);
}

/* A keyslot without a token of ours. */
static void add_key(struct disk *d, uint8_t byte, uint32_t iterations)
{
    const struct crypt_pbkdf_type quick = { .type = CRYPT_KDF_PBKDF2,
                                            .hash = "sha256",
                                            .iterations = iterations,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct secret p = passphrase(byte);
    struct crypt_device *device;

    assert_int_equal(crypt_init(&device, d->path), 0);
    assert_int_equal(crypt_load(device, CRYPT_LUKS2, NULL), 0);
    assert_int_equal(crypt_set_pbkdf_type(device, &quick), 0);
    assert_true(crypt_keyslot_add_by_volume_key(device, CRYPT_ANY_SLOT, (const char *)d->key.bytes,
                                                d->key.size, (const char *)p.bytes, p.size) >= 0);
    crypt_free(device);
    reopen(d);
}

/* As `cryptsetup luksAddKey` does. */
static void add_other_key(struct disk *d, uint8_t byte)
{
    add_key(d, byte, 2000);
}

static void check_slots(struct disk *d, unsigned tpm, unsigned recovery)
{
    struct volume_slots slots;

    assert_int_equal(volume_count_slots(d->volume, &slots, &d->f), 0);
    assert_int_equal(slots.tpm, tpm);
    assert_int_equal(slots.recovery, recovery);
    assert_int_equal(slots.other, 0);
}

static enum persist_content look(struct disk *d)
{
    static struct luks_header header;
    enum persist_content content;

    assert_int_equal(persist_look(d->fd, &content, &header, &d->f), 0);
    return content;
}

static void test_label(void **state)
{
    struct disk *d = *state;

    assert_false(volume_is_finished(d->volume));
    assert_int_equal(look(d), PERSIST_UNFINISHED);
    assert_int_equal(volume_finish(d->volume, &d->f), 0);
    reopen(d);
    assert_true(volume_is_finished(d->volume));
    assert_int_equal(look(d), PERSIST_OURS);
    assert_int_equal(volume_doom(d->volume, &d->f), 0);
    assert_int_equal(look(d), PERSIST_WIPING);
}

/* What is made is what may be opened, and nothing opens it by itself. */
static void test_made(void **state)
{
    struct disk *d = *state;
    struct binding b;

    assert_int_equal(volume_binding(d->volume, &b, &d->f), 0);
    assert_string_equal(b.uuid, volume_uuid(d->volume));
    assert_int_equal(b.sector_size, 4096);
    check_slots(d, 0, 0);
    reopen(d);
    assert_false(opens(d, 1));
}

static void test_tpm_replaced(void **state)
{
    struct disk *d = *state;

    set_recovery(d, 9);
    set_tpm(d, (const uint8_t[]){ 1, 2 }, 2);
    check_slots(d, 2, 1);
    assert_true(opens(d, 1) && opens(d, 2) && opens(d, 9));
    set_tpm(d, (const uint8_t[]){ 3 }, 1);
    reopen(d);
    check_slots(d, 1, 1);
    assert_true(opens(d, 3) && opens(d, 9));
    assert_false(opens(d, 1) || opens(d, 2));
    assert_int_equal(d->f.code, CODE_PERSIST_KEY);
}

static void test_recovery_replaced(void **state)
{
    struct disk *d = *state;

    set_tpm(d, (const uint8_t[]){ 1 }, 1);
    set_recovery(d, 8);
    set_recovery(d, 9);
    reopen(d);
    check_slots(d, 1, 1);
    assert_true(opens(d, 1) && opens(d, 9));
    assert_false(opens(d, 8));
}

/* Every key opens the disk, and only the recovery key is taken for one: one of the TPM's routes and
 * one that somebody else made are not. */
static void test_recovery_alone(void **state)
{
    struct disk *d = *state;
    struct secret digits = passphrase(9), tpm = passphrase(1), other = passphrase(7);
    struct secret key = SECRET_INIT;

    set_tpm(d, (const uint8_t[]){ 1 }, 1);
    assert_int_equal(volume_unlock_recovery(d->volume, &digits, &key, &d->f), -ENOKEY);
    set_recovery(d, 9);
    reopen(d);
    add_other_key(d, 7);
    assert_true(opens(d, 1) && opens(d, 7) && opens(d, 9));
    assert_int_equal(volume_unlock_recovery(d->volume, &digits, &key, &d->f), 0);
    assert_memory_equal(key.bytes, d->key.bytes, key.size);
    secret_wipe(&key);
    assert_true(volume_unlock_recovery(d->volume, &tpm, &key, &d->f) < 0);
    assert_int_equal(d->f.code, CODE_PERSIST_KEY);
    assert_true(volume_unlock_recovery(d->volume, &other, &key, &d->f) < 0);
    assert_int_equal(d->f.code, CODE_PERSIST_KEY);
    assert_int_equal(key.size, 0);
}

/* A keyslot that a power cut left without its token goes with the next one; whoever added another
 * by hand keeps it. */
static void test_orphans(void **state)
{
    struct disk *d = *state;
    struct volume_slots slots;

    set_tpm(d, (const uint8_t[]){ 1 }, 1);
    set_recovery(d, 2);
    add_key(d, 3, 1000);
    add_key(d, 4, 2000);
    set_tpm(d, (const uint8_t[]){ 5 }, 1);
    assert_int_equal(volume_count_slots(d->volume, &slots, &d->f), 0);
    assert_int_equal(slots.tpm, 1);
    assert_int_equal(slots.recovery, 1);
    assert_int_equal(slots.other, 1);
    assert_false(opens(d, 1) || opens(d, 3));
    assert_true(opens(d, 2) && opens(d, 4) && opens(d, 5));
}

/* Any number of times: the area of keyslots does not fill up. */
static void test_many_times(void **state)
{
    struct disk *d = *state;

    for (uint8_t i = 1; i < 40; i++)
        set_tpm(d, &i, 1);
    check_slots(d, 1, 0);
    assert_true(opens(d, 39));
    assert_false(opens(d, 38));
}

static void test_wipe(void **state)
{
    static uint8_t area[16 << 20];
    struct disk *d = *state;
    struct volume *v = NULL;

    set_tpm(d, (const uint8_t[]){ 1 }, 1);
    assert_int_equal(volume_wipe(d->volume, &d->f), 0);
    assert_int_equal(pread(d->fd, area, sizeof(area), 0), sizeof(area));
    assert_int_equal(area[0], 0);
    assert_memory_equal(area, area + 1, sizeof(area) - 1);
    assert_int_equal(look(d), PERSIST_EMPTY);
    assert_true(volume_open(d->path, &v, &d->f) < 0);
    assert_int_equal(d->f.code, CODE_PERSIST_HEADER);
}

/* The making ends at any moment: what is left is always made again, and never taken for somebody
 * else's. (The order in which a disk keeps writes is the power test's.) */
static void test_cut(void **state)
{
    enum { CUTS = 60, STEP_NS = 400000 };
    struct disk *d = *state;

    for (unsigned i = 0; i < CUTS; i++) {
        enum persist_content content = PERSIST_FOREIGN;
        static struct luks_header header;
        pid_t child;

        assert_int_equal(ftruncate(d->fd, 0), 0);
        assert_int_equal(ftruncate(d->fd, DISK_SIZE), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct volume *v;

            if (persist_mark(d->path, true, &d->f) == 0)
                (void)!volume_format(d->path, &v, &d->key, &d->f);
            _exit(0);
        }
        (void)ppoll(NULL, 0, &(struct timespec){ .tv_nsec = (long)i * STEP_NS }, NULL);
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(persist_look(d->fd, &content, &header, &d->f), 0);
        assert_true(content == PERSIST_EMPTY || content == PERSIST_UNFINISHED);
    }
}

/* A wipe that ends at any moment: the disk is never one that opens, and never somebody else's. */
static void test_wipe_cut(void **state)
{
    enum { CUTS = 60, STEP_NS = 1000000 };
    struct disk *d = *state;

    for (unsigned i = 0; i < CUTS; i++) {
        enum persist_content content;
        pid_t child;

        volume_close(d->volume);
        d->volume = NULL;
        assert_int_equal(volume_format(d->path, &d->volume, &d->key, &d->f), 0);
        set_tpm(d, (const uint8_t[]){ 1 }, 1);
        assert_int_equal(volume_doom(d->volume, &d->f), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (persist_mark(d->path, true, &d->f) == 0)
                (void)!volume_wipe(d->volume, &d->f);
            _exit(0);
        }
        (void)ppoll(NULL, 0, &(struct timespec){ .tv_nsec = (long)i * STEP_NS }, NULL);
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        content = look(d);
        assert_true(content == PERSIST_WIPING || content == PERSIST_UNFINISHED);
        assert_int_equal(persist_mark(d->path, false, &d->f), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_label, setup, teardown),
        cmocka_unit_test_setup_teardown(test_made, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tpm_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wipe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wipe_cut, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
