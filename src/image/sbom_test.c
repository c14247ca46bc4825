#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/test_json.h"
#include "image/sbom.h"

static struct lock_package packages[] = {
    { .name = "libstdc++6", .version = "1:14.2+b1", .arch = "amd64", .digest = { { 1 } } },
};
static const struct lock lock = { .packages = packages, .package_count = 1 };

static struct sbom *make(void)
{
    struct sbom *sbom = calloc(1, sizeof(*sbom));
    const struct digest digest = digest_bytes("x", 1);
    const uint8_t sha1[CONTENTS_SHA1_SIZE] = { 0xab };
    size_t package, own, again;

    assert_non_null(sbom);
    sbom->generation = "v1.0.0-node-x86_64";
    sbom->version = "v1.0.0";
    sbom->date = 1700000000;
    assert_int_equal(sbom_component(sbom, SBOM_DEBIAN, "libstdc++6", &lock, &package), 0);
    assert_int_equal(sbom_component(sbom, SBOM_OWN, "broch", NULL, &own), 0);
    assert_int_equal(sbom_component(sbom, SBOM_DEBIAN, "libstdc++6", &lock, &again), 0);
    assert_int_equal(package, again);
    assert_int_not_equal(package, own);
    sbom->components[package].licence = strdup("LicenseRef-A AND (MIT OR LicenseRef-B)");
    assert_int_equal(sbom_add_file(sbom, "system", "usr/lib/a", package, &digest, sha1), 0);
    assert_int_equal(sbom_add_file(sbom, "initrd", "init", own, &digest, sha1), 0);
    return sbom;
}

static void unmake(struct sbom *sbom)
{
    sbom_done(sbom);
    free(sbom);
}

static void assert_has(const struct text *t, const char *words)
{
    if (!strstr(text_string(t), words))
        fail_msg("no %s in %s", words, text_string(t));
}

static void test_spdx(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct sbom *sbom = make();

    sbom_add_spdx(sbom, &t);
    assert_true(test_json_is_valid(text_string(&t)));
    assert_has(&t, "\"spdxVersion\":\"SPDX-2.3\"");
    assert_has(&t, "\"created\":\"2023-11-14T22:13:20Z\"");
    assert_has(&t, "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2%2Bb1?arch=amd64&distro=debian-13");
    assert_has(&t, "\"fileName\":\"./system/usr/lib/a\"");
    assert_has(&t, "\"licenseId\":\"LicenseRef-A\"");
    assert_has(&t, "\"licenseId\":\"LicenseRef-B\"");
    assert_has(&t, "{\"spdxElementId\":\"SPDXRef-Package-1\",\"relationshipType\":\"CONTAINS\","
                   "\"relatedSpdxElement\":\"SPDXRef-File-1\"}");
    /* SHA-1 of the digits of the only SHA-1. */
    assert_has(&t, "\"packageVerificationCodeValue\":\"");
    unmake(sbom);
}

static void test_cyclonedx(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct sbom *sbom = make();

    sbom_add_cyclonedx(sbom, &t);
    assert_true(test_json_is_valid(text_string(&t)));
    assert_has(&t, "\"specVersion\":\"1.5\"");
    assert_has(&t, "{\"type\":\"file\",\"name\":\"initrd/init\",\"hashes\":[{\"alg\":\"SHA-256\"");
    assert_has(&t, "\"expression\":\"LicenseRef-A AND (MIT OR LicenseRef-B)\"");
    unmake(sbom);
}

/* The same input gives the same bytes, another file another document. */
static void test_identity(void **state)
{
    _cleanup_text_ struct text one = TEXT_INIT, two = TEXT_INIT, three = TEXT_INIT;
    struct sbom *first = make(), *second = make();

    sbom_add_spdx(first, &one);
    sbom_add_spdx(second, &two);
    assert_string_equal(text_string(&one), text_string(&two));
    second->files[0].digest.bytes[0] ^= 1;
    sbom_add_spdx(second, &three);
    assert_memory_not_equal(strstr(text_string(&one), "urn:uuid:"),
                            strstr(text_string(&three), "urn:uuid:"), 45);
    unmake(first);
    unmake(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spdx),
        cmocka_unit_test(test_cyclonedx),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
