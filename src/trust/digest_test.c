#include "trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/test_folder.h"
#include "sys/file.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void check(const struct digest *digest, const char *expected)
{
    char digits[DIGEST_TEXT_SIZE];

    assert_string_equal(digest_text(digest, digits), expected);
}

static void test_bytes(void **state)
{
    struct digest digest = digest_bytes("", 0);

    (void)state;
    check(&digest, EMPTY); /* FIPS 180-2 and its examples */
    digest = digest_bytes("abc", 3);
    check(&digest, ABC);
    digest = digest_two("a", 1, "bc", 2);
    check(&digest, ABC);
    digest = digest_two("", 0, "", 0);
    check(&digest, EMPTY);
}

static void test_parse(void **state)
{
    static const char *const refused[] = { "",
                                           "00",
                                           EMPTY "0",
                                           "x" ABC,
                                           "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF"
                                           "61F20015AD",
                                           "Ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff"
                                           "61f20015ad",
                                           "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff"
                                           "61f20015ad" };
    struct digest digest = { .bytes = { 7 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(digest_parse(refused[i], strlen(refused[i]), &digest), -EBADMSG);
    assert_int_equal(digest_parse(ABC, strlen(ABC) - 1, &digest), -EBADMSG);
    assert_int_equal(digest.bytes[0], 7);
    assert_int_equal(digest_parse(ABC, strlen(ABC), &digest), 0);
    check(&digest, ABC);
}

static void test_file(void **state)
{
    struct failure f = FAILURE_NONE;
    struct digest digest;

    (void)state;
    test_folder_write("abc", "abc");
    assert_int_equal(digest_file("abc", &digest, &f), 0);
    check(&digest, ABC);
    test_folder_write("empty", "");
    assert_int_equal(digest_file("empty", &digest, &f), 0);
    check(&digest, EMPTY);
    assert_int_equal(digest_file("missing", &digest, &f), -ENOENT);
    assert_non_null(strstr(f.text, "'missing'"));
    assert_true(digest_file(".", &digest, &f) < 0);
}

/* A hole is the same as the zeros that it stands for: at the start, inside, at the end, alone. */
static void test_holes(void **state)
{
    enum { SIZE = 5 << 20 };
    static const struct {
        off_t at; /* of one byte of data; -1: none */
    } cases[] = { { 0 }, { 1 << 20 }, { (3 << 20) + 5 }, { SIZE - 1 }, { -1 } };
    uint8_t *bytes = malloc(SIZE);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct digest expected, found;
        struct failure f = FAILURE_NONE;
        int fd = open("holes", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        memset(bytes, 0, SIZE);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, SIZE), 0);
        if (cases[i].at >= 0) {
            bytes[cases[i].at] = 'x';
            assert_int_equal(pwrite(fd, "x", 1, cases[i].at), 1);
        }
        assert_int_equal(close(fd), 0);
        expected = digest_bytes(bytes, SIZE);
        assert_int_equal(digest_file("holes", &found, &f), 0);
        assert_memory_equal(&found, &expected, sizeof(found));
    }
    free(bytes);
}

static struct digest tree(void)
{
    struct failure f = FAILURE_NONE;
    struct digest digest;

    assert_int_equal(digest_tree("t", &digest, &f), 0);
    return digest;
}

static bool changed(const struct digest *former)
{
    struct digest now = tree();

    return memcmp(&now, former, sizeof(now)) != 0;
}

static void make_tree(void)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_remove_tree("t", &f), 0);
    test_folder_write("t/a", "one");
    test_folder_write("t/d/b", "two");
    assert_int_equal(chmod("t/d/b", 0755), 0);
    assert_int_equal(symlink("a", "t/link"), 0);
}

static void change_nothing(void)
{
    assert_int_equal(chmod("t/a", 0600), 0);
    assert_int_equal(chmod("t/d", 0700), 0);
    assert_int_equal(chmod("t/d/b", 0700), 0);
    assert_int_equal(
        utimensat(AT_FDCWD, "t/a", (const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
}

static void change_content(void)
{
    test_folder_write("t/a", "One");
}

static void change_mode(void)
{
    assert_int_equal(chmod("t/a", 0755), 0);
}

static void change_name(void)
{
    assert_int_equal(rename("t/a", "t/c"), 0);
}

static void change_place(void)
{
    assert_int_equal(rename("t/a", "t/d/a"), 0);
}

static void change_link(void)
{
    assert_int_equal(unlink("t/link"), 0);
    assert_int_equal(symlink("b", "t/link"), 0);
}

static void change_type(void)
{
    assert_int_equal(unlink("t/link"), 0);
    test_folder_write("t/link", "a");
}

static void add_folder(void)
{
    assert_int_equal(mkdir("t/empty", 0755), 0);
}

static void test_tree(void **state)
{
    static const struct {
        void (*change)(void);
        bool counts;
    } cases[] = {
        { change_nothing, false }, { change_content, true }, { change_mode, true },
        { change_name, true },     { change_place, true },   { change_link, true },
        { change_type, true },     { add_folder, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct digest former;

        make_tree();
        former = tree();
        cases[i].change();
        assert_int_equal(changed(&former), cases[i].counts);
    }
}

/* The folder's own place does not count, and a file stands for its content. */
static void test_tree_elsewhere(void **state)
{
    struct failure f = FAILURE_NONE;
    struct digest here, there;

    (void)state;
    make_tree();
    here = tree();
    assert_int_equal(rename("t", "another-name"), 0);
    assert_int_equal(digest_tree("another-name", &there, &f), 0);
    assert_memory_equal(&here, &there, sizeof(here));
    test_folder_write("abc", "abc");
    assert_int_equal(digest_tree("abc", &there, &f), 0);
    check(&there, ABC);
    assert_int_equal(digest_tree("missing", &there, &f), -ENOENT);
}

/* One file whose name and content look like two entries is not two entries. */
static void test_tree_names(void **state)
{
    struct failure f = FAILURE_NONE;
    struct digest one, two;

    (void)state;
    assert_int_equal(file_remove_tree("t", &f), 0);
    test_folder_write("t/a\nf 2:/b", "abc");
    one = tree();
    assert_int_equal(file_remove_tree("t", &f), 0);
    test_folder_write("t/a", "abc");
    test_folder_write("t/b", "abc");
    two = tree();
    assert_memory_not_equal(&one, &two, sizeof(one));
}

/* Reading a FIFO would wait for ever. */
static void test_tree_special(void **state)
{
    struct failure f = FAILURE_NONE;
    struct digest digest;

    (void)state;
    make_tree();
    assert_int_equal(mkfifo("t/pipe", 0600), 0);
    assert_int_equal(digest_tree("t", &digest, &f), -EINVAL);
    assert_int_equal(f.code, CODE_SCHEMA);
    assert_non_null(strstr(f.text, "t/pipe"));
}

static void test_stream(void **state)
{
    static const char text[] = "one piece after the other";

    (void)state;
    for (size_t step = 1; step <= strlen(text); step++) {
        struct digest_stream *stream = digest_stream_start();
        struct digest whole = digest_bytes(text, strlen(text)), pieces;

        for (size_t at = 0; at < strlen(text); at += step)
            digest_stream_add(stream, text + at,
                              strlen(text) - at < step ? strlen(text) - at : step);
        pieces = digest_stream_end(stream);
        assert_memory_equal(&pieces, &whole, sizeof(whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),         cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_file),
        cmocka_unit_test(test_holes),          cmocka_unit_test(test_tree),
        cmocka_unit_test(test_tree_elsewhere), cmocka_unit_test(test_tree_names),
        cmocka_unit_test(test_tree_special),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
