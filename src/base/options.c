#include "base/options.h"

#include <errno.h>
#include <string.h>

#include "base/nearest.h"
#include "base/number.h"

enum { OPTION_NAMES_MAX = 64, HELP_COLUMN = 28 };

static const struct option_spec *find_spec(const struct options *options, const char *name,
                                           size_t length)
{
    for (size_t i = 0; i < options->spec_count; i++) {
        const char *candidate = options->specs[i].name;

        if (strlen(candidate) == length && memcmp(candidate, name, length) == 0)
            return &options->specs[i];
    }
    return NULL;
}

static int refuse_unknown(const struct options *options, const char *argument,
                          struct failure *failure)
{
    const char *names[OPTION_NAMES_MAX];
    char word[OPTION_NAMES_MAX] = { 0 };
    const char *nearest;
    size_t count = 0;

    for (; count < options->spec_count && count < OPTION_NAMES_MAX; count++)
        names[count] = options->specs[count].name;
    for (size_t i = 0; i + 1 < sizeof(word) && argument[2 + i] && argument[2 + i] != '='; i++)
        word[i] = argument[2 + i];
    nearest = argument[1] == '-' ? nearest_name(word, names, count) : NULL;
    if (nearest)
        return failure_set(failure, CODE_USAGE, -EINVAL,
                           "unknown option '%s', did you mean '--%s'?", argument, nearest);
    return failure_set(failure, CODE_USAGE, -EINVAL, "unknown option '%s'", argument);
}

static int check_range(const struct option_spec *spec, struct failure *failure)
{
    if (spec->kind != OPTION_NUMBER || spec->max == 0 ||
        (*(uint64_t *)spec->target >= spec->min && *(uint64_t *)spec->target <= spec->max))
        return 0;
    return failure_set(failure, CODE_USAGE, -EINVAL, "--%s takes %llu to %llu", spec->name,
                       (unsigned long long)spec->min, (unsigned long long)spec->max);
}

static int store_value(const struct option_spec *spec, const char *value, struct failure *failure)
{
    int r = 0;

    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->target = true;
        break;
    case OPTION_TEXT:
        *(const char **)spec->target = value;
        break;
    case OPTION_NUMBER:
        r = number_parse_text(value, UINT64_MAX, spec->target);
        break;
    case OPTION_SIZE:
        r = number_parse_size(value, spec->target);
        break;
    }
    if (r < 0)
        return failure_set(failure, CODE_USAGE, -EINVAL, "--%s takes a %s, not '%s'", spec->name,
                           spec->kind == OPTION_SIZE ? "size such as 512MiB" : "number", value);
    return check_range(spec, failure);
}

/* Handles the option at argv[*index] and moves *index to the last word it used. */
static int parse_option(const struct options *options, int argc, char **argv, int *index,
                        struct failure *failure)
{
    const char *argument = argv[*index];
    const char *equals = strchr(argument, '=');
    const struct option_spec *spec = NULL;
    const char *value = NULL;

    if (argument[1] == '-')
        spec = find_spec(options, argument + 2,
                         equals ? (size_t)(equals - argument - 2) : strlen(argument + 2));
    if (!spec)
        return refuse_unknown(options, argument, failure);
    if (spec->kind == OPTION_FLAG) {
        if (equals)
            return failure_set(failure, CODE_USAGE, -EINVAL, "--%s takes no value", spec->name);
    } else if (equals) {
        value = equals + 1;
    } else if (*index + 1 < argc) {
        value = argv[++*index];
    } else {
        return failure_set(failure, CODE_USAGE, -EINVAL, "--%s needs %s", spec->name, spec->value);
    }
    return store_value(spec, value, failure);
}

int options_parse(const struct options *options, int argc, char **argv,
                  struct operands *ret_operands, struct failure *failure)
{
    bool only_operands = false;

    CHECK(options->operand_max <= OPTIONS_OPERANDS_MAX);
    *ret_operands = (struct operands){ .count = 0 };
    for (int i = 1; i < argc; i++) {
        if (!only_operands && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
            return 1;
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
            continue;
        }
        if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = parse_option(options, argc, argv, &i, failure);

            if (r < 0)
                return r;
            continue;
        }
        if (ret_operands->count >= options->operand_max)
            return failure_set(failure, CODE_USAGE, -EINVAL, "unexpected argument '%s'", argv[i]);
        ret_operands->list[ret_operands->count++] = argv[i];
    }
    if (ret_operands->count < options->operand_min)
        return failure_set(failure, CODE_USAGE, -EINVAL, "usage: %s %s", options->program,
                           options->synopsis);
    return 0;
}

void options_help(const struct options *options, FILE *stream)
{
    (void)fprintf(stream, "usage: %s %s\n\n%s\n", options->program, options->synopsis,
                  options->purpose);
    if (options->spec_count > 0)
        (void)fprintf(stream, "\noptions:\n");
    for (size_t i = 0; i < options->spec_count; i++) {
        const struct option_spec *spec = &options->specs[i];
        int width = fprintf(stream, "  --%s%s%s", spec->name, spec->value ? " " : "",
                            spec->value ? spec->value : "");

        (void)fprintf(stream, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "",
                      spec->help);
    }
    if (options->example)
        (void)fprintf(stream, "\nexample: %s\n", options->example);
}

int options_main(const struct options *options, int argc, char **argv,
                 int (*run)(const struct operands *operands, struct failure *failure))
{
    struct failure failure = FAILURE_NONE;
    struct operands operands;
    int r = options_parse(options, argc, argv, &operands, &failure);

    if (r > 0)
        options_help(options, stdout);
    if (r == 0)
        r = run(&operands, &failure);
    return r < 0 ? (int)failure_print(&failure, options->program, stderr) : EXIT_CODE_DONE;
}
