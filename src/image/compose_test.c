#include "image/compose.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "trust/digest.h"
#include "sys/test_folder.h"
#include "sys/file.h"

enum { DATE = 1795206090, CONTENT_MAX = 64 };

/* One entry of a packages' root. */
struct entry {
    const char *path;
    char type; /* f, d, l (symbolic link), h (hard link) */
    unsigned mode, owner;
    const char *content; /* or the link's target */
};

static void write_root(const char *path, const struct entry *entries, size_t count)
{
    struct archive *out = archive_write_new();

    assert_int_equal(archive_write_set_format_pax_restricted(out), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(out, path), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        size_t size = entries[i].type == 'f' ? strlen(entries[i].content) : 0;

        archive_entry_set_pathname(entry, entries[i].path);
        archive_entry_set_filetype(entry, entries[i].type == 'd'   ? AE_IFDIR
                                          : entries[i].type == 'l' ? AE_IFLNK
                                                                   : AE_IFREG);
        archive_entry_set_perm(entry, entries[i].mode);
        archive_entry_set_uid(entry, entries[i].owner);
        archive_entry_set_gid(entry, entries[i].owner);
        archive_entry_set_mtime(entry, 12345, 0);
        archive_entry_set_uname(entry, "somebody");
        archive_entry_set_size(entry, (la_int64_t)size);
        if (entries[i].type == 'l')
            archive_entry_set_symlink(entry, entries[i].content);
        if (entries[i].type == 'h')
            archive_entry_set_hardlink(entry, entries[i].content);
        assert_int_equal(archive_write_header(out, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(out, entries[i].content, size), size);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(out), ARCHIVE_OK);
}

/* One line per entry: type, mode, owner, path, content. Every entry has the build's time. */
static char *list(const char *path)
{
    struct archive *in = archive_read_new();
    struct text text = TEXT_INIT;
    struct archive_entry *entry;
    char content[CONTENT_MAX];

    assert_int_equal(archive_read_support_format_tar(in), ARCHIVE_OK);
    assert_int_equal(archive_read_open_filename(in, path, 10240), ARCHIVE_OK);
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        la_ssize_t size = archive_read_data(in, content, sizeof(content));
        const char *link = archive_entry_symlink(entry), *hard = archive_entry_hardlink(entry);

        assert_true(size >= 0);
        assert_int_equal(archive_entry_mtime(entry), DATE);
        text_addf(&text, "%c%03o %u %s",
                  hard                                        ? 'h'
                  : link                                      ? 'l'
                  : archive_entry_filetype(entry) == AE_IFDIR ? 'd'
                                                              : 'f',
                  (unsigned)archive_entry_perm(entry), (unsigned)archive_entry_uid(entry),
                  archive_entry_pathname(entry));
        if (link || hard)
            text_addf(&text, " -> %s", link ? link : hard);
        else if (size > 0)
            text_addf(&text, " %.*s", (int)size, content);
        text_add(&text, "\n");
    }
    assert_int_equal(archive_read_free(in), ARCHIVE_OK);
    return text_take(&text);
}

static const struct entry root[] = {
    { "./", 'd', 0755, 0, "" },
    { "./etc/", 'd', 0750, 7, "" },
    { "./etc/hostname", 'f', 0644, 0, "builder" },
    { "./etc/passwd", 'f', 0644, 0, "root" },
    { "./etc/ssh/", 'd', 0755, 0, "" },
    { "./etc/ssh/ssh_host_rsa_key", 'f', 0600, 0, "secret" },
    { "./bin", 'l', 0777, 0, "usr/bin" },
    { "./usr/", 'd', 0755, 0, "" },
    { "./usr/bin/", 'd', 0755, 0, "" },
    { "./usr/bin/ping", 'f', 04755, 0, "ping" },
    { "./usr/bin/ping6", 'h', 04755, 0, "./usr/bin/ping" },
    { "./usr/share/", 'd', 0755, 0, "" },
    { "./usr/share/old/", 'd', 0755, 0, "" },
    { "./usr/share/old/file", 'f', 0644, 0, "old" },
};

