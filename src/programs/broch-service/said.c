#include "programs/broch-service/said.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "base/options.h"
#include "node/boots.h"
#include "programs/broch-service/lines.h"
#include "programs/broch-service/output.h"
#include "sys/file.h"
#include "work/events.h"
#include "work/follow.h"
#include "work/logs.h"
#include "work/snapshot.h"
#include "work/tail.h"

enum {
    LINES_DEFAULT = 20,
    LINES_MAX = 100000,
    PATH_SIZE = 256,
};

static void add_said(const struct snapshot *snapshot, size_t service, const char *line,
                     size_t length, bool several, struct text *t)
{
    if (several)
        text_addf(t, "%s: ", snapshot->services[service].name);
    output_add_line(line, length, t);
}

/* --- Boots --- */

static void write_stamp(uint64_t seconds, char ret[static LINES_STAMP_LENGTH + 1])
{
    const time_t when = (time_t)seconds;
    struct tm parts;

    if (!localtime_r(&when, &parts) || strftime(ret, LINES_STAMP_LENGTH + 1, "%F %T", &parts) == 0)
        ret[0] = '\0';
}

/* Bounds the lines by the boot that was `back` boots before this one. */
static int bound_by_boot(uint64_t back, struct lines *lines, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct boot boots[BOOTS_KEPT_MAX];
    size_t size = 0, count = 0, length;
    struct cursor cursor;
    const char *line;
    int r = file_read(BOOTS_PATH, BOOTS_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0 && r != -ENOENT)
        return r;
    cursor = cursor_make(bytes, r < 0 ? 0 : size);
    while (count < BOOTS_KEPT_MAX && cursor_line(&cursor, &line, &length))
        count += boots_parse_line(line, length, &boots[count]) == 0;
    if (back >= count)
        return failure_set(f, CODE_LOG_BOOT, -ENOENT,
                           "%zu boots are on record, so there is none %llu before this one", count,
                           (unsigned long long)back);
    write_stamp(boots[count - 1 - back].seconds, lines->from);
    if (back > 0)
        write_stamp(boots[count - back].seconds, lines->to);
    return 0;
}

/* "-1" is the boot before this one, as is "1"; "0" is this one. */
static int parse_boot(const char *text, uint64_t *ret, struct failure *f)
{
    const char *digits = text[0] == '-' ? text + 1 : text;

    if (number_parse(digits, strlen(digits), BOOTS_KEPT_MAX, ret) < 0)
        return failure_set(f, CODE_USAGE, -EINVAL, "--boot takes 0 (this boot) to -%d, not '%s'",
                           BOOTS_KEPT_MAX, text);
    return 0;
}

/* --- Logs --- */

static bool is_chosen(const struct snapshot *snapshot, size_t index, const char *service)
{
    return !service || strcmp(snapshot->services[index].name, service) == 0;
}

static int collect(const struct snapshot *snapshot, const char *service, uint64_t count,
                   struct lines *lines, struct failure *f)
{
    bool several = !service;

    for (size_t i = 0; i < snapshot->count; i++) {
        struct failure ignored = FAILURE_NONE; /* one without a log, or that we may not read */

        if (!is_chosen(snapshot, i, service))
            continue;
        lines->service = i;
        if (logs_read(LOGS_FOLDER, snapshot->services[i].name, count, lines_keep, lines,
                      several ? &ignored : f) < 0 &&
            !several)
            return f->cause;
    }
    if (lines->failed)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (several)
        lines_sort(lines);
    return 0;
}

static int print_lines(const struct snapshot *snapshot, const struct lines *lines, uint64_t count,
                       bool several, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    size_t first = lines->count > count ? lines->count - (size_t)count : 0;

    for (size_t i = first; i < lines->count; i++)
        add_said(snapshot, lines->list[i].service, lines->list[i].text, lines->list[i].length,
                 several, &t);
    return output_text(&t, f);
}

struct following {
    const struct snapshot *snapshot;
    size_t services[FOLLOW_FILES_MAX]; /* by the number of the file */
    bool several, json;
    struct text t;
};

static void hear_log(size_t file, const char *line, size_t length, void *context)
{
    struct following *following = context;

    add_said(following->snapshot, following->services[file], line, length, following->several,
             &following->t);
}

/* Goes on until the program is ended. */
static int follow(struct follow *source, follow_line each, struct following *following,
                  struct failure *f)
{
    int r;

    do {
        r = follow_step(source, -1, each, following, f);
        if (r >= 0)
            r = output_text(&following->t, f);
        text_clear(&following->t);
    } while (r >= 0);
    text_done(&following->t);
    return r;
}

static int follow_logs(const struct snapshot *snapshot, const char *service, struct failure *f)
{
    struct following following = { .snapshot = snapshot, .several = !service, .t = TEXT_INIT };
    struct follow *source = NULL;
    int r = follow_new(&source, f);

    for (size_t i = 0; r == 0 && i < snapshot->count; i++) {
        char path[PATH_SIZE];
        size_t file;

        if (!is_chosen(snapshot, i, service))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s/current", LOGS_FOLDER,
                       snapshot->services[i].name);
        r = follow_add(source, path, &file, f);
        if (r == 0)
            following.services[file] = i;
        else if (!service)
            r = 0; /* it has no log yet, or we may not read it */
    }
    if (r == 0)
        r = follow(source, hear_log, &following, f);
    (void)follow_free(source);
    return r;
}

