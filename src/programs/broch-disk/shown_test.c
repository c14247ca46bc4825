#include "programs/broch-disk/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define PCR  "0000000000000000000000000000000000000000000000000000000000000000"

static const struct shown plain = {
    .state = { .open = true,
               .route = "tpm",
               .uuid = UUID,
               .device = "dm-1",
               .partition = "/dev/vda3" },
    .slots = { .tpm = 1, .recovery = 1 },
    .sealed = { .count = 1, .ways = { { .now = true } }, .has_epoch = true, .epoch = 2 },
    .epoch = 3,
};

static void test_table(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    shown_add_table(&plain, &t);
    assert_string_equal(
        text_string(&t),
        "disk          dm-1 on /dev/vda3, " UUID "\n"
        "opened by     the TPM\n"
        "TPM           1 way\n"
        "  for PCR 7   " PCR ", which it is\n"
        "epoch         2 in the TPM, 3 of this generation\n"
        "recovery key  unconfirmed: type it back with 'broch recovery verify'\n"
        "bound to      this TPM, Secure Boot's keys, boot files that were signed for it, and an "
        "epoch\n"
        "a thief       of the whole machine starts it as it is, and gets no further than its "
        "login; "
        "of the disk alone reads nothing\n"
        "would break   a cleared or exchanged TPM, Secure Boot off or with other keys, another "
        "main "
        "board: then the recovery key opens it\n");
}

static void test_json(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    shown_add_json(&plain, &t);
    assert_string_equal(text_string(&t),
                        "{\"schema\":1,\"state\":\"open\",\"uuid\":\"" UUID
                        "\",\"device\":\"dm-1\","
                        "\"partition\":\"/dev/vda3\",\"route\":\"tpm\",\"refusal\":null,"
                        "\"unowned\":null,\"keyslots\":{\"tpm\":1,\"recovery\":1,\"other\":0},"
                        "\"recovery\":\"unconfirmed\","
                        "\"tpm\":[{\"pcr7\":\"" PCR "\",\"now\":true}],"
                        "\"epoch\":{\"tpm\":2,\"generation\":3},"
                        "\"bound\":[\"tpm\",\"secure-boot-keys\",\"signed-boot-file\",\"epoch\"],"
                        "\"thief\":\"login\",\"would_break\":[\"tpm-cleared\",\"tpm-exchanged\","
                        "\"secure-boot-off\",\"secure-boot-keys-changed\"],\"requests\":[]}\n");
}

/* No way by the TPM, keys that are not ours, a confirmed key: what is said of each. */
static void test_other_states(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct shown s = plain;

    (void)state;
    s.state.confirmed = true;
    s.slots = (struct volume_slots){ .recovery = 1, .other = 2 };
    s.sealed = (struct sealed){ .count = 0 };
    (void)snprintf(s.state.route, sizeof(s.state.route), "recovery");
    (void)snprintf(s.state.refusal, sizeof(s.state.refusal), "BR-UNSEAL-TPM");
    shown_add_table(&s, &t);
    assert_non_null(strstr(text_string(&t), "opened by     the recovery key\n"
                                            "TPM refused   BR-UNSEAL-TPM\n"
                                            "TPM           0 ways\n"
                                            "recovery key  confirmed\n"
                                            "other keys    2, which Broch did not make\n"
                                            "a thief       reads nothing without"));
    text_clear(&t);
    shown_add_json(&s, &t);
    assert_non_null(strstr(text_string(&t), "\"refusal\":\"BR-UNSEAL-TPM\""));
    assert_non_null(strstr(text_string(&t), "\"tpm\":[],\"epoch\":{\"tpm\":null,"));
    assert_non_null(strstr(text_string(&t), "\"bound\":[],\"thief\":\"nothing\""));
}

/* The TPM opens the disk, and somebody else owns it. */
static void test_unowned(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct shown s = plain;

    (void)state;
    (void)snprintf(s.state.unowned, sizeof(s.state.unowned), "BR-TPM-OWNED");
    shown_add_table(&s, &t);
    assert_non_null(strstr(text_string(&t), "not owned     BR-TPM-OWNED: "));
    text_clear(&t);
    shown_add_json(&s, &t);
    assert_non_null(strstr(text_string(&t), "\"unowned\":\"BR-TPM-OWNED\""));
}

static void test_requests(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const struct failure why = { .code = CODE_TPM_COMMAND, .cause = -1, .text = "no \"answer\"" };
    struct shown s = plain;

    (void)state;
    s.asked[REQUEST_EPOCH].waits = s.asked[REQUEST_ENROLL].ended = s.asked[REQUEST_WIPE].ended =
        true;
    assert_int_equal(request_make("epoch", "3", &s.asked[REQUEST_EPOCH].request), 0);
    request_end(&(struct request){ .kind = REQUEST_ENROLL }, "v1", &why,
                &s.asked[REQUEST_ENROLL].result);
    request_end(&(struct request){ .kind = REQUEST_WIPE }, "v1", NULL,
                &s.asked[REQUEST_WIPE].result);
    shown_add_table(&s, &t);
    assert_non_null(strstr(text_string(&t),
                           "last asked    wipe: done by v1\n"
                           "asked for     epoch 3, at the next start\n"
                           "last asked    enroll: refused by v1, BR-TPM-COMMAND: no \"answer\"\n"));
    text_clear(&t);
    shown_add_json(&s, &t);
    assert_non_null(strstr(
        text_string(&t),
        "\"requests\":[{\"kind\":\"wipe\",\"waits\":false,\"last\":{\"result\":\"done\",\"code\":"
        "null,"
        "\"generation\":\"v1\",\"text\":null}},{\"kind\":\"epoch\",\"waits\":true,\"last\":null},"
        "{\"kind\":\"enroll\",\"waits\":false,\"last\":{\"result\":\"refused\","
        "\"code\":\"BR-TPM-COMMAND\",\"generation\":\"v1\",\"text\":\"no \\\"answer\\\"\"}}]}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_json),
                                        cmocka_unit_test(test_other_states),
                                        cmocka_unit_test(test_unowned),
                                        cmocka_unit_test(test_requests) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
