#include "image/release.h"

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
#include "sys/file.h"
#include "sys/spawn.h"
#include "sys/test_folder.h"
#include "trust/latest.h"
#include "trust/minisign.h"
#include "update/archive.h"

#define NAME "v0.2.0-node-x86_64"
#define MADE "made/broch-" NAME
#define HEAD "broch latest 1\n"

enum { DATE = 1795206090 };

static struct manifest_file make_file(const char *name, const char *content)
{
    struct manifest_file file = { .size = strlen(content),
                                  .digest = digest_bytes(content, strlen(content)) };

    (void)snprintf(file.name, sizeof(file.name), "%s", name);
    return file;
}

static struct manifest make_manifest(const char *version)
{
    struct manifest m = { .channel = "development",
                          .kernel = "6.12",
                          .cmdline = "quiet",
                          .profile = "node",
                          .arch = "x86_64",
                          .date = DATE,
                          .epoch = 1 };

    (void)snprintf(m.version, sizeof(m.version), "%s", version);
    (void)snprintf(m.name, sizeof(m.name), "%s-node-x86_64", version);
    m.files[m.file_count++] = make_file("linux.efi", "boot file");
    m.files[m.file_count++] = make_file("system.erofs", "system image");
    m.files[m.file_count++] = make_file("initrd", "not part of a release");
    return m;
}

static int enter(void **state)
{
    _cleanup_free_ char *signature = NULL, *public = NULL;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct manifest manifest = make_manifest("v0.2.0");
    struct failure f = FAILURE_NONE;

    if (test_folder_enter(state) < 0 || minisign_make_keys("r.key", "r.pub", &f) < 0)
        return -1;
    manifest_format(&manifest, &text);
    if (minisign_sign("r.key", text_string(&text), text.length, "c", &signature, &f) < 0)
        return -1;
    test_folder_write(MADE "/generation.json", text_string(&text));
    test_folder_write(MADE "/generation.json.minisig", signature);
    public = test_folder_read("r.pub");
    test_folder_write(MADE "/release.pub", public);
    test_folder_write(MADE "/linux.efi", "boot file");
    test_folder_write(MADE "/system.erofs", "system image");
    return 0;
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree("www", &f);
}

static void check_latest(const char *folder, const char *lines)
{
    _cleanup_free_ char *path = text_make("%s/latest", folder), *text = test_folder_read(path);

    assert_true(strncmp(text, HEAD, strlen(HEAD)) == 0);
    assert_string_equal(text + strlen(HEAD), lines);
}

static char *run_tar(const char *action, const char *member)
{
    const struct arguments arguments = ARGUMENTS("tar", action, "www/broch-" NAME ".broch");
    struct arguments with_member = arguments;
    const struct spawn spawn = { .arguments = &with_member, SPAWN_FDS_NONE };
    struct failure f = FAILURE_NONE;
    char *output = NULL;
    size_t size;

    if (member)
        arguments_add(&with_member, member);
    assert_int_equal(spawn_capture(&spawn, 4096, &output, &size, &f), 0);
    return output;
}

/* Any tar reads it: the host's own says what is in there. */
static void test_one_file(void **state)
{
    _cleanup_free_ char *file = NULL, *again = NULL, *listing = NULL, *content = NULL;
    struct failure f = FAILURE_NONE;
    struct digest first, second;

    (void)state;
    assert_int_equal(release_make(MADE, "www", &file, &f), 0);
    assert_string_equal(file, "www/broch-" NAME ".broch");
    listing = run_tar("-tvf", NULL);
    for (unsigned i = 0; i < ARCHIVE_MEMBER_MAX_; i++)
        assert_non_null(strstr(listing, archive_member_name((enum archive_member)i)));
    assert_null(strstr(listing, "initrd"));
    content = run_tar("-xOf", "system.erofs");
    assert_string_equal(content, "system image");
    assert_int_equal(digest_file(file, &first, &f), 0);
    assert_int_equal(release_make(MADE, "www", &again, &f), 0);
    assert_int_equal(digest_file(again, &second, &f), 0);
    assert_memory_equal(&first, &second, sizeof(first));
}

