#include "image/publish.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "trust/minisign.h"
#include "sys/test_folder.h"
#include "sys/file.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define FOLDER "out/broch-v0.1.0-node-x86_64"

enum { DATE = 1795206090 };

/* What the steps of a made-up build leave. */
struct output {
    const char *name, *content;
};
static const struct output kernel_outputs[] = { { "vmlinuz", "kernel" }, { "release", "6.12" } };
static const struct output system_outputs[] = { { "system.erofs", "system" },
                                                { "verity.root", HASH_A "\n" } };
static const struct output initrd_outputs[] = { { "initrd", "initrd" }, { "cmdline", "quiet" } };
static const struct output uki_outputs[] = {
    { "linux.efi", "uki" },
    { "pcr.json", "{\"stub\":\"" HASH_A "\",\"enter-initrd\":\"" HASH_1 "\"}\n" }
};
static const struct output disk_outputs[] = { { "disk.raw", "raw" }, { "disk.qcow2", "qcow2" } };
static const struct output sbom_outputs[] = { { "sbom.spdx.json", "spdx" },
                                              { "sbom.cdx.json", "cdx" },
                                              { "provenance.json", "provenance" } };

struct outputs {
    const struct output *list;
    size_t count;
};
#define OUTPUTS(list)                                                                              \
    &(const struct outputs)                                                                        \
    {                                                                                              \
        list, ARRAY_SIZE(list)                                                                     \
    }

static struct progress progress;
static const struct step_shared shared = { .profile = "node", .progress = &progress };
static const struct build_request request = { .source = "." };

static int run(const char *folder, void *context, struct failure *f)
{
    const struct outputs *outputs = context;

    for (size_t i = 0; i < outputs->count; i++) {
        const struct output *output = &outputs->list[i];
        _cleanup_free_ char *path = text_make("%s/%s", folder, output->name);
        int r = file_write(path, output->content, strlen(output->content), 0644, f);

        if (r < 0)
            return r;
    }
    return 0;
}

static void do_step(struct step *step, const char *name, const struct outputs *outputs)
{
    struct failure f = FAILURE_NONE;

    step_init(step, name);
    for (size_t i = 0; i < outputs->count; i++)
        step_input_text(step, outputs->list[i].name, outputs->list[i].content);
    assert_int_equal(step_do(step, &shared, run, (void *)(uintptr_t)outputs, &f), 0);
}

static void make_build(struct build *build)
{
    struct failure f = FAILURE_NONE;

    *build = (struct build){ .request = &request, .unlocked = true };
    build->profile.name = strdup("node");
    build->profile.epoch = 3;
    build->version = strdup("v0.1.0");
    build->generation = strdup("v0.1.0-node-x86_64");
    build->supply.lock.date = DATE;
    build->supply.digest = digest_bytes("lock", 4);
    assert_int_equal(keys_open("keys", &build->keys, &f), 0);
    do_step(&build->kernel, "kernel", OUTPUTS(kernel_outputs));
    do_step(&build->system, "system", OUTPUTS(system_outputs));
    do_step(&build->initrd, "initrd", OUTPUTS(initrd_outputs));
    do_step(&build->uki, "uki", OUTPUTS(uki_outputs));
    do_step(&build->disk, "disk", OUTPUTS(disk_outputs));
    do_step(&build->sbom, "sbom", OUTPUTS(sbom_outputs));
}

static void drop_build(struct build *build)
{
    struct step *const steps[] = { &build->kernel, &build->system, &build->initrd,
                                   &build->uki,    &build->disk,   &build->sbom };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        step_done(steps[i]);
    keys_done(&build->keys);
    free(build->profile.name);
    free(build->version);
    free(build->generation);
}

static int enter(void **state)
{
    struct failure f = FAILURE_NONE;

    progress_start(&progress, -1, true);
    return test_folder_enter(state) < 0 ? -1 : keys_init("keys", true, DATE, &f);
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree("out", &f) < 0 ? -1 : file_remove_tree("cache", &f);
}

static int publish_once(struct failure *f)
{
    _cleanup_free_ char *folder = NULL;
    struct build build;
    int r;

    make_build(&build);
    r = publish(&build, &folder, f);
    assert_true(r < 0 || strcmp(folder, "./" FOLDER) == 0);
    drop_build(&build);
    return r;
}

