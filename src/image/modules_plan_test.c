#include "image/modules_plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_heap.h"
#include "boot/initrd.h"

/* Small depmod files: erofs needs crc, which needs base; names are spelt both ways. */
static const char dep[] =
    "kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz kernel/lib/base.ko\n"
    "kernel/lib/libcrc32c.ko.xz: kernel/lib/base.ko\n"
    "kernel/lib/base.ko:\n"
    "kernel/md/dm-verity.ko.xz: kernel/md/dm-mod.ko.xz\n"
    "kernel/md/dm-mod.ko.xz:\n"
    "kernel/net/virtio_blk.ko.xz: kernel/v/virtio.ko.xz\n"
    "kernel/v/virtio.ko.xz:\n"
    "kernel/x/virtio_blk_more.ko.xz:\n";
static const char alias[] = "# Aliases\n"
                            "alias virtio:d00000002v* virtio_blk\n"
                            "alias pci:v00001AF4d00001001sv*sd*bc*sc*i* virtio_blk\n"
                            "alias virtio:d00000002v* virtio_blk_more\n"
                            "alias fs-erofs erofs\n"
                            "alias\n"
                            "alias x\n"
                            "alias a b virtio_blk\n";
static const char builtin[] = "kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme-core.ko\n";

static void check(const struct plan_wish *wish, const char *text, const char *files)
{
    _cleanup_text_ struct text found = TEXT_INIT;
    struct plan plan = PLAN_INIT;
    struct failure f = FAILURE_NONE;

    assert_int_equal(plan_make(wish, dep, alias, builtin, &plan, &f), 0);
    assert_string_equal(text_string(&plan.text), text);
    for (size_t i = 0; i < plan.file_count; i++)
        text_addf(&found, "%s\n", plan.files[i]);
    assert_string_equal(text_string(&found), files);
    plan_done(&plan);
}

static void test_dependencies_first(void **state)
{
    const struct plan_wish wish = { .requests = { { NULL, { "erofs" } } } };

    (void)state;
    check(&wish, "load base.ko\nload libcrc32c.ko\nload erofs.ko\n",
          "kernel/lib/base.ko\nkernel/lib/libcrc32c.ko.xz\nkernel/fs/erofs/erofs.ko.xz\n");
}

static void test_requests(void **state)
{
    const struct plan_wish wish = { .requests = { { NULL, { "dm_verity" } },
                                                  { "broch:slot", { "erofs", "base" } },
                                                  { "broch:efi", { "ext4" } } } };

    (void)state;
    /* A request for what is built in asks for nothing; a file is there once. */
    check(&wish,
          "load dm-mod.ko\nload dm-verity.ko\n"
          "alias broch:slot base.ko libcrc32c.ko erofs.ko base.ko\n",
          "kernel/md/dm-mod.ko.xz\nkernel/md/dm-verity.ko.xz\nkernel/lib/base.ko\n"
          "kernel/lib/libcrc32c.ko.xz\nkernel/fs/erofs/erofs.ko.xz\n");
}

static void test_drivers(void **state)
{
    const struct plan_wish wish = { .drivers = { "virtio_blk", "nvme_core" } };

    (void)state;
    check(&wish,
          "alias virtio:d00000002v* virtio.ko virtio_blk.ko\n"
          "alias pci:v00001AF4d00001001sv*sd*bc*sc*i* virtio.ko virtio_blk.ko\n",
          "kernel/v/virtio.ko.xz\nkernel/net/virtio_blk.ko.xz\n");
}

static void test_nothing(void **state)
{
    const struct plan_wish wish = { .drivers = { NULL } };

    (void)state;
    check(&wish, "", "");
}

static void refuse(const struct plan_wish *wish, const char *dependencies, const char *word)
{
    struct plan plan = PLAN_INIT;
    struct failure f = FAILURE_NONE;

    assert_true(plan_make(wish, dependencies, alias, builtin, &plan, &f) < 0);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    if (!strstr(f.text, word))
        fail_msg("%s", f.text);
    assert_int_equal(plan.file_count, 0);
}

