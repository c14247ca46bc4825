#include "work/logs.h"

#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "sys/file.h"
#include "work/snapshot.h"

enum { PATH_SIZE = 256 };

/* Oldest first, with room for `current` behind them. */
struct archive {
    char names[LOGS_FILES_MAX + 1][LOGS_NAME_SIZE];
    size_t count;
};

static int collect(const char *folder, const char *name, void *context, struct failure *f)
{
    struct archive *archive = context;

    if (name[0] != '@' || strlen(name) >= LOGS_NAME_SIZE)
        return 0;
    if (archive->count == LOGS_FILES_MAX) /* sorted: the oldest makes room */
        memmove(archive->names[0], archive->names[1],
                (LOGS_FILES_MAX - 1) * sizeof(archive->names[0]));
    else
        archive->count++;
    memcpy(archive->names[archive->count - 1], name, strlen(name) + 1);
    return 0;
}

static void ignore_line(const char *line, size_t length, void *context)
{
}

static bool make_path(const char *folder, const char *service, const char *name,
                      char ret[static PATH_SIZE])
{
    struct line l = line_make(ret, PATH_SIZE);

    line_addf(&l, "%s/%s/%s", folder, service, name);
    return !l.cut;
}

/* How many lines a file has, at most `count`. Files come and go while s6-log works. */
static size_t count_lines(const char *path, size_t count)
{
    struct failure ignored = FAILURE_NONE;
    int lines = tail_read(path, count, ignore_line, NULL, &ignored);

    return lines < 0 ? 0 : (size_t)lines;
}

int logs_read(const char *folder, const char *service, size_t count, tail_line each, void *context,
              struct failure *f)
{
    struct archive archive = { .count = 0 };
    size_t wanted[LOGS_FILES_MAX + 1] = { 0 }, first, left = count;
    char path[PATH_SIZE];
    int total = 0, r;

    if (!make_path(folder, service, "", path))
        return failure_set(f, CODE_IO, -ENAMETOOLONG, "the path of the log is too long");
    r = file_list(path, collect, &archive, f);
    if (r < 0)
        return r;
    (void)snprintf(archive.names[archive.count], LOGS_NAME_SIZE, "current");
    for (first = archive.count + 1; first > 0 && left > 0; first--) {
        if (make_path(folder, service, archive.names[first - 1], path))
            wanted[first - 1] = count_lines(path, left);
        left -= wanted[first - 1];
    }
    for (size_t i = first; i <= archive.count; i++) {
        struct failure ignored = FAILURE_NONE; /* it was moved meanwhile */

        r = make_path(folder, service, archive.names[i], path)
                ? tail_read(path, wanted[i], each, context, &ignored)
                : 0;
        total += r < 0 ? 0 : r;
    }
    return total;
}

size_t logs_stamp_length(const char *line, size_t length)
{
    static const char form[] = "dddd-dd-dd dd:dd:dd.ddddddddd  ";

    if (length < sizeof(form) - 1)
        return 0;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';

        if (form[i] == 'd' ? !digit : line[i] != form[i])
            return 0;
    }
    return sizeof(form) - 1;
}

struct last {
    char *text;
    size_t size;
};

static void keep(const char *line, size_t length, void *context)
{
    const struct last *last = context;
    size_t stamp = logs_stamp_length(line, length);

    snapshot_set_text(last->text, last->size, line + stamp, length - stamp);
}

void logs_last(const char *folder, const char *service, char *ret, size_t size)
{
    struct failure ignored = FAILURE_NONE; /* the answer is "" then */
    struct last last = { .text = ret, .size = size };
    char path[PATH_SIZE];

    ret[0] = '\0';
    if (!make_path(folder, service, "current", path) ||
        tail_read(path, 1, keep, &last, &ignored) < 0)
        ret[0] = '\0';
}
