#include "update/release.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "trust/minisign.h"

static char *keys; /* of the image */

static const struct release_refusal refusals[] = { { "v0.1.5-node-x86_64", "web was not ready" },
                                                   { "v0.3.0-node-x86_64", "panic" } };

static struct release_machine make_machine(void)
{
    return (struct release_machine){ .keys = keys,
                                     .profile = "node",
                                     .arch = "x86_64",
                                     .version = "v0.2.0",
                                     .epoch = 2,
                                     .refusals = refusals,
                                     .refusal_count = ARRAY_SIZE(refusals) };
}

/* What is offered: everything that may be wrong with it. NULL and 0: what is right. */
struct offer {
    const char *version, *profile, *arch, *name, *key;
    uint64_t epoch;
    unsigned files; /* bit per file */
};

static const char *or_else(const char *given, const char *otherwise)
{
    return given ? given : otherwise;
}

static void make(const struct offer *offer, struct text *ret_manifest, char **ret_signature)
{
    static const char *const names[] = { "linux.efi", "system.erofs" };
    struct manifest m = { .channel = "production",
                          .kernel = "6.12",
                          .cmdline = "quiet",
                          .epoch = offer->epoch ? offer->epoch : 2 };
    const unsigned files = offer->files ? offer->files : 3;
    struct failure f = FAILURE_NONE;

    (void)snprintf(m.version, sizeof(m.version), "%s", or_else(offer->version, "v0.2.1"));
    (void)snprintf(m.profile, sizeof(m.profile), "%s", or_else(offer->profile, "node"));
    (void)snprintf(m.arch, sizeof(m.arch), "%s", or_else(offer->arch, "x86_64"));
    (void)snprintf(m.name, sizeof(m.name), "%.30s-%.30s-%.30s", m.version, m.profile, m.arch);
    if (offer->name)
        (void)snprintf(m.name, sizeof(m.name), "%s", offer->name);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (files & 1u << i) {
            m.files[m.file_count].size = 100;
            (void)snprintf(m.files[m.file_count++].name, MANIFEST_TEXT_MAX, "%s", names[i]);
        }
    }
    manifest_format(&m, ret_manifest);
    assert_int_equal(minisign_sign(or_else(offer->key, "r.key"), text_string(ret_manifest),
                                   ret_manifest->length, "c", ret_signature, &f),
                     0);
}

static int judge(const struct offer *offer, const struct release_machine *machine, bool *believed,
                 struct failure *f)
{
    _cleanup_text_ struct text manifest = TEXT_INIT;
    _cleanup_free_ char *signature = NULL;
    struct manifest found;

    make(offer, &manifest, &signature);
    return release_judge(machine,
                         &(struct release_offer){ (const uint8_t *)text_string(&manifest),
                                                  manifest.length, signature },
                         &found, believed, f);
}