static void test_folder(void **state)
{
    _cleanup_free_ char *file = NULL, *system_image = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(release_make(MADE, "www", &file, &f), 0);
    check_latest("www", "node x86_64 v0.2.0\n");
    assert_int_equal(test_folder_count("www"), 3);
    assert_int_equal(test_folder_count("www/broch-" NAME), ARCHIVE_MEMBER_MAX_);
    system_image = test_folder_read("www/broch-" NAME "/system.erofs");
    assert_string_equal(system_image, "system image");
}

/* Where it lies already, nothing is moved. */
static void test_in_place(void **state)
{
    _cleanup_free_ char *file = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(release_make(MADE, "made", &file, &f), 0);
    assert_string_equal(file, "made/broch-" NAME ".broch");
    check_latest("made", "node x86_64 v0.2.0\n");
    assert_int_equal(test_folder_count(MADE), 5);
}

static void test_refused(void **state)
{
    static const struct {
        const char *path, *content;
        enum code code;
    } cases[] = {
        { MADE "/linux.efi", "boot filf", CODE_MANIFEST },
        { MADE "/linux.efi", "boot file and more", CODE_MANIFEST },
        { MADE "/system.erofs", "", CODE_MANIFEST },
        { MADE "/generation.json", "{}", CODE_SIGNATURE },
        { MADE "/generation.json.minisig", "none", CODE_SIGNATURE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *former = test_folder_read(cases[i].path), *file = NULL;
        struct failure f = FAILURE_NONE;

        test_folder_write(cases[i].path, cases[i].content);
        assert_true(release_make(MADE, "www", &file, &f) < 0);
        assert_int_equal(f.code, cases[i].code);
        assert_null(file);
        assert_int_equal(test_folder_count("www"), 0);
        test_folder_write(cases[i].path, former);
    }
}

static void enter_version(const char *version)
{
    struct manifest manifest = make_manifest(version);
    struct failure f = FAILURE_NONE;

    assert_int_equal(release_enter("www", &manifest, &f), 0);
}

/* The newest stands there, as long as it is there. */
static void test_index(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_make_folders("www", &f), 0);
    enter_version("v0.2.0");
    check_latest("www", "node x86_64 v0.2.0\n");
    enter_version("v0.10.0");
    check_latest("www", "node x86_64 v0.10.0\n");
    test_folder_write("www/broch-v0.10.0-node-x86_64/generation.json", "{}");
    enter_version("v0.9.0");
    check_latest("www", "node x86_64 v0.10.0\n");
    assert_int_equal(unlink("www/broch-v0.10.0-node-x86_64/generation.json"), 0);
    enter_version("v0.9.0");
    check_latest("www", "node x86_64 v0.9.0\n");
    test_folder_write("www/latest", "damaged");
    enter_version("v0.9.1");
    check_latest("www", "node x86_64 v0.9.1\n");
}

static void test_bad_names(void **state)
{
    struct manifest manifest = make_manifest("v0.1.0-rc1");
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_make_folders("www", &f), 0);
    assert_int_equal(release_enter("www", &manifest, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_MANIFEST);
    manifest = make_manifest("v0.1.0");
    memset(manifest.profile, 'n', LATEST_WORD_MAX + 1);
    assert_int_equal(release_enter("www", &manifest, &f), -EBADMSG);
    manifest = make_manifest("v0.1.0");
    manifest.profile[0] = '.';
    assert_int_equal(release_enter("www", &manifest, &f), -EBADMSG);
    assert_int_equal(test_folder_count("www"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_file, reset), cmocka_unit_test_setup(test_folder, reset),
        cmocka_unit_test_setup(test_in_place, reset), cmocka_unit_test_setup(test_refused, reset),
        cmocka_unit_test_setup(test_index, reset),    cmocka_unit_test_setup(test_bad_names, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
