#include "update/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/test_folder.h"
#include "sys/test_server.h"

#define GENERATION "broch-v0.2.0-node-x86_64"
#define INDEX      "broch latest 1\nnode x86_64 v0.2.0\n"

static const struct source_kind kind = { "node", "x86_64" };

static const char manifest_text[] = "the manifest";
static const char signature_text[] = "the signature\n";
static const char uki_text[] = "the boot file, which is longer";
static const char image_text[] = "the system image";

static const char *const texts[] = { manifest_text, signature_text, uki_text, image_text };

/* The same members in one file. */
static uint8_t one_file[16 * 1024];
static size_t one_file_size;

static void make_one_file(void)
{
    size_t at = 0;

    for (unsigned i = 0; i < ARCHIVE_MEMBER_MAX_; i++) {
        size_t size = strlen(texts[i]);

        archive_header((enum archive_member)i, size, 1, one_file + at);
        memcpy(one_file + at + ARCHIVE_BLOCK, texts[i], size);
        at += ARCHIVE_BLOCK + size + archive_padding(size);
    }
    one_file_size = at + ARCHIVE_END_SIZE;
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_write(path, bytes, size, 0644, &f), 0);
}

static struct manifest make_manifest(void)
{
    struct manifest m = { .file_count = 2 };

    (void)snprintf(m.files[0].name, MANIFEST_TEXT_MAX, "linux.efi");
    (void)snprintf(m.files[1].name, MANIFEST_TEXT_MAX, "system.erofs");
    m.files[0].size = strlen(uki_text);
    m.files[1].size = strlen(image_text);
    return m;
}

static int collect(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    (void)f;
    text_add_bytes(context, bytes, size);
    return 0;
}

/* Everything that a release has, from there. */
static void check_source(const char *from)
{
    const struct manifest manifest = make_manifest();
    struct source source = SOURCE_INIT;
    struct source_head head;
    struct failure f = FAILURE_NONE;

    if (source_open(from, &kind, &source, &f) < 0 || source_read_head(&source, &head, &f) < 0)
        fail_msg("%s: %s", from, f.text);
    assert_int_equal(head.manifest_size, strlen(manifest_text));
    assert_string_equal((const char *)head.manifest, manifest_text);
    assert_string_equal(head.signature, signature_text);
    source_head_done(&head);
    if (source_check(&source, &manifest, &f) < 0)
        fail_msg("%s: %s", from, f.text);
    for (unsigned i = ARCHIVE_UKI; i <= ARCHIVE_SYSTEM; i++) {
        for (size_t offset = 0; offset < strlen(texts[i]); offset++) {
            _cleanup_text_ struct text got = TEXT_INIT;
            const struct source_part part = { (enum archive_member)i, offset,
                                              strlen(texts[i]) - offset };
            struct range_result result;

            assert_int_equal(source_read(&source, &part, collect, &got, &result, &f), 0);
            assert_string_equal(text_string(&got), texts[i] + offset);
        }
    }
    source_done(&source);
}

static void write_folder(const char *folder)
{
    for (unsigned i = 0; i < ARCHIVE_MEMBER_MAX_; i++) {
        _cleanup_free_ char *path =
            text_make("%s/%s", folder, archive_member_name((enum archive_member)i));

        test_folder_write(path, texts[i]);
    }
}

static void test_paths(void **state)
{
    (void)state;
    write_folder("stick/" GENERATION);
    test_folder_write("stick/latest", INDEX);
    check_source("stick");
    check_source("stick/");
    check_source("stick//");
    check_source("stick/" GENERATION);
    write_bytes("file.broch", one_file, one_file_size);
    check_source("file.broch");
}

