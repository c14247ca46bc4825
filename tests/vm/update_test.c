/* A machine that takes a release into its other slot and starts it. BROCH_NEXT_GENERATION names the
 * folder of a newer generation of the same profile and keys. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fixture.h"
#include "sys/test_server.h"

#define LOG "/run/update.log"

enum { FILES = 4 };

/* What the server offers; bytes are those of the files. */
static struct test_answer answers[FILES + 2];
static const char *next_generation;

static void offer(size_t index, const char *path, const char *file)
{
    _cleanup_free_ char *full = text_make("%s/%s", next_generation, file);
    _cleanup_close_ int fd = full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    struct stat status;
    char *bytes, *header;

    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    header = text_make("Content-Length: %llu\r\n", (unsigned long long)status.st_size);
    assert_non_null(header);
    answers[index] = (struct test_answer){ .path = path,
                                           .status = "200 OK",
                                           .header = header,
                                           .body = bytes,
                                           .size = (size_t)status.st_size,
                                           .ranges = true };
}

static void offer_all(void)
{
    static const char *const files[FILES] = { "generation.json", "generation.json.minisig",
                                              "linux.efi", "system.erofs" };

    for (size_t i = 0; i < FILES; i++) {
        char *path = text_make("/r/%s", files[i]);

        assert_non_null(path);
        offer(i, path, files[i]);
    }
    answers[FILES].path = NULL;
}

static int start_group(void **state)
{
    next_generation = getenv("BROCH_NEXT_GENERATION");
    if (!next_generation) {
        print_error("set BROCH_NEXT_GENERATION\n");
        return -1;
    }
    return fixture_start(state);
}

static void boot(struct place *place)
{
    place->config.network = VM_NETWORK_USER;
    start(place);
    (void)expect_ready(place);
    login(place);
    await_as(place, false, "ip -4 -o address", "10.0.2.15", true);
}

/* Runs apart from the console, and is waited for by its steps. */
static void begin(struct place *place, const char *server, const char *options)
{
    _cleanup_free_ char *command =
        text_make("(broch update apply --from http://10.0.2.2:%s/r %s; echo status=$?) >" LOG
                  " 2>&1 </dev/null &",
                  strrchr(server, ':') + 1, options);

    free(as_root(place, command));
}

static void test_to_the_other_slot(void **state)
{
    static const char *const steps[] = { "linux.efi  done", "system.erofs done", "write      done",
                                         "read back  done", "status=10" };
    struct place *place = *state;
    const char *server, *ready;

    offer_all();
    server = test_server_start(answers);
    boot(place);
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    free(as_root(place, "echo kept >/var/lib/broch/mark; mkdir -p /var/lib/broch/checks; "
                        "printf '#!/bin/sh\\nuntil [ -e /run/go ]; do sleep 1; done\\n' "
                        ">/var/lib/broch/checks/wait; chmod 755 /var/lib/broch/checks/wait; sync"));
    begin(place, server, "--no-reboot");
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        await_as(place, false, "cat " LOG, steps[i], true);
    free(as_root(place, "sync; broch reboot"));
    ready = expect_ready(place);
    assert_non_null(strstr(ready, "slot=B"));
    login(place);
    expect(place, true, "broch update status", "slot:     B (/dev/vda2), on trial");
    expect(place, true, "cat /var/lib/broch/mark", "kept");
    /* What runs on trial does not overwrite the way back. */
    await_as(place, false, "ip -4 -o address", "10.0.2.15", true);
    begin(place, server, "--force");
    await_as(place, false, "cat " LOG, "status=14", true);
    expect(place, false, "cat " LOG, "BR-UPDATE-TRIAL");
    /* The machine's own check ends well, later than services usually have to be ready: the slot is
     * the one that firmware starts by itself. */
    free(as_root(place, "until [ $(cut -d. -f1 /proc/uptime) -ge 60 ]; do sleep 1; done; "
                        "touch /run/go"));
    await_as(place, true, "broch update status; broch logs verdict",
             "last:     v99.0.0-node-x86_64 good", true);
    expect(place, true, "broch update status", "slot:     B (/dev/vda2), not on trial");
    (void)test_server_stop();
    /* And back by hand: what was there before proves itself as well, and then stays. */
    free(as_root(place, "broch update rollback"));
    ready = expect_ready(place);
    assert_non_null(strstr(ready, "slot=A"));
    login(place);
    free(as_root(place, "touch /run/go"));
    await_as(place, true, "broch update status", "good", true);
    await_as(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial", true);
    expect(place, true, "cat /var/lib/broch/mark", "kept");
    free(as_root(place, "broch reboot"));
    ready = expect_ready(place);
    assert_non_null(strstr(ready, "slot=A"));
}

/* One bit of a file, of the manifest, and a cut file: nothing of the other slot is touched. */
static void test_refused(void **state)
{
    static const struct {
        size_t file;
        uint64_t at;
        const char *code;
    } cases[] = {
        { 0, 100, "BR-UPDATE-SIGNATURE" },
        { 2, 5000, "BR-UPDATE-HASH" },
    };
    struct place *place = *state;

    offer_all();
    boot(place);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *body = (char *)(uintptr_t)answers[cases[i].file].body;
        const char *server;

        body[cases[i].at] ^= 1;
        server = test_server_start(answers);
        begin(place, server, "");
        await_as(place, false, "cat " LOG, "status=13", true);
        expect(place, false, "cat " LOG, cases[i].code);
        (void)test_server_stop();
        body[cases[i].at] ^= 1;
    }
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    expect(place, true, "dd if=/dev/vda2 bs=1M count=4 2>/dev/null | grep -c linux.new; echo", "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_to_the_other_slot, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_refused, place_setup, place_teardown),
    };

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, start_group, NULL);
}
