#include "node/openmetrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"

static const char own_prefix[] = "broch_";

/* --- Writing --- */

void openmetrics_family(struct text *t, const char *name, const char *type, const char *unit,
                        const char *help)
{
    text_addf(t, "# TYPE %s %s\n", name, type);
    if (unit)
        text_addf(t, "# UNIT %s %s\n", name, unit);
    text_addf(t, "# HELP %s %s\n", name, help);
}

static void add_label_value(struct text *t, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"')
            text_addf(t, "\\%c", *p);
        else if (*p == '\n')
            text_add(t, "\\n");
        else
            text_addf(t, "%c", *p >= ' ' && *p <= '~' ? *p : '?');
    }
}

static void add_number(struct text *t, uint64_t number, unsigned decimals)
{
    uint64_t scale = 1;

    for (unsigned i = 0; i < decimals; i++)
        scale *= 10;
    text_addf(t, "%llu", (unsigned long long)(number / scale));
    if (decimals > 0)
        text_addf(t, ".%0*llu", (int)decimals, (unsigned long long)(number % scale));
}

void openmetrics_sample(struct text *t, const char *name, const struct openmetrics_label *labels,
                        size_t label_count, uint64_t number, unsigned decimals)
{
    text_add(t, name);
    for (size_t i = 0; i < label_count; i++) {
        text_addf(t, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        add_label_value(t, labels[i].value);
        text_add(t, "\"");
    }
    text_add(t, label_count > 0 ? "} " : " ");
    add_number(t, number, decimals);
    text_add(t, "\n");
}

void openmetrics_end(struct text *t)
{
    text_add(t, "# EOF\n");
}

/* --- Files of others --- */

struct family {
    char name[OPENMETRICS_NAME_SIZE];
    const char *type; /* of types[] */
    const char *help; /* borrowed from the input, with its length */
    size_t help_length;
    bool has_samples;
};

struct take {
    struct cursor cursor;
    struct failure *failure;
    unsigned line;
    struct openmetrics_names *names;
    size_t names_before;
    struct text *text;
    struct family family; /* the one that is open; no name when none is */
    struct {
        size_t start, length; /* of the series, in the text */
    } * series;
    size_t series_count;
};

static const struct {
    const char *name; /* as the file says it */
    const char *type; /* as we say it */
    const char *suffixes[5];
} types[] = {
    { "counter", "counter", { "_total", "_created" } },
    { "gauge", "gauge", { "" } },
    { "untyped", "unknown", { "" } },
    { "unknown", "unknown", { "" } },
    { "info", "info", { "_info" } },
    { "stateset", "stateset", { "" } },
    { "histogram", "histogram", { "_bucket", "_sum", "_count", "_created" } },
    { "summary", "summary", { "", "_sum", "_count", "_created" } },
};

static int refuse(struct take *take, int error, const char *what)
{
    return failure_set(take->failure, CODE_METRICS, error, "line %u: %s", take->line, what);
}

/* The number of bytes of the name at the cursor's place. */
static size_t name_length(const char *text, size_t length, bool is_label)
{
    size_t i = 0;

    while (i < length &&
           ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
            text[i] == '_' || (text[i] == ':' && !is_label) ||
            (i > 0 && text[i] >= '0' && text[i] <= '9')))
        i++;
    return i;
}

static bool is_listed(const struct openmetrics_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], name) == 0)
            return true;
    }
    return false;
}

/* Makes `name` the open family, of unknown type so far. */
static int open_family(struct take *take, const char *name, size_t length)
{
    if (length == 0 || length >= OPENMETRICS_NAME_SIZE)
        return refuse(take, -EBADMSG, "a name is missing or too long");
    take->family = (struct family){ .type = "unknown" };
    memcpy(take->family.name, name, length);
    if (strncmp(take->family.name, own_prefix, strlen(own_prefix)) == 0)
        return refuse(take, -EBADMSG, "names that begin with broch_ are the machine's own");
    if (is_listed(take->names, take->family.name))
        return refuse(take, -EBADMSG, "this family is on the page already");
    return 0;
}

/* The name of a counter ends without "_total" in OpenMetrics, and with it in the older form. */
static size_t family_length(const char *type, const char *name, size_t length)
{
    static const char total[] = "_total";
    size_t cut = strlen(total);

    if (strcmp(type, "counter") == 0 && length > cut &&
        memcmp(name + length - cut, total, cut) == 0)
        return length - cut;
    return length;
}