/* The short forms that people know. */
static void lengthen(int argc, char **argv)
{
    static char follow_word[] = "--follow", lines_word[] = "--lines";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0)
            argv[i] = follow_word;
        else if (strcmp(argv[i], "-n") == 0)
            argv[i] = lines_word;
    }
}

static int choose(const char *service, struct snapshot *snapshot, struct failure *f)
{
    /* PID 1's own service is in nobody's manifest, but it has a log. */
    static const char supervisor[] = "orchestrator";
    int r = snapshot_read(SNAPSHOT_PATH, snapshot, f);

    if (r < 0 && (!service || strcmp(service, supervisor) != 0))
        return r;
    if (r < 0)
        snapshot->count = 0; /* why there is none stands in the very log that is asked for */
    if (snapshot->count < SNAPSHOT_SERVICES_MAX)
        snapshot_set_text(snapshot->services[snapshot->count++].name, SNAPSHOT_NAME_SIZE,
                          supervisor, strlen(supervisor));
    if (service && !snapshot_find(snapshot, service))
        return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT,
                           "there is no service '%s'; 'broch service list' has all", service);
    return 0;
}

int said_tail(const char *service, uint64_t count, struct failure *f)
{
    static struct snapshot snapshot;
    _cleanup_lines_ struct lines lines = { .count = 0 };
    struct failure ignored = FAILURE_NONE;

    if (choose(service, &snapshot, f) < 0)
        return f->cause;
    if (collect(&snapshot, service, count, &lines, &ignored) < 0)
        return 0; /* it has said nothing yet, or not to us */
    return print_lines(&snapshot, &lines, count, false, f);
}

int said_logs(int argc, char **argv, struct failure *f)
{
    static struct snapshot snapshot;
    _cleanup_lines_ struct lines lines = { .count = 0 };
    bool go_on = false;
    uint64_t count = LINES_DEFAULT, back = 0;
    const char *boot = NULL, *service;
    const struct option_spec specs[] = {
        { "follow", OPTION_FLAG, &go_on, NULL, "go on with what is said from now on (-f)" },
        { "lines", OPTION_NUMBER, &count, "N", "how many (-n; default: 20)" },
        { "boot", OPTION_TEXT, &boot, "N", "of this boot (0) or an earlier one (-1, -2, ...)" },
    };
    const struct options options = {
        .program = "broch logs",
        .synopsis = "[SERVICE] [options]",
        .purpose = "Prints the last lines that a service said, or those of all by their time.",
        .example = "broch logs network -f",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_max = 1,
    };
    struct operands operands;
    int r;

    lengthen(argc, argv);
    r = options_parse(&options, argc, argv, &operands, f);
    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    service = operands.count > 0 ? operands.list[0] : NULL;
    if (count > LINES_MAX)
        return failure_set(f, CODE_USAGE, -ERANGE, "--lines is at most %d", LINES_MAX);
    r = boot ? parse_boot(boot, &back, f) : 0;
    if (r == 0 && boot)
        r = bound_by_boot(back, &lines, f);
    if (r == 0)
        r = choose(service, &snapshot, f);
    if (r == 0)
        r = collect(&snapshot, service, boot ? LINES_MAX : count, &lines, f);
    if (r == 0)
        r = print_lines(&snapshot, &lines, count, !service, f);
    return r == 0 && go_on ? follow_logs(&snapshot, service, f) : r;
}

/* --- Events --- */

static void add_event(const char *line, size_t length, struct following *following)
{
    if (following->json)
        output_add_line(line, length, &following->t);
    else
        events_add_words(line, length, &following->t);
}

static void hear_event(size_t file, const char *line, size_t length, void *context)
{
    (void)file;
    add_event(line, length, context);
}

static void take_event(const char *line, size_t length, void *context)
{
    add_event(line, length, context);
}

int said_events(int argc, char **argv, struct failure *f)
{
    struct following following = { .t = TEXT_INIT };
    struct follow *source = NULL;
    bool go_on = false;
    uint64_t count = LINES_DEFAULT;
    size_t file;
    const struct option_spec specs[] = {
        { "follow", OPTION_FLAG, &go_on, NULL, "go on with what happens from now on (-f)" },
        { "lines", OPTION_NUMBER, &count, "N", "how many (-n; default: 20)" },
        { "json", OPTION_FLAG, &following.json, NULL, "one JSON object a line" },
    };
    const struct options options = {
        .program = "broch events",
        .synopsis = "[options]",
        .purpose = "Prints what happened to services: starts, ends, requests, complaints.",
        .example = "broch events -f",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    struct operands operands;
    int r;

    lengthen(argc, argv);
    r = options_parse(&options, argc, argv, &operands, f);
    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    if (count > LINES_MAX)
        return failure_set(f, CODE_USAGE, -ERANGE, "--lines is at most %d", LINES_MAX);
    r = go_on ? follow_new(&source, f) : 0;
    if (r == 0 && go_on) /* before the last lines are read, so that none falls between */
        r = follow_add(source, EVENTS_PATH, &file, f);
    if (r == 0)
        r = tail_read(EVENTS_PATH, count, take_event, &following, f);
    if (r >= 0)
        r = output_text(&following.t, f);
    text_clear(&following.t);
    if (r == 0 && go_on)
        r = follow(source, hear_event, &following, f);
    text_done(&following.t);
    (void)follow_free(source);
    return r;
}