static int compose_root(struct compose *compose, const char *tar, struct failure *f)
{
    write_root("root.tar", root, ARRAY_SIZE(root));
    return compose_write(compose, "root.tar", tar, f);
}

static void test_without_layers(void **state)
{
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(compose_root(compose, "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "d755 0 ./\n"
                               "d750 7 ./etc/\n"
                               "f644 0 ./etc/passwd root\n"
                               "d755 0 ./etc/ssh/\n"
                               "l777 0 ./bin -> usr/bin\n"
                               "d755 0 ./usr/\n"
                               "d755 0 ./usr/bin/\n"
                               "f4755 0 ./usr/bin/ping ping\n"
                               "h4755 0 ./usr/bin/ping6 -> ./usr/bin/ping\n"
                               "d755 0 ./usr/share/\n"
                               "d755 0 ./usr/share/old/\n"
                               "f644 0 ./usr/share/old/file old\n");
    compose_free(compose);
}

static void make_layers(void)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_remove_tree("one", &f), 0);
    assert_int_equal(file_remove_tree("two", &f), 0);
    test_folder_write("one/etc/passwd", "one");
    test_folder_write("one/etc/only-one", "one");
    test_folder_write("one/usr/bin/tool", "tool");
    assert_int_equal(chmod("one/usr/bin/tool", 0700), 0);
    test_folder_write("two/etc/passwd", "two");
    test_folder_write("two/opt/x/y", "deep");
    assert_int_equal(chmod("two/opt/x/y", 0600), 0);
    assert_int_equal(symlink("/elsewhere", "two/usr-link"), 0);
}

static void test_layers(void **state)
{
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_layers();
    assert_int_equal(compose_add_folder(compose, "one", "", &f), 0);
    assert_int_equal(compose_add_folder(compose, "two", "", &f), 0);
    assert_int_equal(compose_add_file(compose, "usr/share/old", "now a file", 10, &f), 0);
    assert_int_equal(compose_root(compose, "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "d755 0 ./\n"
                               "d750 7 ./etc/\n" /* the packages' owner and mode */
                               "d755 0 ./etc/ssh/\n"
                               "l777 0 ./bin -> usr/bin\n"
                               "d755 0 ./usr/\n"
                               "d755 0 ./usr/bin/\n"
                               "f4755 0 ./usr/bin/ping ping\n"
                               "h4755 0 ./usr/bin/ping6 -> ./usr/bin/ping\n"
                               "d755 0 ./usr/share/\n"
                               "f644 0 ./etc/only-one one\n"
                               "f644 0 ./etc/passwd two\n"
                               "d755 0 ./opt/\n"
                               "d755 0 ./opt/x/\n"
                               "f644 0 ./opt/x/y deep\n"
                               "l777 0 ./usr-link -> /elsewhere\n"
                               "f755 0 ./usr/bin/tool tool\n"
                               "f644 0 ./usr/share/old now a file\n");
    compose_free(compose);
}

static void test_target(void **state)
{
    static const struct entry empty[] = { { "./", 'd', 0755, 0, "" } };
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_layers();
    write_root("root.tar", empty, ARRAY_SIZE(empty));
    assert_int_equal(compose_add_folder(compose, "one/etc", "usr/share/x", &f), 0);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "d755 0 ./\n"
                               "f644 0 ./usr/share/x/only-one one\n"
                               "f644 0 ./usr/share/x/passwd one\n");
    compose_free(compose);
}

/* Among the layers too, a file in the place of a folder hides what is below it. */
static void test_layer_over_folder(void **state)
{
    static const struct entry empty[] = { { "./", 'd', 0755, 0, "" } };
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", empty, ARRAY_SIZE(empty));
    test_folder_write("three/a/b/c", "below");
    test_folder_write("three/a-b", "neighbour");
    assert_int_equal(compose_add_folder(compose, "three", "", &f), 0);
    assert_int_equal(compose_add_file(compose, "a", "file", 4, &f), 0);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "d755 0 ./\n"
                               "f644 0 ./a file\n"
                               "f644 0 ./a-b neighbour\n");
    compose_free(compose);
}