static void test_manifest(void **state)
{
    _cleanup_free_ char *text = NULL, *signature = NULL, *public = NULL;
    char comment[MINISIGN_COMMENT_MAX], digits[DIGEST_TEXT_SIZE];
    struct failure f = FAILURE_NONE;
    struct manifest m;

    (void)state;
    assert_int_equal(publish_once(&f), 0);
    text = test_folder_read(FOLDER "/generation.json");
    signature = test_folder_read(FOLDER "/generation.json.minisig");
    public = test_folder_read(FOLDER "/release.pub");
    assert_int_equal(minisign_verify(text, strlen(text), signature, public, comment, &f), 0);
    assert_string_equal(comment, "timestamp:1795206090\tfile:generation.json\t"
                                 "broch:v0.1.0-node-x86_64");
    assert_int_equal(manifest_parse("g", (const uint8_t *)text, strlen(text), &m, &f), 0);
    assert_string_equal(m.channel, "development");
    assert_string_equal(m.kernel, "6.12");
    assert_string_equal(m.cmdline, "quiet");
    assert_string_equal(digest_text(&m.verity_root, digits), HASH_A);
    assert_string_equal(digest_text(&m.pcr11_stub, digits), HASH_A);
    assert_string_equal(digest_text(&m.pcr11_enter_initrd, digits), HASH_1);
    assert_true(m.unlocked);
    assert_int_equal(m.epoch, 3);
    assert_int_equal(m.file_count, 9);
    for (size_t i = 0; i < m.file_count; i++) {
        _cleanup_free_ char *path = text_make(FOLDER "/%s", m.files[i].name);
        struct digest digest;
        struct stat status;

        assert_int_equal(digest_file(path, &digest, &f), 0);
        assert_memory_equal(&digest, &m.files[i].digest, sizeof(digest));
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_size, m.files[i].size);
        assert_int_equal(status.st_mode & 0777, 0444);
        assert_int_equal(status.st_nlink, 2); /* the cache's own file */
    }
}

/* SHA256SUMS covers everything that is signed, and the signature. */
static void test_sums(void **state)
{
    static const char *const names[] = { "linux.efi",
                                         "system.erofs",
                                         "vmlinuz",
                                         "initrd",
                                         "disk.raw",
                                         "disk.qcow2",
                                         "sbom.spdx.json",
                                         "sbom.cdx.json",
                                         "provenance.json",
                                         "generation.json",
                                         "generation.json.minisig" };
    _cleanup_free_ char *sums = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(publish_once(&f), 0);
    sums = test_folder_read(FOLDER "/SHA256SUMS");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make(FOLDER "/%s", names[i]), *line = NULL;
        char digits[DIGEST_TEXT_SIZE];
        struct digest digest;

        assert_int_equal(digest_file(path, &digest, &f), 0);
        line = text_make("%s  %s\n", digest_text(&digest, digits), names[i]);
        assert_non_null(strstr(sums, line));
    }
}

static int refuse_private(const char *folder, const char *name, void *context, struct failure *f)
{
    size_t length = strlen(name);

    (void)folder;
    (void)context;
    (void)f;
    return length > 4 && strcmp(name + length - 4, ".key") == 0 ? -EPERM : 0;
}

static void test_no_private_key(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(publish_once(&f), 0);
    assert_int_equal(file_list(FOLDER, refuse_private, NULL, &f), 0);
    assert_int_equal(file_list(FOLDER "/keys", refuse_private, NULL, &f), 0);
    assert_int_equal(test_folder_count(FOLDER "/keys"), 5);
}

static void test_again(void **state)
{
    _cleanup_free_ char *first = NULL, *second = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(publish_once(&f), 0);
    first = test_folder_read(FOLDER "/generation.json.minisig");
    assert_int_equal(unlink(FOLDER "/initrd"), 0);
    test_folder_write(FOLDER "/initrd", "somebody else's");
    assert_int_equal(publish_once(&f), 0);
    second = test_folder_read(FOLDER "/generation.json.minisig");
    assert_string_equal(first, second); /* the same bytes, signature included */
}

/* Whatever fails on the way, there is no manifest in the folder that does not fit what lies there.
 */
static void test_failures(void **state)
{
    static const struct {
        const char *occupied; /* a folder stands in this file's place */

    } cases[] = {
        { "initrd" },
        { "keys/PK.crt" },
        { "release.pub" },
        { "SHA256SUMS" },
        { "generation.json.minisig" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *path = text_make(FOLDER "/%s", cases[i].occupied);
        struct failure f = FAILURE_NONE;

        assert_int_equal(publish_once(&f), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_true(publish_once(&f) < 0);
        assert_int_equal(f.code, CODE_IO);
        assert_false(file_exists(FOLDER "/generation.json"));
        assert_int_equal(rmdir(path), 0);
    }
}

/* The prediction and the hashes come from files: a damaged one is a failure, not an empty field. */
static void test_damaged_results(void **state)
{
    static const struct {
        size_t step; /* 0: system, 1: uki */
        const char *name;
        const char *content;
    } cases[] = {
        { 0, "verity.root", "" },
        { 0, "verity.root", HASH_A "0\n" },
        { 1, "pcr.json", "{}" },
        { 1, "pcr.json", "{\"stub\":\"" HASH_A "\"}" },
        { 1, "pcr.json", "{\"stub\":\"\"" },
        { 1, "pcr.json", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *path = NULL, *folder = NULL;
        struct failure f = FAILURE_NONE;
        struct build build;

        make_build(&build);
        path = step_path(cases[i].step == 0 ? &build.system : &build.uki, cases[i].name);
        test_folder_write(path, cases[i].content);
        assert_int_equal(publish(&build, &folder, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_STEP_FAILED);
        assert_false(file_exists(FOLDER "/generation.json"));
        drop_build(&build);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_manifest, reset),
        cmocka_unit_test_setup(test_sums, reset),
        cmocka_unit_test_setup(test_no_private_key, reset),
        cmocka_unit_test_setup(test_again, reset),
        cmocka_unit_test_setup(test_failures, reset),
        cmocka_unit_test_setup(test_damaged_results, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