static bool is_open(const struct take *take, const char *name, size_t length)
{
    return length > 0 && strlen(take->family.name) == length &&
           memcmp(take->family.name, name, length) == 0;
}

static int take_type(struct take *take, const char *name, size_t length, const char *rest,
                     size_t rest_length)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct family former = take->family;
        size_t cut;
        int r;

        if (strlen(types[i].name) != rest_length || memcmp(types[i].name, rest, rest_length) != 0)
            continue;
        cut = family_length(types[i].type, name, length);
        if (is_open(take, name, length) && former.has_samples)
            return refuse(take, -EBADMSG, "a type after its samples");
        r = open_family(take, name, cut);
        /* HELP may have come first, under the name as the file has it. */
        if (strlen(former.name) == length && memcmp(former.name, name, length) == 0) {
            take->family.help = former.help;
            take->family.help_length = former.help_length;
        }
        take->family.type = types[i].type;
        return r;
    }
    return refuse(take, -EBADMSG, "an unknown type");
}

static int take_help(struct take *take, const char *name, size_t length, const char *rest,
                     size_t rest_length)
{
    size_t cut = family_length(take->family.type ? take->family.type : "", name, length);
    int r = 0;

    if (!is_open(take, name, cut))
        r = open_family(take, name, length);
    take->family.help = rest;
    take->family.help_length = rest_length;
    return r;
}

/* "# HELP name text", "# TYPE name type"; UNIT says nothing that the name does not, and any other
 * comment is for people. */
static int take_comment(struct take *take, const char *text, size_t length)
{
    bool is_type = length > 7 && memcmp(text, "# TYPE ", 7) == 0;
    bool is_help = length > 7 && memcmp(text, "# HELP ", 7) == 0;
    size_t name;

    if (!is_type && !is_help)
        return 0;
    text += 7;
    length -= 7;
    name = name_length(text, length, false);
    if (name == 0 || (name < length && text[name] != ' '))
        return refuse(take, -EBADMSG, "a bad name");
    if (name == length)
        return is_help ? take_help(take, text, name, "", 0) : refuse(take, -EBADMSG, "no type");
    return (is_type ? take_type : take_help)(take, text, name, text + name + 1, length - name - 1);
}

/* Whether the sample's name is one of the open family's. */
static bool fits(const struct take *take, const char *name, size_t length)
{
    size_t own = strlen(take->family.name);

    if (own == 0 || length < own || memcmp(name, take->family.name, own) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i].type, take->family.type) != 0)
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(types[i].suffixes) && types[i].suffixes[k]; k++) {
            if (strlen(types[i].suffixes[k]) == length - own &&
                memcmp(types[i].suffixes[k], name + own, length - own) == 0)
                return true;
        }
    }
    return false;
}

/* The first sample of a family writes its head. */
static int begin_family(struct take *take)
{
    struct family *family = &take->family;

    if (family->has_samples)
        return 0;
    if (take->names->count == OPENMETRICS_FAMILIES_MAX)
        return refuse(take, -ERANGE, "too many families");
    memcpy(take->names->list[take->names->count++], family->name, sizeof(family->name));
    family->has_samples = true;
    text_addf(take->text, "# TYPE %s %s\n", family->name, family->type);
    if (family->help_length > 0) {
        text_addf(take->text, "# HELP %s ", family->name);
        text_add_bytes(take->text, family->help, family->help_length);
        text_add(take->text, "\n");
    }
    return 0;
}

/* The end of `{label="value",...}` at text[0], or 0. */
static size_t labels_length(const char *text, size_t length)
{
    size_t i = 1;

    while (i < length && text[i] != '}') {
        size_t name = name_length(text + i, length - i, true);

        i += name;
        if (name == 0 || length - i < 2 || text[i] != '=' || text[i + 1] != '"')
            return 0;
        for (i += 2; i < length && text[i] != '"'; i++) {
            if (text[i] == '\\' && (++i == length || !text[i] || !strchr("\\\"n", text[i])))
                return 0;
        }
        if (i == length)
            return 0;
        i++;
        if (i < length && text[i] == ',')
            i++;
        else if (i < length && text[i] != '}')
            return 0;
    }
    return i < length ? i + 1 : 0;
}