/* bin -> usr/bin: a folder in its place would take every program away. */
static void test_folder_over_link(void **state)
{
    struct compose *compose = compose_make(DATE);
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("four/bin/tool", "tool");
    assert_int_equal(compose_add_folder(compose, "four", "", &f), 0);
    assert_int_equal(compose_root(compose, "out.tar", &f), -EEXIST);
    assert_int_equal(f.code, CODE_SCHEMA);
    assert_non_null(strstr(f.text, "'bin' is a link"));
    compose_free(compose);
}

static void test_hard_links(void **state)
{
    static const struct entry dangling[] = { { "./etc/hostname", 'f', 0644, 0, "x" },
                                             { "./etc/copy", 'h', 0644, 0, "./etc/hostname" } };
    struct failure f = FAILURE_NONE;
    struct compose *compose = compose_make(DATE);

    (void)state;
    /* ping6 would become another name of nothing. */
    assert_int_equal(compose_add_file(compose, "usr/bin/ping", "ours", 4, &f), 0);
    assert_int_equal(compose_root(compose, "out.tar", &f), -ENOENT);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    assert_non_null(strstr(f.text, "'usr/bin/ping6'"));
    compose_free(compose);
    compose = compose_make(DATE);
    write_root("root.tar", dangling, ARRAY_SIZE(dangling));
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), -ENOENT);
    compose_free(compose);
}

/* --- Rewriting --- */

static int shout(const struct compose_file *file, void *context, struct text *ret,
                 struct failure *f)
{
    if (context)
        return failure_set(f, CODE_SCHEMA, -EINVAL, "refused '%s'", file->path);
    text_addf(ret, "<%.*s>", (int)file->size, (const char *)file->bytes);
    return 0;
}

static const struct entry shadow_root[] = { { "./etc/", 'd', 0755, 0, "" },
                                            { "./etc/shadow", 'f', 0640, 42, "root:x" },
                                            { "./etc/shadow.in", 'f', 0644, 0, "a package's" } };

static void test_rewrite(void **state)
{
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", shadow_root, ARRAY_SIZE(shadow_root));
    test_folder_write("five/etc/issue.in", "welcome");
    test_folder_write("five/etc/.in", "no name left");
    test_folder_write("five/etc/plain", "plain");
    assert_int_equal(compose_add_folder(compose, "five", "", &f), 0);
    compose_set_rewrite(compose, shout, NULL);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "d755 0 ./etc/\n"
                               "f640 42 ./etc/shadow <root:x>\n"
                               "f644 0 ./etc/shadow.in a package's\n"
                               "f644 0 ./etc/.in no name left\n"
                               "f644 0 ./etc/issue <welcome>\n"
                               "f644 0 ./etc/plain plain\n");
    compose_free(compose);
}

/* An overlay's shadow is no way around the rules for passwords. */
static void test_rewrite_shadow_of_layer(void **state)
{
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", shadow_root, ARRAY_SIZE(shadow_root));
    assert_int_equal(compose_add_file(compose, "etc/shadow", "overlay", 7, &f), 0);
    compose_set_rewrite(compose, shout, NULL);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    found = list("out.tar");
    assert_non_null(strstr(found, "./etc/shadow <overlay>\n"));
    compose_free(compose);
}

static void test_rewrite_fails(void **state)
{
    struct compose *compose = compose_make(DATE);
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", shadow_root, ARRAY_SIZE(shadow_root));
    compose_set_rewrite(compose, shout, compose);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), -EINVAL);
    assert_string_equal(f.text, "refused 'etc/shadow'");
    compose_free(compose);
}

