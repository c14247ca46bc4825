#include "base/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_death.h"

enum { WORDS_MAX = 24 };

static bool arg_flag;
static const char *arg_text;
static uint64_t arg_number, arg_size;

static const struct option_spec specs[] = {
    { "verbose", OPTION_FLAG, &arg_flag, NULL, "say more" },
    { "keys", OPTION_TEXT, &arg_text, "DIR", "folder of the keys" },
    { "jobs", OPTION_NUMBER, &arg_number, "N", "jobs at once" },
    { "memory-of-the-machine", OPTION_SIZE, &arg_size, "SIZE", "memory" },
};

static const struct options options = {
    .program = "broch test",
    .synopsis = "PROFILE [NAME] [options]",
    .purpose = "Tries things.",
    .example = "broch test node",
    .specs = specs,
    .spec_count = ARRAY_SIZE(specs),
    .operand_min = 1,
    .operand_max = 2,
};

/* Parses a command line written with single spaces; "" between two spaces is an empty word. */
static int parse(const char *line, struct operands *ret, struct failure *f)
{
    static char copy[256];
    char *words[WORDS_MAX] = { NULL };
    int count = 0;

    arg_flag = false;
    arg_text = NULL;
    arg_number = arg_size = 0;
    assert_true(strlen(line) < sizeof(copy));
    memcpy(copy, line, strlen(line) + 1);
    for (char *p = copy; p;) {
        char *space = strchr(p, ' ');

        if (space)
            *space = '\0';
        assert_true(count < WORDS_MAX);
        words[count++] = p;
        p = space ? space + 1 : NULL;
    }
    return options_parse(&options, count, words, ret, f);
}

static void test_good(void **state)
{
    struct failure f = FAILURE_NONE;
    struct operands o;

    (void)state;
    assert_int_equal(parse("t node", &o, &f), 0);
    assert_int_equal(o.count, 1);
    assert_string_equal(o.list[0], "node");
    assert_false(arg_flag);

    assert_int_equal(
        parse("t --verbose --keys /k node --jobs 4 x --memory-of-the-machine=2GiB", &o, &f), 0);
    assert_int_equal(o.count, 2);
    assert_string_equal(o.list[1], "x");
    assert_true(arg_flag);
    assert_string_equal(arg_text, "/k");
    assert_int_equal(arg_number, 4);
    assert_true(arg_size == (uint64_t)2 << 30);

    assert_int_equal(parse("t --keys= -- --verbose -", &o, &f), 0);
    assert_int_equal(o.count, 2);
    assert_string_equal(o.list[0], "--verbose");
    assert_string_equal(o.list[1], "-");
    assert_string_equal(arg_text, "");
    assert_false(arg_flag);

    assert_int_equal(parse("t --keys --verbose node", &o, &f), 0); /* a value may look like one */
    assert_string_equal(arg_text, "--verbose");
    assert_int_equal(parse("t --keys=a=b node", &o, &f), 0);
    assert_string_equal(arg_text, "a=b");
}

static void test_help_wins(void **state)
{
    static const char *const lines[] = { "t --help", "t -h", "t node --help", "t a b --help" };
    struct failure f = FAILURE_NONE;
    struct operands o;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(parse(lines[i], &o, &f), 1);
    assert_int_equal(parse("t -- --help", &o, &f), 0);
}