static void test_missing(void **state)
{
    const struct plan_wish request = { .requests = { { NULL, { "erof" } } } };
    const struct plan_wish driver = { .drivers = { "virtio"
                                                   "_b" } };
    const struct plan_wish conditional = { .requests = { { "broch:efi", { "efivarfs" } } } };

    (void)state;
    refuse(&request, dep, "'erof'");
    refuse(&driver, dep, "'virtio_b'");
    refuse(&conditional, dep, "'efivarfs'");
    refuse(&request, "", "'erof'");
}

static void test_limits(void **state)
{
    const struct plan_wish wish = { .requests = { { NULL, { "m" } } } };
    const struct plan_wish driver = { .drivers = { "m" } };
    _cleanup_text_ struct text many = TEXT_INIT, name = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    text_add(&many, "k/m.ko:");
    for (unsigned i = 0; i < 33; i++)
        text_addf(&many, " k/d%u.ko", i);
    text_add(&many, "\n");
    refuse(&wish, text_string(&many), "too large");
    text_add(&name, "k/m.ko: k/");
    for (unsigned i = 0; i < INITRD_NAME_MAX; i++)
        text_add(&name, "x");
    text_add(&name, ".ko\n");
    refuse(&wish, text_string(&name), "too large");
    refuse(&wish, "k/m.ko: nonsense\n", "neither .ko nor .ko.xz");
    refuse(&wish, "k/m.ko.zst:\n", "neither .ko nor .ko.xz");
    refuse(&wish, "k/m.ko: k/.ko.xz\n", "neither .ko nor .ko.xz");
    refuse(&wish, "m.ko:\n", "neither .ko nor .ko.xz"); /* in no folder */
    /* A pattern that stage 1 would refuse is left out. */
    text_clear(&name);
    text_add(&name, "alias ");
    for (unsigned i = 0; i <= INITRD_PATTERN_MAX; i++)
        text_add(&name, "p");
    text_add(&name, " m\nalias q m\n");
    {
        struct plan plan = PLAN_INIT;

        assert_int_equal(plan_make(&driver, "k/m.ko:\n", text_string(&name), "", &plan, &f), 0);
        assert_string_equal(text_string(&plan.text), "alias q m.ko\n");
        plan_done(&plan);
    }
}

static void test_too_many_files(void **state)
{
    struct plan_wish wish = { .drivers = { NULL } };
    char names[PLAN_DRIVERS_MAX][16];
    _cleanup_text_ struct text text = TEXT_INIT;

    (void)state;
    for (unsigned i = 0; i < PLAN_DRIVERS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%u", i);
        wish.drivers[i] = names[i];
        text_addf(&text, "k/m%u.ko:", i);
        for (unsigned j = 0; j < 5; j++)
            text_addf(&text, " k/d%u_%u.ko", i, j);
        text_add(&text, "\n");
    }
    refuse(&wish, text_string(&text), "too large");
}

/* The list of the real profile names each module once, and each request that stage 1 makes. */
static void test_slot_wish(void **state)
{
    static const char *const words[] = { INITRD_REQUEST_EFI, INITRD_REQUEST_SLOT,
                                         INITRD_REQUEST_WATCHDOG, INITRD_REQUEST_PRETIMEOUT };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t found = 0;

        for (size_t j = 0; j < PLAN_REQUESTS_MAX; j++)
            found +=
                plan_slot.requests[j].word && strcmp(plan_slot.requests[j].word, words[i]) == 0;
        assert_int_equal(found, 1);
    }
    for (size_t i = 0; i < PLAN_DRIVERS_MAX && plan_slot.drivers[i]; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(plan_slot.drivers[i], plan_slot.drivers[j]);
    }
}

static void test_out_of_memory(void **state)
{
    const struct plan_wish wish = { .requests = { { NULL, { "erofs" } } },
                                    .drivers = { "virtio_blk" } };
    bool failed = true;

    (void)state;
    for (size_t n = 1; failed; n++) {
        struct plan plan = PLAN_INIT;
        struct failure f = FAILURE_NONE;
        int r;

        test_heap_fail_at(n);
        r = plan_make(&wish, dep, alias, builtin, &plan, &f);
        failed = test_heap_has_failed();
        test_heap_fail_at(0);
        if (failed != (r < 0))
            fail_msg("allocation %zu: %d", n, r);
        plan_done(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dependencies_first),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_drivers),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_slot_wish),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