static void test_urls(void **state)
{
    static struct test_answer answers[] = {
        { "/r/latest", "200 OK", "Content-Length: 34\r\n", INDEX },
        { "/r/" GENERATION "/generation.json", "200 OK", "", manifest_text },
        { "/r/" GENERATION "/generation.json.minisig", "200 OK", "", signature_text },
        { "/r/" GENERATION "/linux.efi", "200 OK", "", uki_text, .ranges = true },
        { "/r/" GENERATION "/system.erofs", "200 OK", "", image_text },
        { "/parts.broch", "200 OK", "", (const char *)one_file, .ranges = true },
        { "/whole.broch", "200 OK", "", (const char *)one_file },
        { .path = NULL },
    };
    static const char *const paths[] = { "/r", "/r/", ("/r/" GENERATION), "/parts.broch",
                                         "/whole.broch" };
    const char *server;

    (void)state;
    answers[5].size = answers[6].size = one_file_size;
    server = test_server_start(answers);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        _cleanup_free_ char *address = text_make("%s%s", server, paths[i]);

        check_source(address);
    }
    (void)test_server_stop();
}

static int open_source(const char *from, struct failure *f)
{
    struct source source = SOURCE_INIT;
    int r = source_open(from, &kind, &source, f);

    source_done(&source);
    return r;
}

static void test_index(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("other/latest", "broch latest 1\nedge x86_64 v0.2.0\nnode aarch64 v0.2.0\n");
    assert_int_equal(open_source("other", &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_SOURCE);
    assert_string_equal(f.text, "the index has no release of 'node' for x86_64");
    test_folder_write("bad/latest", "broch latest 1\n../../etc x86_64 v0.2.0\n");
    assert_int_equal(open_source("bad", &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SYNTAX);
    assert_int_equal(open_source("ftp://h/x", &f), -EPROTONOSUPPORT);
    assert_int_equal(open_source("file:///etc", &f), -EPROTONOSUPPORT);
}

static void test_nothing_there(void **state)
{
    struct source source = SOURCE_INIT;
    struct source_head head;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(source_open("nowhere", &kind, &source, &f), 0);
    assert_int_equal(source_read_head(&source, &head, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_SOURCE);
    source_done(&source);
}

/* One file that is not whole, or more than that. Wherever it is cut it is refused before a large
 * member would be fetched. */
static int check_bytes(const uint8_t *bytes, size_t size, struct failure *f)
{
    const struct manifest manifest = make_manifest();
    struct source source = SOURCE_INIT;
    struct source_head head;
    int r;

    write_bytes("bad.broch", bytes, size);
    assert_int_equal(source_open("bad.broch", &kind, &source, f), 0);
    r = source_read_head(&source, &head, f);
    if (r == 0) {
        source_head_done(&head);
        r = source_check(&source, &manifest, f);
    }
    source_done(&source);
    return r;
}

static void test_bad_files(void **state)
{
    uint8_t longer[sizeof(one_file)];
    struct failure f = FAILURE_NONE;

    (void)state;
    memcpy(longer, one_file, sizeof(longer));
    assert_int_equal(check_bytes(longer, one_file_size, &f), 0);
    for (size_t size = 0; size < one_file_size; size += 97) {
        assert_true(check_bytes(longer, size, &f) < 0);
        assert_int_equal(f.code, CODE_UPDATE_ARCHIVE);
    }
    assert_true(check_bytes(longer, one_file_size - 1, &f) < 0);
    assert_true(check_bytes(longer, one_file_size + 1, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_ARCHIVE);
    assert_true(check_bytes(longer, one_file_size + 512, &f) < 0);
    /* A header of another member's, and something in the end. */
    longer[3 * ARCHIVE_BLOCK * 2] ^= 1;
    assert_true(check_bytes(longer, one_file_size, &f) < 0);
    memcpy(longer, one_file, sizeof(longer));
    longer[one_file_size - 1] = 1;
    assert_true(check_bytes(longer, one_file_size, &f) < 0);
    assert_int_equal(f.code, CODE_UPDATE_ARCHIVE);
}

static int enter(void **state)
{
    make_one_file();
    return test_folder_enter(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_urls),
        cmocka_unit_test(test_index),     cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_bad_files),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