/* [+-] digits [. digits] [e [+-] digits], NaN, +Inf, -Inf. */
static bool is_value(const char *text, size_t length)
{
    static const char *const words[] = { "NaN", "Inf", "+Inf", "-Inf" };
    size_t i = 0, digits = 0;

    for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
        if (strlen(words[k]) == length && memcmp(words[k], text, length) == 0)
            return true;
    }
    i += i < length && (text[i] == '+' || text[i] == '-');
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        digits++;
    if (i < length && text[i] == '.') {
        for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++)
            digits++;
    }
    if (digits == 0)
        return false;
    if (i == length || (text[i] != 'e' && text[i] != 'E'))
        return i == length;
    i++;
    i += i < length && (text[i] == '+' || text[i] == '-');
    for (digits = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        digits++;
    return digits > 0 && i == length;
}

/* Remembers the series, which is at the end of the text: everything before its value. */
static int note_series(struct take *take, size_t start, size_t length)
{
    for (size_t i = 0; i < take->series_count; i++) {
        if (take->series[i].length == length &&
            memcmp(take->text->data + take->series[i].start, take->text->data + start, length) == 0)
            return refuse(take, -EBADMSG, "this sample is there twice");
    }
    take->series[take->series_count].start = start;
    take->series[take->series_count++].length = length;
    return 0;
}

static int take_sample(struct take *take, const char *text, size_t length)
{
    size_t name = name_length(text, length, false), series = name, value, start;
    int r = 0;

    if (name == 0)
        return refuse(take, -EBADMSG, "neither a comment nor a sample");
    if (name < length && text[name] == '{') {
        series = labels_length(text + name, length - name);
        if (series == 0)
            return refuse(take, -EBADMSG, "bad labels");
        series += name;
    }
    for (value = series; value < length && text[value] == ' ';)
        value++;
    if (value == series || !is_value(text + value, length - value))
        return refuse(take, -EBADMSG, "a value and nothing else must follow the name");
    if (take->series_count == OPENMETRICS_SAMPLES_MAX)
        return refuse(take, -ERANGE, "too many samples");
    if (!fits(take, text, name))
        r = open_family(take, text, name);
    if (r == 0)
        r = begin_family(take);
    if (r < 0)
        return r;
    start = take->text->length;
    text_add_bytes(take->text, text, series);
    text_add(take->text, " ");
    text_add_bytes(take->text, text + value, length - value);
    text_add(take->text, "\n");
    return text_status(take->text) < 0 ? -ENOMEM : note_series(take, start, series);
}

/* Printable ASCII and UTF-8 beyond it; a tab or another control character has no place here. */
static bool is_clean(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            return false;
    }
    return true;
}

static int take_lines(struct take *take)
{
    const char *text;
    size_t length;
    int r = 0;

    while (r == 0 && cursor_line(&take->cursor, &text, &length)) {
        take->line++;
        if (length > OPENMETRICS_LINE_MAX || !is_clean(text, length))
            r = refuse(take, -EBADMSG, "too long, or a control character");
        else if (length == 5 && memcmp(text, "# EOF", 5) == 0)
            return 0;
        else if (length > 0)
            r = (text[0] == '#' ? take_comment : take_sample)(take, text, length);
    }
    if (r < 0 || cursor_finished(&take->cursor))
        return r;
    take->line++;
    return refuse(take, -EBADMSG, "the last line has no end: is somebody writing the file?");
}

int openmetrics_take(const char *bytes, size_t size, struct openmetrics_names *names,
                     struct text *t, struct failure *f)
{
    _cleanup_text_ struct text taken = TEXT_INIT;
    struct take take = { .cursor = cursor_make(bytes, size),
                         .failure = f,
                         .names = names,
                         .names_before = names->count,
                         .text = &taken };
    int r;

    if (size > OPENMETRICS_FILE_SIZE_MAX)
        return failure_set(f, CODE_METRICS, -ERANGE, "line 1: more than %d bytes",
                           OPENMETRICS_FILE_SIZE_MAX);
    take.series = calloc(OPENMETRICS_SAMPLES_MAX, sizeof(*take.series));
    r = take.series ? take_lines(&take) : -ENOMEM;
    free(take.series);
    if (r == -ENOMEM || text_status(&taken) < 0)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r < 0)
        names->count = take.names_before;
    else
        text_add_bytes(t, text_string(&taken), taken.length);
    return r;
}