static void test_table(void **state)
{
    static const struct {
        struct offer offer;
        enum code code; /* CODE_MAX_: taken */
        bool believed, forced_too;
    } cases[] = {
        { { .epoch = 0 }, CODE_MAX_, true, true },
        { { .epoch = 3 }, CODE_MAX_, true, true },
        { { .key = "other.key" }, CODE_UPDATE_SIGNATURE, false, false },
        { { .files = 1 }, CODE_UPDATE_FORM, false, false },
        { { .files = 2 }, CODE_UPDATE_FORM, false, false },
        { { .name = "../../etc" }, CODE_UPDATE_FORM, false, false },
        { { .name = "v0.2.1-node" }, CODE_UPDATE_FORM, false, false },
        { { .version = "0.2.1" }, CODE_UPDATE_FORM, false, false },
        { { .profile = "no/de" }, CODE_UPDATE_FORM, false, false },
        { { .profile = ".." }, CODE_UPDATE_FORM, false, false },
        { { .profile = "edge" }, CODE_UPDATE_KIND, true, false },
        { { .arch = "aarch64" }, CODE_UPDATE_KIND, true, false },
        { { .epoch = 1 }, CODE_UPDATE_EPOCH, true, false },
        { { .version = "v0.2.0" }, CODE_UPDATE_NOT_NEWER, true, true },
        { { .version = "v0.1.9" }, CODE_UPDATE_NOT_NEWER, true, true },
        { { .version = "v0.3.0" }, CODE_UPDATE_REFUSED, true, true },
        /* What is wrong first counts. */
        { { .version = "v0.1.5", .epoch = 1, .profile = "edge" }, CODE_UPDATE_KIND, true, false },
        { { .version = "v0.1.5", .epoch = 1 }, CODE_UPDATE_EPOCH, true, false },
        { { .version = "v0.1.5" }, CODE_UPDATE_REFUSED, true, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct release_machine machine = make_machine();
        struct failure f = FAILURE_NONE;
        bool believed;
        int r = judge(&cases[i].offer, &machine, &believed, &f);

        if ((r == 0) != (cases[i].code == CODE_MAX_) || (r < 0 && f.code != cases[i].code) ||
            believed != cases[i].believed)
            fail_msg("case %zu: %d %s", i, r, f.text);
        machine.force = true;
        r = judge(&cases[i].offer, &machine, &believed, &f);
        if ((r == 0) != cases[i].forced_too)
            fail_msg("case %zu forced: %d %s", i, r, f.text);
    }
}

static void test_words(void **state)
{
    const struct offer offer = { .version = "v0.3.0" };
    struct release_machine machine = make_machine();
    struct failure f = FAILURE_NONE;
    bool believed;

    (void)state;
    assert_int_equal(judge(&offer, &machine, &believed, &f), -ECANCELED);
    assert_string_equal(f.text, "v0.3.0-node-x86_64 failed here before: panic");
}

/* No byte of the manifest is read before its signature is right. */
static void test_changed(void **state)
{
    const struct offer offer = { .epoch = 0 };
    const struct release_machine machine = make_machine();
    _cleanup_text_ struct text manifest = TEXT_INIT;
    _cleanup_free_ char *signature = NULL;
    struct manifest found;
    bool believed;

    (void)state;
    make(&offer, &manifest, &signature);
    for (size_t at = 0; at < manifest.length; at++) {
        struct failure f = FAILURE_NONE;

        manifest.data[at] ^= 1;
        assert_true(release_judge(&machine,
                                  &(struct release_offer){ (const uint8_t *)manifest.data,
                                                           manifest.length, signature },
                                  &found, &believed, &f) < 0);
        assert_int_equal(f.code, CODE_UPDATE_SIGNATURE);
        assert_false(believed);
        manifest.data[at] ^= 1;
    }
    for (size_t size = 0; size < manifest.length; size++) {
        struct failure f = FAILURE_NONE;

        assert_true(release_judge(
                        &machine,
                        &(struct release_offer){ (const uint8_t *)manifest.data, size, signature },
                        &found, &believed, &f) < 0);
        assert_int_equal(f.code, CODE_UPDATE_SIGNATURE);
    }
}

/* A release with a manifest of a later form is signed, and still not taken. */
static void test_later_form(void **state)
{
    static const char text[] = "{\n  \"broch\": \"generation\",\n  \"schema\": 2\n}\n";
    const struct release_machine machine = make_machine();
    _cleanup_free_ char *signature = NULL;
    struct failure f = FAILURE_NONE;
    struct manifest found;
    bool believed;

    (void)state;
    assert_int_equal(minisign_sign("r.key", text, strlen(text), "c", &signature, &f), 0);
    assert_true(
        release_judge(&machine,
                      &(struct release_offer){ (const uint8_t *)text, strlen(text), signature },
                      &found, &believed, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_FORM);
}

static int enter(void **state)
{
    struct failure f = FAILURE_NONE;

    if (test_folder_enter(state) < 0 || minisign_make_keys("r.key", "r.pub", &f) < 0 ||
        minisign_make_keys("other.key", "other.pub", &f) < 0)
        return -1;
    keys = test_folder_read("r.pub");
    return 0;
}

static int leave(void **state)
{
    free(keys);
    return test_folder_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_later_form),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