static void test_rewrite_large(void **state)
{
    struct compose *compose = compose_make(DATE);
    char *large = calloc(1, (1 << 20) + 2);
    struct entry entries[] = { { "./etc/shadow", 'f', 0640, 42, large },
                               { "./etc/shadow", 'l', 0777, 0, "elsewhere" } };
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', (1 << 20) + 1);
    compose_set_rewrite(compose, shout, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        write_root("root.tar", &entries[i], 1);
        assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), -ERANGE);
        assert_non_null(strstr(f.text, "etc/shadow"));
    }
    compose_free(compose);
    free(large);
}

/* --- Failures and determinism --- */

static void test_order(void **state)
{
    static const char *const names[] = { "b", "a", "c/d", "c/a", "c-", "e" };
    struct digest first = { .bytes = { 0 } };

    (void)state;
    for (size_t shift = 0; shift < ARRAY_SIZE(names); shift++) {
        struct compose *compose = compose_make(DATE);
        struct failure f = FAILURE_NONE;
        struct digest digest;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            const char *name = names[(i + shift) % ARRAY_SIZE(names)];

            assert_int_equal(compose_add_file(compose, name, name, strlen(name), &f), 0);
        }
        assert_int_equal(compose_root(compose, "out.tar", &f), 0);
        assert_int_equal(digest_file("out.tar", &digest, &f), 0);
        if (shift == 0)
            first = digest;
        assert_memory_equal(&digest, &first, sizeof(digest));
        compose_free(compose);
    }
}

