/* Command lines as tables. One table of options, one of positional operands; parsing, --help and
 * the nearest-name hint come from them. Long options take "--name value" or "--name=value"; "--"
 * ends options. Never exits: the caller decides. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/failure.h"

enum option_kind {
    OPTION_FLAG,   /* target: bool *, set to true */
    OPTION_TEXT,   /* target: const char **, borrowed from argv */
    OPTION_NUMBER, /* target: uint64_t * */
    OPTION_SIZE,   /* target: uint64_t *, accepts KiB, MiB, GiB */
};

struct option_spec {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *target;
    const char *value; /* name of the value in --help; NULL for flags */
    const char *help;
    uint64_t min, max; /* of a number; max 0: any */
};

struct options {
    const char *program;  /* "broch build" */
    const char *synopsis; /* "PROFILE [options]" */
    const char *purpose;  /* one sentence */
    const char *example;  /* one command line */
    const struct option_spec *specs;
    size_t spec_count;
    size_t operand_min;
    size_t operand_max;
};

enum { OPTIONS_OPERANDS_MAX = 16 };

struct operands {
    const char *list[OPTIONS_OPERANDS_MAX]; /* borrowed from argv */
    size_t count;
};

/* Parses argv[1..). Returns 0; 1 when --help was asked for (nothing else was looked at); or -EINVAL
 * with a BR-USAGE failure. Operands and targets are set on the way. */
MUST_USE int options_parse(const struct options *options, int argc, char **argv,
                           struct operands *ret_operands, struct failure *failure);

/* What most programs' main() does: parses, shows the help or calls `run`, and prints its failure
 * (negative result). Returns the exit code. */
MUST_USE int options_main(const struct options *options, int argc, char **argv,
                          int (*run)(const struct operands *operands, struct failure *failure));

/* Prints what --help shows. */
void options_help(const struct options *options, FILE *stream);