static void test_bad(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        { "t", "usage: broch test PROFILE [NAME] [options]" },
        { "t a b c", "unexpected argument 'c'" },
        { "t a -- b --verbose", "unexpected argument '--verbose'" },
        { "t --verbsoe a", "unknown option '--verbsoe', did you mean '--verbose'?" },
        { "t --job=4 a", "unknown option '--job=4', did you mean '--jobs'?" },
        { "t --zzzzzz a", "unknown option '--zzzzzz'" },
        { "t -v a", "unknown option '-v'" },
        { "t --verbose=yes a", "--verbose takes no value" },
        { "t a --keys", "--keys needs DIR" },
        { "t --jobs four a", "--jobs takes a number, not 'four'" },
        { "t --jobs=-1 a", "--jobs takes a number, not '-1'" },
        { "t --jobs= a", "--jobs takes a number, not ''" },
        { "t --memory-of-the-machine 2GB a",
          "--memory-of-the-machine takes a size such as 512MiB, not '2GB'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct operands o;

        assert_int_equal(parse(cases[i].line, &o, &f), -EINVAL);
        assert_int_equal(f.code, CODE_USAGE);
        assert_string_equal(f.text, cases[i].message);
    }
}

/* A number has bounds where its option says so, and both of them count as inside. */
static void test_range(void **state)
{
    uint64_t number = 5;
    const struct option_spec spec = { "seconds", OPTION_NUMBER, &number, "N", "how long", 2, 9 };
    const struct options one = { .program = "t", .specs = &spec, .spec_count = 1 };
    static const struct {
        const char *argument;
        bool good;
    } cases[] = { { "--seconds=1", false },
                  { "--seconds=2", true },
                  { "--seconds=9", true },
                  { "--seconds=10", false } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char program[] = "t", argument[16];
        char *argv[] = { program, argument, NULL };
        struct failure f = FAILURE_NONE;
        struct operands o;

        (void)snprintf(argument, sizeof(argument), "%s", cases[i].argument);
        assert_int_equal(options_parse(&one, 2, argv, &o, &f), cases[i].good ? 0 : -EINVAL);
        if (!cases[i].good)
            assert_string_equal(f.text, "--seconds takes 2 to 9");
    }
}

static int count_and_fail(const struct operands *operands, struct failure *f)
{
    return operands->count == 0 ? 0 : failure_set(f, CODE_IO, -EIO, "as asked");
}

static void test_main_function(void **state)
{
    const struct options any = { .program = "t", .operand_max = 1 };
    char program[] = "t", word[] = "word", bad[] = "--bad";
    char *argv[] = { program, word, NULL }, *wrong[] = { program, bad, NULL };

    (void)state;
    assert_int_equal(options_main(&any, 1, argv, count_and_fail), EXIT_CODE_DONE);
    assert_int_equal(options_main(&any, 2, argv, count_and_fail), EXIT_CODE_ERROR);
    assert_int_equal(options_main(&any, 2, wrong, count_and_fail), EXIT_CODE_USAGE);
}

static char *print_help(const struct options *which)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    options_help(which, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void test_help(void **state)
{
    static const struct options bare = { .program = "p", .synopsis = "", .purpose = "Nothing." };
    _cleanup_free_ char *full = print_help(&options), *small = print_help(&bare);

    (void)state;
    assert_string_equal(full, "usage: broch test PROFILE [NAME] [options]\n"
                              "\n"
                              "Tries things.\n"
                              "\n"
                              "options:\n"
                              "  --verbose                 say more\n"
                              "  --keys DIR                folder of the keys\n"
                              "  --jobs N                  jobs at once\n"
                              "  --memory-of-the-machine SIZE memory\n"
                              "\n"
                              "example: broch test node\n");
    assert_string_equal(small, "usage: p \n\nNothing.\n");
}

static void parse_too_many_operands(void)
{
    static const struct options wrong = { .operand_max = OPTIONS_OPERANDS_MAX + 1 };
    char *words[] = { NULL };
    struct failure f;
    struct operands o;

    (void)!options_parse(&wrong, 0, words, &o, &f); /* it does not return */
}

static void test_wrong_table(void **state)
{
    (void)state;
    assert_true(test_death_by_abort(parse_too_many_operands, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_help_wins),
        cmocka_unit_test(test_bad),           cmocka_unit_test(test_help),
        cmocka_unit_test(test_wrong_table),   cmocka_unit_test(test_range),
        cmocka_unit_test(test_main_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