static void test_watch(void **state)
{
    static const struct entry old_root[] = {
        { "./usr/bin/old", 'f', 0755, 0, "x" },
        { "./usr/bin/hidden", 'f', 0755, 0, "x" },
        { "./usr/bin/data", 'f', 0644, 0, "x" },
        { "./usr/bin/link", 'l', 0777, 0, "old" },
    };
    static const char *const paths[] = { "usr/bin/old",  "usr/bin/link",   "usr/bin/new",
                                         "usr/bin/data", "usr/bin/hidden", "usr/bin/none" };
    bool found[ARRAY_SIZE(paths)] = { false };
    struct compose *compose = compose_make(DATE);
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", old_root, ARRAY_SIZE(old_root));
    test_folder_write("watched/usr/bin/new", "x");
    test_folder_write("watched/usr/bin/hidden", "no program any more");
    assert_int_equal(chmod("watched/usr/bin/new", 0755), 0);
    assert_int_equal(compose_add_folder(compose, "watched", "", &f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_int_equal(compose_watch(compose, paths[i], &found[i], &f), 0);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    compose_free(compose);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_int_equal(found[i], i < 3);
}

static uint32_t add_thousand(uint32_t id, bool is_group, const void *context)
{
    return id == *(const uint32_t *)context ? id + (is_group ? 2000 : 1000) : id;
}

static void test_owner(void **state)
{
    static const struct entry owned[] = {
        { "./usr/bin/mine", 'f', 02755, 7, "x" },
        { "./usr/bin/other", 'f', 0755, 8, "x" },
    };
    static const uint32_t who = 7;
    struct compose *compose = compose_make(DATE);
    struct failure f = FAILURE_NONE;
    struct archive *in = archive_read_new();
    struct archive_entry *entry;

    (void)state;
    write_root("root.tar", owned, ARRAY_SIZE(owned));
    compose_set_owner(compose, add_thousand, &who);
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    compose_free(compose);
    assert_int_equal(archive_read_support_format_tar(in), ARCHIVE_OK);
    assert_int_equal(archive_read_open_filename(in, "out.tar", 10240), ARCHIVE_OK);
    assert_int_equal(archive_read_next_header(in, &entry), ARCHIVE_OK);
    assert_int_equal(archive_entry_uid(entry), 1007);
    assert_int_equal(archive_entry_gid(entry), 2007);
    assert_int_equal(archive_entry_perm(entry), 02755);
    assert_int_equal(archive_read_next_header(in, &entry), ARCHIVE_OK);
    assert_int_equal(archive_entry_uid(entry), 8);
    assert_int_equal(archive_read_free(in), ARCHIVE_OK);
}

static void test_read_root(void **state)
{
    static const struct entry files[] = {
        { "./etc/passwd", 'f', 0644, 0, "root:x:0:0\n" },
        { "./etc/link", 'l', 0777, 0, "passwd" },
    };
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    write_root("root.tar", files, ARRAY_SIZE(files));
    assert_int_equal(compose_read_root("root.tar", "etc/passwd", &text, &f), 0);
    assert_string_equal(text_string(&text), "root:x:0:0\n");
    assert_int_equal(compose_read_root("root.tar", "etc/group", &text, &f), -ENOENT);
    assert_int_equal(compose_read_root("root.tar", "etc/link", &text, &f), -ERANGE);
    assert_true(compose_read_root("none.tar", "etc/passwd", &text, &f) < 0);
}

static void test_failures(void **state)
{
    static const char *const bad[] = { "", "no tar at all, but long enough to be looked at twice" };
    struct compose *compose = compose_make(DATE);
    struct failure f = FAILURE_NONE;

    (void)state;
    compose_free(NULL);
    assert_int_equal(compose_add_folder(compose, "missing", "", &f), -ENOENT);
    assert_int_equal(compose_write(compose, "missing.tar", "out.tar", &f), -ENOENT);
    assert_true(compose_root(compose, "no/such/folder.tar", &f) < 0);
    test_folder_write("bad.tar", bad[1]);
    assert_true(compose_write(compose, "bad.tar", "out.tar", &f) < 0);
    test_folder_write("six/gone", "x");
    assert_int_equal(compose_add_folder(compose, "six", "", &f), 0);
    assert_int_equal(unlink("six/gone"), 0);
    assert_int_equal(compose_root(compose, "out.tar", &f), -ENOENT);
    assert_int_equal(mkfifo("six/pipe", 0600), 0);
    assert_int_equal(compose_add_folder(compose, "six", "", &f), -EINVAL);
    assert_int_equal(f.code, CODE_SCHEMA);
    compose_free(compose);
}

/* A root that is cut off anywhere is a failure, not a smaller image. */
static void test_truncated_root(void **state)
{
    struct stat status;

    (void)state;
    write_root("whole.tar", root, ARRAY_SIZE(root));
    assert_int_equal(stat("whole.tar", &status), 0);
    for (off_t size = 700; size < status.st_size - 10240; size += 512) {
        struct compose *compose = compose_make(DATE);
        struct failure f = FAILURE_NONE;

        write_root("cut.tar", root, ARRAY_SIZE(root));
        assert_int_equal(truncate("cut.tar", size), 0);
        assert_true(compose_write(compose, "cut.tar", "out.tar", &f) < 0);
        compose_free(compose);
    }
}

/* A name that this locale has no letters for is refused rather than guessed. */
static void test_foreign_name(void **state)
{
    static const struct entry entries[] = { { "./usr/caf\303\251", 'f', 0644, 0, "x" } };
    struct compose *compose = compose_make(DATE);
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
    write_root("root.tar", entries, ARRAY_SIZE(entries));
    assert_int_equal(compose_write(compose, "root.tar", "out.tar", &f), 0);
    found = list("out.tar");
    assert_string_equal(found, "f644 0 ./usr/caf\303\251 x\n");
    assert_non_null(setlocale(LC_ALL, "C"));
    assert_true(compose_write(compose, "root.tar", "out.tar", &f) < 0);
    compose_free(compose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_layers),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_layer_over_folder),
        cmocka_unit_test(test_folder_over_link),
        cmocka_unit_test(test_hard_links),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_rewrite_shadow_of_layer),
        cmocka_unit_test(test_rewrite_fails),
        cmocka_unit_test(test_rewrite_large),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_read_root),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_truncated_root),
        cmocka_unit_test(test_foreign_name),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
