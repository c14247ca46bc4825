/* A machine that takes a release into its other slot and starts it. BROCH_NEXT_GENERATION names the
 * folder of a newer generation of the same profile and keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "offered.h"

static void boot(struct place *place)
{
    place->config.network = VM_NETWORK_USER;
    start(place);
    (void)expect_ready(place);
    login(place);
    offered_await_network(place);
}

static void test_to_the_other_slot(void **state)
{
    static const char *const steps[] = { "linux.efi  done", "system.erofs done", "write      done",
                                         "read back  done", "status=10" };
    struct place *place = *state;
    const char *server, *ready;

    offered_prepare();
    server = test_server_start(offered_answers);
    boot(place);
    expect(place, true, "broch update status", "slot:     A (/dev/vda1), not on trial");
    /* Without root it does not say that there is no slot. */
    expect(place, false, "broch update status", "slot:     A, and the rest is root's to see");
    free(as_root(place, "echo kept >/var/lib/broch/mark; mkdir -p /var/lib/broch/checks; "
                        "printf '#!/bin/sh\\nuntil [ -e /run/go ]; do sleep 1; done\\n' "
                        ">/var/lib/broch/checks/wait; chmod 755 /var/lib/broch/checks/wait; sync"));
    offered_apply(place, server, "--no-reboot");
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        await_as(place, false, "cat " OFFERED_LOG, steps[i], true);
    free(as_root(place, "sync; broch reboot"));
    ready = expect_ready(place);
    assert_non_null(strstr(ready, "slot=B"));
    login(place);
    expect(place, true, "broch update status", "slot:     B (/dev/vda2), on trial");
    expect(place, true, "cat /var/lib/broch/mark", "kept");
    /* What runs on trial does not overwrite the way back. */
    offered_await_network(place);
    offered_apply(place, server, "--force");
    await_as(place, false, "cat " OFFERED_LOG, "status=14", true);
    expect(place, false, "cat " OFFERED_LOG, "BR-UPDATE-TRIAL");
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
        enum offered_file file;
        uint64_t at;
        const char *code;
    } cases[] = {
        { OFFERED_MANIFEST, 100, "BR-UPDATE-SIGNATURE" },
        { OFFERED_UKI, 5000, "BR-UPDATE-HASH" },
    };
    struct place *place = *state;

    offered_prepare();
    boot(place);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *body = (char *)(uintptr_t)offered_answers[cases[i].file].body;
        const char *server;

        body[cases[i].at] ^= 1;
        server = test_server_start(offered_answers);
        offered_apply(place, server, "");
        await_as(place, false, "cat " OFFERED_LOG, "status=13", true);
        expect(place, false, "cat " OFFERED_LOG, cases[i].code);
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
    return cmocka_run_group_tests(tests, offered_start, NULL);
}
